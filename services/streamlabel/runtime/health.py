"""Whether a process is able to serve, and if not, why: each part speaks for itself.

    starting ──ok()──▶ ok ◀──▶ failing(reason) ──dead(reason)──▶ dead

A failing check makes the process *not ready* (others stop sending to it, a rollout waits for it, nothing else
happens); a dead one makes it *not alive* (whoever supervises it starts it anew). A check that is ok may still warn:
the process serves, but a person should look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

_STARTING = "has not started yet"


class Check:
    """What one part of the process says about itself."""

    __slots__ = ("_dead", "_health", "_reason", "_warning", "name")

    def __init__(self, name: str, health: Health) -> None:
        self.name = name
        self._health = health
        self._reason: str | None = _STARTING
        self._warning: str | None = None
        self._dead = False

    @property
    def reason(self) -> str | None:
        """Why this part cannot serve; None: it can."""
        return self._reason

    @property
    def warning(self) -> str | None:
        """What a person should look at although this part serves."""
        return self._warning

    def ok(self, warning: str | None = None) -> None:
        """This part can serve; `warning` says what a person should look at even so."""
        self._change(None, warning)

    def failing(self, reason: str) -> None:
        """This part cannot serve just now, and expects to recover by itself."""
        self._change(reason)

    def dead(self, reason: str) -> None:
        """This part will not recover in this process; it never speaks again."""
        if not self._dead:
            self._change(reason)
            self._dead = True
            self._health.notify()

    def close(self) -> None:
        """This part is gone by intention (a partition that moved away) and no longer asked."""
        self._health.forget(self)

    def _change(self, reason: str | None, warning: str | None = None) -> None:
        if not self._dead and (reason, warning) != (self._reason, self._warning):
            self._reason, self._warning = reason, warning
            self._health.notify()

    @property
    def is_dead(self) -> bool:
        return self._dead


class Health:
    """The checks of one process; ready when none complains, alive while none is dead."""

    def __init__(self) -> None:
        self._checks: dict[str, Check] = {}
        self._listeners: list[Callable[[], None]] = []

    def check(self, name: str) -> Check:
        """The check of that name, made on first use; a new one counts as failing until its owner says ok."""
        existing = self._checks.get(name)
        if existing is not None:
            return existing
        made = self._checks[name] = Check(name, self)
        self.notify()
        return made

    @property
    def ready(self) -> bool:
        """Whether every part can serve."""
        return not any(check.reason for check in self._checks.values())

    @property
    def alive(self) -> bool:
        """Whether no part is beyond recovery."""
        return not any(check.is_dead for check in self._checks.values())

    def reasons(self) -> Mapping[str, str]:
        """Why the process is not ready: check name → reason."""
        return {name: check.reason for name, check in self._checks.items() if check.reason}

    def warnings(self) -> Mapping[str, str]:
        """What a person should look at although the process serves: check name → warning."""
        return {name: check.warning for name, check in self._checks.items() if check.warning}

    def deaths(self) -> Mapping[str, str]:
        """Why the process is not alive: check name → reason."""
        return {name: check.reason or "" for name, check in self._checks.items() if check.is_dead}

    def subscribe(self, listener: Callable[[], None]) -> None:
        """`listener` is called, without arguments, after each change of any check."""
        self._listeners.append(listener)

    def notify(self) -> None:
        """Tell every listener that something may have changed."""
        for listener in self._listeners:
            listener()

    def forget(self, check: Check) -> None:
        """Ask `check` no more."""
        if self._checks.get(check.name) is check:
            del self._checks[check.name]
            self.notify()

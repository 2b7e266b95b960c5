"""The three fates of a failure; whoever raises one of these has decided what happens next.

    StreamlabelError
    ├── TransientError         the world is unwell: back off, keep order, try the same work again
    ├── InvalidMessageError    this one message can never succeed: dead letter (or rejected at the door), the stream goes on
    └── ConfigurationError     an operator must act: stop before any work is done, and say which key to mend

Anything else that escapes is a defect: the process commits nothing and stops loudly.
"""

from __future__ import annotations


class StreamlabelError(Exception):
    """Every failure that Streamlabel raises on purpose."""


class TransientError(StreamlabelError):
    """The same work may succeed later, unchanged; nothing was committed.

    `retry_after_s` is the peer's own wish, if it named one, in seconds.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class InvalidMessageError(StreamlabelError):
    """This message can never be handled as it is; `reason` is a stable code, `detail` is for a person.

    `reason` is UPPER_SNAKE (for instance `UNKNOWN_PROJECT`): metrics and dead-letter filters rely on it.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class ConfigurationError(StreamlabelError):
    """The process cannot run as configured; the message names the key, its value and the way out."""

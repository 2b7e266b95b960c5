"""Moments as people write them and read them: ISO 8601, in UTC unless they say otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def parse_moment(text: str) -> datetime:
    """`2026-03-01`, `2026-03-01T12:00`, `2026-03-01T13:00+01:00`; without a zone UTC; raises ValueError for anything else."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no moment; write 2026-03-01, or 2026-03-01T12:30:00Z") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def told(moment: datetime) -> str:
    """The moment in UTC, to the millisecond where it has any."""
    precision = "milliseconds" if moment.microsecond >= 1000 else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def to_ms(moment: datetime) -> int:
    """Whole milliseconds since 1970 that have gone by."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(at_ms: int) -> datetime:
    """The moment so many milliseconds after 1970."""
    return _EPOCH + at_ms * _MILLISECOND

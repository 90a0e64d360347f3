"""The day whose Aurora DSQL this process is: of `--surface`, one for all of its sessions (dsql-reference §11)."""

import datetime

PREVIEW = "2024-12-03"
"""DSQL's public preview: what was never supported is refused since then."""

_day: str | None = None


def set_day(day: str | None) -> None:
    """None: the newest there is. Days are written as in ISO 8601."""
    global _day
    _day = day


def day() -> str | None:
    """What `set_day` was told."""
    return _day


def is_later(since: str) -> bool:
    """Whether what DSQL has since that day is not there yet."""
    return _day is not None and since > _day


def checked(text: str) -> str:
    """A day on which there was an Aurora DSQL. Raises ValueError with a text for the operator."""
    try:
        found = datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is not a date like 2026-08-01") from None
    if found < PREVIEW:
        raise ValueError(f"there was no Aurora DSQL before {PREVIEW}")
    return found

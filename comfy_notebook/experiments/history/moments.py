"""Reads when: ``yesterday``, ``3d``, ``2026-11-20``, ``10:30``, in this machine's time zone."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import TypeAlias

from comfy_notebook.errors import HistoryError

Moment: TypeAlias = "str | date | datetime | timedelta"

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(
    r"(\d+(?:\.\d+)?)\s*(s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?|d|days?|w|weeks?)(?:\s+ago)?", re.IGNORECASE
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_HINT = 'Give "today", "yesterday", a weekday, "3d", "2 hours", a date like 2026-11-20, or a time like 10:30.'


def since(moment: Moment) -> float:
    """Return when something begins, in seconds since 1970; HistoryError if that cannot be read."""
    return _span(moment)[0].timestamp()


def until(moment: Moment) -> float:
    """Return when something has ended, in seconds since 1970: a day has, when the next begins."""
    return _span(moment)[1].timestamp()


def _span(moment: Moment) -> tuple[datetime, datetime]:
    now = datetime.now().astimezone()
    if isinstance(moment, timedelta):
        return (now - moment,) * 2
    if isinstance(moment, datetime):
        return (moment.astimezone(),) * 2
    if isinstance(moment, date):
        return _day(moment)
    return _read(str(moment).strip(), now)


def _read(text: str, now: datetime) -> tuple[datetime, datetime]:
    word, today = text.lower(), now.date()
    if word == "now":
        return now, now
    if word in ("today", "yesterday"):
        return _day(today - timedelta(days=word == "yesterday"))
    if word in _DAYS:
        return _day(today - timedelta(days=(today.weekday() - _DAYS.index(word)) % 7))
    if ago := _AGO.fullmatch(text):
        return (now - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2][0].lower()]),) * 2
    try:
        return _read_numbers(text, today)
    except (ValueError, OverflowError, OSError):
        raise HistoryError(f"{text!r} is no time that can be read.", hint=_HINT) from None


def _read_numbers(text: str, today: date) -> tuple[datetime, datetime]:
    if month := _MONTH.fullmatch(text):
        first = date(int(month[1]), int(month[2]), 1)
        return _day(first)[0], _day((first + timedelta(days=31)).replace(day=1))[0]
    if ":" in text and "-" not in text:
        return (datetime.combine(today, time.fromisoformat(text)).astimezone(),) * 2
    moment = datetime.fromisoformat(text)
    return _day(moment.date()) if len(text) <= len("2026-11-20") else (moment.astimezone(),) * 2


def _day(day: date) -> tuple[datetime, datetime]:
    """Return a day's beginning and the next one's: a day of summer time's change has 23 or 25 hours."""
    try:
        begins = datetime.combine(day, time()).astimezone()
        return begins, datetime.combine(day + timedelta(days=1), time()).astimezone()
    except (ValueError, OverflowError, OSError):
        raise HistoryError(f"{day} is no day that can be searched for.", hint=_HINT) from None

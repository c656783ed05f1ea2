"""How long something that may be repeated is tried again, with what pauses, and for how long an answer is awaited."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

AGAIN_SECONDS = 10.0  # in which something is tried again
ANSWER_SECONDS = 120.0  # for an answer to be here, however slowly it comes
SLOWEST = 10_000  # bytes a second of a file, below which it is given up
BUSY = frozenset({429, 503})  # not now: nothing was done
PASSING = BUSY | {502, 504}  # of a proxy whose server starts, or is slow
_PAUSES = (0.1, 2.0)


class Patience:
    """The pauses before the next attempts at one thing, until its time is up.

    Parameters
    ----------
    seconds
        How long it may take altogether, the last attempt not counted; None for the usual time.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._until = time.monotonic() + (AGAIN_SECONDS if seconds is None else seconds)
        self._pause = _PAUSES[0]

    def pause(self, wanted: float | None = None) -> float | None:
        """Return how many seconds to wait before the next attempt, or None if there shall be none.

        ``wanted`` is what the server asked for, at least. Pauses differ a little, lest all who wait come back at once.
        """
        pause = max(wanted or 0.0, self._pause * random.uniform(0.7, 1.0))  # noqa: S311 - nothing secret
        self._pause = min(2 * self._pause, _PAUSES[1])
        return pause if time.monotonic() + pause < self._until else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for, be it a number or a date; None if it does not say."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
        sent = headers.get("date")  # the server's clock, which need not be ours
        now = parsedate_to_datetime(sent) if sent else datetime.now(UTC)
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError):
        return None


def overdue(began: float, size: int) -> bool:
    """Whether ``size`` bytes that were begun at a monotonic time should have been here by now."""
    return time.monotonic() - began > ANSWER_SECONDS + size / SLOWEST

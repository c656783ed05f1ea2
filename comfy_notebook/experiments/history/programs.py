"""Which of the programs that recorded runs still live: the runs of one that does not will not be ended by it."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from comfy_notebook.experiments.history.store import Store

_SLACK_SECONDS = 2.0  # by which clocks of one machine may differ


def living(store: Store) -> set[int]:
    """Return the numbers of those that live, among those with runs that are not over."""
    rows = store.read("SELECT * FROM programs WHERE id IN (SELECT DISTINCT program FROM runs WHERE status = 'running')")
    return {row["id"] for row in rows if _lives(row)}


def _lives(row: sqlite3.Row) -> bool:
    """Whether this machine has the program still, and not another one with its number."""
    if row["host"] != platform.node():
        return False
    if row["pid"] == os.getpid():
        return True
    import psutil

    try:
        return bool(psutil.Process(row["pid"]).create_time() <= row["registered"] + _SLACK_SECONDS)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # someone else's, and so it lives
        return True

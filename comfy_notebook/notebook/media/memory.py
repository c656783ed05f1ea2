"""Keeps what was made of files, by their content, so that showing it again costs nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

    from comfy_notebook.notebook.media.prepared import Prepared

_BYTES = 64_000_000


class Memory:
    """A mapping that holds so many bytes; what was used longest ago goes first. Safe on several threads."""

    def __init__(self, limit: int = _BYTES) -> None:
        self._limit = limit
        self._held = 0
        self._kept: OrderedDict[Hashable, Prepared] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Prepared | None:
        """Return what is kept under a key, or None."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, prepared: Prepared) -> None:
        """Keep it, and let go of others for it."""
        with self._lock:
            before = self._kept.pop(key, None)
            self._held += prepared.weight - (before.weight if before else 0)
            self._kept[key] = prepared
            while self._held > self._limit and len(self._kept) > 1:
                _, gone = self._kept.popitem(last=False)
                self._held -= gone.weight

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._held = 0


memory = Memory()

"""Originals of results, kept on disk under the hash of their content, so that they outlive their server.

Safe with several processes at once: a file appears whole or not at all, one content has one name, and a reader
bears with a file that another process has cleaned away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from functools import lru_cache
from pathlib import Path

from comfy_notebook import settings

_CLEAN_EVERY = 256 * 1024 * 1024  # bytes written between two looks at the folder's size
_CLEAN_TO = 0.9  # of the limit, so that not every write cleans
_PARTIAL = ".partial"
_STALE_SECONDS = 3600.0  # after which an unfinished file is nobody's


class ContentCache:
    """A folder of files named by the SHA-256 of their content.

    Parameters
    ----------
    folder
        Made when something is first kept.
    limit
        Bytes that it may hold; what was used longest ago goes first.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._since_cleaning = _CLEAN_EVERY  # so that the first write looks

    def put(self, content: bytes) -> str:
        """Keep content and return its digest; OSError if it cannot be written."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, suffix=_PARTIAL)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(name).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(name).unlink()
                raise
            self._since_cleaning += len(content)
            if self._since_cleaning >= _CLEAN_EVERY:
                self._since_cleaning = 0
                self.clean()
        return digest

    def get(self, digest: str) -> bytes | None:
        """Return content by its digest, or None if it is not kept (any more)."""
        path = self._path(digest)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used just now
        return content

    def clean(self) -> None:
        """Delete what was used longest ago until the folder is well below its limit."""
        kept = []
        stale = time.time() - _STALE_SECONDS
        for path in self._folder.glob("*/*"):
            with contextlib.suppress(OSError):  # another process cleans, too
                about = path.stat()
                if path.suffix != _PARTIAL:
                    kept.append((about.st_mtime, about.st_size, path))
                elif about.st_mtime < stale:
                    path.unlink()
        excess = sum(size for _, size, _ in kept) - self._limit * _CLEAN_TO
        for _, size, path in sorted(kept):
            if excess <= 0:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                excess -= size

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest


@lru_cache(maxsize=1)
def default_cache() -> ContentCache:
    """Return this user's cache."""
    import platformdirs

    folder = settings.CACHE_FOLDER.resolve()
    megabytes = int(float(settings.CACHE_MEGABYTES.resolve() or 0))
    path = Path(folder) if folder else platformdirs.user_cache_path("comfy_notebook", appauthor=False)
    return ContentCache(path / "originals", megabytes * 1_000_000)

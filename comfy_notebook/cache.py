"""Originals of results, kept on disk under the hash of their content, so that they outlive their server.

Safe with several processes at once: a file appears whole or not at all, one content has one name, a reader bears
with a file that another process has cleaned away, and what a disk has damaged is not given out.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from comfy_notebook import settings

if TYPE_CHECKING:
    from collections.abc import Iterable

_CLEAN_EVERY = 256 * 1024 * 1024  # bytes written between two looks at the folder's size
_CLEAN_TO = 0.9  # of the limit, so that not every write cleans
_PARTIAL = ".partial"
_STALE_SECONDS = 3600.0  # after which an unfinished file is nobody's
_PIECE = 1024 * 1024
_log = logging.getLogger(__name__)


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
        """Keep content and return its digest, 64 hexadecimal digits; OSError if it cannot be written."""
        hashed = hashlib.sha256(content)
        if not self._has(hashed.hexdigest(), len(content)):
            with self.writer() as writer:
                writer.write_all(content, hashed)
                writer.commit()
        return hashed.hexdigest()

    def put_pieces(self, pieces: Iterable[bytes]) -> str:
        """Keep content that comes piece by piece, and need not fit in memory; as :meth:`put` otherwise."""
        with self.writer() as writer:
            for piece in pieces:
                writer.write(piece)
            return writer.commit()

    def writer(self) -> CacheWriter:
        """Begin to keep content that comes piece by piece; OSError if the folder cannot be written to."""
        return CacheWriter(self)

    def get(self, digest: str) -> bytes | None:
        """Return content by its digest, or None if it is not kept (any more), or damaged."""
        path = self._path(digest)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content).hexdigest() != digest:  # a millisecond for a picture of 1.5 MB
            self._discard(path)
            return None
        self._touch(path)
        return content

    def copy(self, digest: str, file: BinaryIO) -> bool:
        """Write content into a file, piece by piece, and say whether it was kept and sound.

        Where it was not, ``file`` is as it was. OSError if the file cannot be written to.
        """
        path, begin, hashed = self._path(digest), file.tell(), hashlib.sha256()
        try:
            kept = path.open("rb")
        except OSError:
            return False
        with kept:
            while piece := kept.read(_PIECE):
                hashed.update(piece)
                file.write(piece)
        if hashed.hexdigest() != digest:
            file.seek(begin)
            file.truncate()
            self._discard(path)
            return False
        self._touch(path)
        return True

    def path(self, digest: str) -> Path | None:
        """Return the file that holds content, for reading at once: another process may clean it away later.

        None if it is not kept. Unlike :meth:`get` and :meth:`copy`, this does not look whether it is damaged.
        """
        path = self._path(digest)
        return path if self._touch(path) else None

    def clean(self, spare: str = "") -> None:
        """Delete what was used longest ago until the folder is well below its limit.

        Parameters
        ----------
        spare
            The digest of content to leave alone, even if it exceeds the limit by itself.
        """
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
            if path.name != spare:
                with contextlib.suppress(OSError):  # on Windows, where it is being read
                    path.unlink(missing_ok=True)  # what another process has cleaned away counts as well
                    excess -= size

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def _has(self, digest: str, size: int) -> bool:
        """Whether content is kept already, and whole as far as its size tells."""
        path = self._path(digest)
        with contextlib.suppress(OSError):
            return path.stat().st_size == size and self._touch(path)
        return False

    def _touch(self, path: Path) -> bool:
        try:
            os.utime(path)  # used just now
        except OSError:
            return path.exists()  # in a folder that may only be read
        return True

    def _discard(self, path: Path) -> None:
        """Take a damaged file away, so that the content can be kept anew."""
        _log.warning("an original in the cache was damaged: %s", path)
        with contextlib.suppress(OSError):
            path.unlink()

    def _written(self, digest: str, size: int) -> None:
        self._since_cleaning += size
        if self._since_cleaning >= _CLEAN_EVERY:
            self._since_cleaning = 0
            self.clean(spare=digest)


class CacheWriter:
    """Content on its way into the cache: under no name before it is committed, and gone if it never is."""

    def __init__(self, cache: ContentCache) -> None:
        self._cache = cache
        self._hashed = hashlib.sha256()
        self._size = 0
        cache._folder.mkdir(parents=True, exist_ok=True)  # noqa: SLF001 - it is the cache's other half
        folder = cache._folder / "new"  # noqa: SLF001
        folder.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, suffix=_PARTIAL)
        self._file, self._name = os.fdopen(handle, "wb"), Path(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Throw away what was not committed."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._name.unlink()

    def write(self, piece: bytes) -> None:
        """Add a piece; OSError if the disk does not take it."""
        self._hashed.update(piece)
        self._size += len(piece)
        self._file.write(piece)

    def write_all(self, content: bytes, hashed: hashlib._Hash) -> None:
        """Write the only piece, whose hash is known; OSError if the disk does not take it."""
        self._hashed, self._size = hashed, len(content)
        self._file.write(content)

    @property
    def digest(self) -> str:
        """The digest of what was written so far."""
        return self._hashed.hexdigest()

    def commit(self) -> str:
        """Keep what was written, and return its digest; OSError if it cannot be kept."""
        self._file.close()
        digest = self.digest
        path = self._cache._path(digest)  # noqa: SLF001
        path.parent.mkdir(exist_ok=True)
        try:
            self._name.replace(path)
        except PermissionError:  # on Windows, where another process reads the same content
            if not path.exists():
                raise
        self._cache._written(digest, self._size)  # noqa: SLF001
        return digest


@lru_cache(maxsize=1)
def default_cache() -> ContentCache:
    """Return this user's cache."""
    import platformdirs

    folder = settings.CACHE_FOLDER.resolve()
    megabytes = int(float(settings.CACHE_MEGABYTES.resolve() or 0))
    path = Path(folder) if folder else platformdirs.user_cache_path("comfy_notebook", appauthor=False)
    return ContentCache(path / "originals", megabytes * 1_000_000)

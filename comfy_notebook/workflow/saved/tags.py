"""Reads the tags of Matroska films and of sounds, with PyAV."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO

from comfy_notebook.demuxing import open_container
from comfy_notebook.errors import MissingExtraError
from comfy_notebook.workflow.saved.bounds import LARGEST, DamagedError
from comfy_notebook.workflow.saved.texts import labelled

if TYPE_CHECKING:
    from comfy_notebook.workflow.saved.texts import Entries


class _Some(io.RawIOBase):
    """A file that ends for whoever has read enough of it: FFmpeg would look for what is missing up to the end.

    What is before the first frames is shorter.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = LARGEST

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        content = self._stream.read(min(count, self._left) if count >= 0 else self._left)
        self._left -= len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()


def entries(stream: BinaryIO, kind: str) -> Entries:
    """Read the tags of a film or sound, and of the streams in it, where Ogg has them, and the comment as in MP4."""
    for tags in _tags(stream, kind):
        lower = {key.lower(): str(text) for key, text in tags.items()}
        yield from labelled(lower.pop("comment", ""))
        yield from lower.items()


def _tags(stream: BinaryIO, kind: str) -> list[dict[str, Any]]:
    try:
        import av
    except ImportError:
        raise MissingExtraError(
            "Reading the workflow in a sound, or in a video other than MP4, needs PyAV.",
            hint='Install it: pip install "comfy-notebook[embedded]"',
        ) from None
    try:
        with open_container(_Some(stream), kind) as container:
            return [dict(container.metadata), *(dict(each.metadata) for each in container.streams)]
    except av.FFmpegError as error:
        raise DamagedError(f"FFmpeg says {error.strerror}") from None

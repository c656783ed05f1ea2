"""Walks through pictures to where the workflow is, past the pixels."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from comfy_notebook.workflow.saved import exif
from comfy_notebook.workflow.saved.bounds import LARGEST, MOST_PARTS, DamagedError, TooLargeError, inflate, size, take
from comfy_notebook.workflow.saved.texts import decoded, labelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfy_notebook.workflow.saved.texts import Entries

_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"comf")  # the last is ComfyUI's own, for what stands after the first picture
_KEYS = (b"prompt", b"workflow")
_LONGEST_KEY = 80
_APP1, _COMMENT, _PIXELS, _END = 0xE1, 0xFE, 0xDA, 0xD9
_EXIF = b"Exif\0\0"
_MOST_SEGMENTS = 1024  # 64 MB


def png(stream: BinaryIO) -> Entries:
    """Read a PNG's text chunks, of all three kinds and ComfyUI's own, and its EXIF data."""
    left = LARGEST
    for kind, length in _png_chunks(stream):
        if kind == b"eXIf":
            with suppress(DamagedError):  # the texts are what counts
                yield from exif.entries(take(stream, length))
        elif kind in _PNG_TEXTS:
            start = take(stream, min(length, _LONGEST_KEY))
            key, separator, _ = start.partition(b"\0")
            if separator and key.lower() in _KEYS:
                content = start + take(stream, length - len(start))
                text = _png_text(kind, content[len(key) + 1 :])
                left -= len(text)
                if left < 0:
                    raise TooLargeError
                yield key.decode("ascii"), decoded(text)


def _png_chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Give each chunk's kind and length, with the stream at its content."""
    place = 8
    for _ in range(MOST_PARTS):
        stream.seek(place)
        header = take(stream, 8)
        length, kind = int.from_bytes(header[:4]), header[4:]
        if kind == b"IEND":
            return
        yield kind, length
        place += length + 12


def _png_text(kind: bytes, content: bytes) -> bytes:
    """Take the text out of a chunk's content after the key."""
    if kind == b"zTXt":
        return inflate(content[1:])
    if kind == b"iTXt":
        compressed, (*_, text) = content[:1] == b"\1", content[2:].split(b"\0", 2)
        return inflate(text) if compressed else text
    return content


def jpeg(stream: BinaryIO) -> Entries:
    """Read a JPEG's EXIF data, which may go on from segment to segment, and its comments."""
    data = bytearray()
    for marker, content in _jpeg_segments(stream):
        if marker == _COMMENT:
            yield from labelled(decoded(content))
        elif marker == _APP1 and content.startswith(_EXIF):
            data += content.removeprefix(_EXIF)
    if data:
        yield from exif.entries(bytes(data))


def _jpeg_segments(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Give the segments before the pixels; a file that is cut off among them has those before the cut."""
    stream.seek(2)
    for _ in range(_MOST_SEGMENTS):
        header = stream.read(4)
        if len(header) < 4 or header[0] != 0xFF or header[1] in (_PIXELS, _END):
            return
        length = int.from_bytes(header[2:]) - 2
        content = stream.read(max(length, 0))
        if len(content) == length:
            yield header[1], content


def webp(stream: BinaryIO) -> Entries:
    """Read a WebP's EXIF data, which stands after the pictures."""
    place, end = 12, size(stream)
    for _ in range(MOST_PARTS):
        if place >= end:
            break
        stream.seek(place)
        header = take(stream, 8)
        length = int.from_bytes(header[4:], "little")
        if header[:4] == b"EXIF":
            yield from exif.entries(take(stream, length))
        place += 8 + length + length % 2
    if place > end + 1:
        raise DamagedError("the file is cut off")

"""Reads files that nobody vouches for: never past their end, and never more than fits in memory."""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO

LARGEST = 64 * 1024 * 1024  # of what is read at once, and of all texts of a file together
MOST_PARTS = 1 << 20  # chunks, boxes or segments that are walked over: more than 2 GB of video or picture has


class DamagedError(Exception):
    """The file is not as its format wants it; the message says why."""


def take(stream: BinaryIO, count: int) -> bytes:
    """Read that many bytes; DamagedError if there are fewer, or if it is too much to hold."""
    if count > LARGEST:
        raise TooLargeError
    content = stream.read(count)
    if len(content) < count:
        raise DamagedError("the file is cut off")
    return content


def size(stream: BinaryIO) -> int:
    """Give the file's length."""
    return stream.seek(0, io.SEEK_END)


def inflate(content: bytes) -> bytes:
    """Unpack zlib data; DamagedError if it is damaged, or unpacks to more than can be held."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(content, LARGEST + 1)
    except zlib.error:
        raise DamagedError("its compressed text is damaged") from None
    if len(text) > LARGEST:
        raise TooLargeError
    if not unpacker.eof:
        raise DamagedError("its compressed text is cut off")
    return text


class TooLargeError(DamagedError):
    """There is more text than any workflow has."""

    def __init__(self) -> None:
        super().__init__(f"its metadata would be larger than {LARGEST >> 20} MB")

"""Walks through the boxes that MP4, QuickTime and AVIF files are made of (ISO base media, ISO/IEC 14496-12)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from comfy_notebook.workflow.saved.bounds import MOST_PARTS, DamagedError, take

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER, _LONG_HEADER = 8, 16


def boxes(stream: BinaryIO, place: int, end: int) -> Iterator[tuple[bytes, int]]:
    """Give the kind of each box and its content's length, with the stream at its content."""
    for _ in range(MOST_PARTS):
        if end - place < _HEADER:  # QuickTime ends a list with four zeros
            return
        stream.seek(place)
        header = take(stream, _HEADER)
        length, start = int.from_bytes(header[:4]), _HEADER
        if length == 0:  # up to the end
            length = end - place
        elif length == 1:
            length, start = int.from_bytes(take(stream, 8)), _LONG_HEADER
        if length < start or place + length > end:
            raise DamagedError("the file is damaged or cut off")
        yield header[4:], length - start
        place += length


def contents(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the kind and content of each box in a box."""
    stream = io.BytesIO(content)
    for kind, length in boxes(stream, 0, len(content)):
        yield kind, take(stream, length)

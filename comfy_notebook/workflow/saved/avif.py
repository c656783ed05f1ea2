"""Finds the EXIF data of AVIF and HEIF pictures, which lies anywhere in the file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from comfy_notebook.workflow.saved import exif
from comfy_notebook.workflow.saved.bounds import LARGEST, TooLargeError, size, take
from comfy_notebook.workflow.saved.boxes import boxes, contents

if TYPE_CHECKING:
    from comfy_notebook.workflow.saved.texts import Entries

_IN_THE_FILE = 0  # how an item's place is counted; it might be from other boxes, but is not for EXIF


def avif(stream: BinaryIO) -> Entries:
    """Read the EXIF data of an AVIF or HEIF picture."""
    for kind, length in boxes(stream, 0, size(stream)):
        if kind == b"meta":
            parts = dict(contents(take(stream, length)[4:]))
            item = _exif_item(parts.get(b"iinf", b""))
            extents = _extents(parts.get(b"iloc", b""), item) if item else []
            if extents:
                yield from _item(stream, extents)
            return


def _item(stream: BinaryIO, extents: list[tuple[int, int]]) -> Entries:
    if sum(length for _, length in extents) > LARGEST:
        raise TooLargeError
    content = bytearray()
    for place, length in extents:
        stream.seek(place)
        content += take(stream, length)
    header = 4 + int.from_bytes(content[:4])  # how far the data is from here
    yield from exif.entries(bytes(content[header:]))


def _exif_item(content: bytes) -> int | None:
    """Read from the list of items (iinf) the number of the first that is EXIF data."""
    start = 6 if content[:1] == b"\0" else 8
    for kind, entry in contents(content[start:]):
        wide = 2 if entry[:1] == b"\2" else 4  # versions before 2 have no types
        if kind == b"infe" and entry[6 + wide : 10 + wide] == b"Exif":
            return int.from_bytes(entry[4 : 4 + wide])
    return None


def _extents(content: bytes, item: int) -> list[tuple[int, int]]:
    """Read from the list of places (iloc) where in the file an item is: places and lengths."""
    stream = io.BytesIO(content)

    def number(width: int) -> int:
        return int.from_bytes(take(stream, width))

    version = number(4) >> 24
    widths = number(2)
    of_place, of_length, of_base = widths >> 12, widths >> 8 & 15, widths >> 4 & 15
    of_index = widths & 15 if version else 0
    wide = 4 if version == 2 else 2
    for _ in range(number(wide)):
        number_of_item, counted_from = number(wide), number(2) if version else _IN_THE_FILE
        number(2)  # which file: this one
        base = number(of_base)
        extents = []
        for _ in range(number(2)):
            number(of_index)
            extents.append((base + number(of_place), number(of_length)))
        if number_of_item == item and counted_from & 15 == _IN_THE_FILE:
            return extents
    return []

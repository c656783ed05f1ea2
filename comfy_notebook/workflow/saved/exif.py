"""Reads the texts in EXIF data, where savers of WebP, JPEG and AVIF put the workflow."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from comfy_notebook.workflow.saved.bounds import DamagedError
from comfy_notebook.workflow.saved.texts import decoded, labelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfy_notebook.workflow.saved.texts import Entries

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_BYTES, _ASCII, _UNDEFINED = 1, 2, 7
_INLINE = 4  # a value of up to four bytes stands in its field: no workflow is as short
_FURTHER_FIELDS = 0x8769  # where the second directory is, which has the user's comment
_CHARSETS = (b"ASCII\0\0\0", b"JIS\0\0\0\0\0", b"\0\0\0\0\0\0\0\0")
_UTF16 = b"UNICODE\0"


class _Field(NamedTuple):
    tag: int
    kind: int
    length: int
    place: int


def entries(exif: bytes) -> Entries:
    """Read what the texts of EXIF data say: "prompt:{…}" under any tag, or JSON of both as a comment."""
    for content in _texts(exif.removeprefix(b"Exif\0\0")):
        yield from labelled(_comment(content))


def _texts(tiff: bytes) -> Iterator[bytes]:
    left = len(tiff)  # texts that overlap would be more than there is
    for field in _fields(tiff):
        if field.kind in (_BYTES, _ASCII, _UNDEFINED) and field.length > _INLINE:
            content = tiff[field.place : field.place + field.length]
            left -= len(content)
            if left < 0:
                raise DamagedError("its EXIF data is damaged")
            yield content


def _fields(tiff: bytes) -> Iterator[_Field]:
    order = _ORDERS.get(tiff[:4])
    if order is None:
        raise DamagedError("its EXIF data is damaged")
    try:
        for field in _directory(tiff, order, struct.unpack_from(f"{order}I", tiff, 4)[0]):
            yield field
            if field.tag == _FURTHER_FIELDS:
                yield from _directory(tiff, order, field.place)
    except struct.error:
        raise DamagedError("its EXIF data is damaged") from None


def _directory(tiff: bytes, order: str, place: int) -> Iterator[_Field]:
    (count,) = struct.unpack_from(f"{order}H", tiff, place)
    for index in range(count):
        yield _Field(*struct.unpack_from(f"{order}HHII", tiff, place + 2 + 12 * index))


def _comment(content: bytes) -> str:
    """Decode a text that may name its character set first, as the user's comment does."""
    if content.startswith(_UTF16):
        text = content[len(_UTF16) :]  # in either byte order, whatever the rest of the data has
        return text.decode("utf-16-le" if text[1:2] == b"\0" else "utf-16-be", "replace")
    for charset in _CHARSETS:
        content = content.removeprefix(charset)
    return decoded(content)

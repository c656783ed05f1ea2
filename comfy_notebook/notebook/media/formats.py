"""Opens pictures of known formats, and no others, without trusting what they say of themselves.

Pillow's ``Image.open`` tries every format that it knows, among them some that start programs, and its guard against
decompression bombs is one global limit, below the large pictures that users make. Here a picture's first bytes name
its format, and its header the memory that it takes, before anything is decoded.
"""

from __future__ import annotations

import io
import struct
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

LARGEST_PIXELS = 16_384 * 16_384
LARGEST_PIXELS_OF_MANY_BUFFERS = LARGEST_PIXELS // 4
_MANY_BUFFERS = frozenset({"WEBP", "AVIF", "GIF"})  # decoders that hold a picture several times
_HEAD = 1024


class NotAPictureError(ValueError):
    """The content is no picture that can be shown; the message says why, to follow a file's name and a colon."""


def open_picture(content: bytes) -> ImageFile:
    """Open a picture without decoding it.

    Raises
    ------
    NotAPictureError
        If it is of no known format, or too large to decode.
    """
    name = format_of(content)
    if name == "WEBP":  # whose decoder makes room for the picture as soon as it is opened
        _check_size(name, *_webp_size(content))
    factory = _plugin(name)
    try:
        image: ImageFile = factory(io.BytesIO(content))
    except Exception as error:  # noqa: BLE001 - parsers of hostile content raise anything
        raise NotAPictureError(f"it cannot be decoded: {_reason(error)}") from None
    _check_size(name, *image.size)
    return image


def format_of(content: bytes) -> str:
    """Return Pillow's name of a picture's format by its first bytes; NotAPictureError if they are no picture's."""
    for signature, name in _SIGNATURES:
        if content.startswith(signature):
            return name
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    if content[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF"
    raise NotAPictureError(f"it is not a picture, but {what(content)}")


_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
_PLUGINS = {
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "JPEG": ("JpegImagePlugin", "JpegImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "WEBP": ("WebPImagePlugin", "WebPImageFile"),
    "AVIF": ("AvifImagePlugin", "AvifImageFile"),
}


def what(content: bytes) -> str:
    """Say what content seems to be that is not what was expected."""
    head = content[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not content:
        return "empty"
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return "a web page (a login page?)"
    if head.startswith((b"{", b"[")):
        return "JSON"
    if head.startswith((b"<?xml", b"<svg")):
        return "XML"
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head):
        return "text"
    return "something of no known format"


def _plugin(name: str) -> Any:
    module, attribute = _PLUGINS[name]
    try:
        return getattr(import_module(f"PIL.{module}"), attribute)
    except ImportError:
        raise NotAPictureError(f"the installed Pillow does not read {name}") from None


def _check_size(name: str, width: int, height: int) -> None:
    largest = LARGEST_PIXELS_OF_MANY_BUFFERS if name in _MANY_BUFFERS else LARGEST_PIXELS
    if width < 1 or height < 1:
        raise NotAPictureError("it has no pixels")
    if width * height > largest:
        raise NotAPictureError(
            f"its {width:,} \u00d7 {height:,} pixels are too many to show; "
            f"{name} pictures are shown up to {largest // 1_000_000} megapixels"
        )


def _webp_size(content: bytes) -> tuple[int, int]:
    """Read a WebP's size from its header: it comes in three kinds."""
    kind, head = content[12:16], content[20:30]
    try:
        if kind == b"VP8X":
            return 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
        if kind == b"VP8L":
            bits = int.from_bytes(head[1:5], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        width, height = struct.unpack("<HH", head[6:10])
    except struct.error:
        raise NotAPictureError("it is cut off") from None
    return width & 0x3FFF, height & 0x3FFF


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__

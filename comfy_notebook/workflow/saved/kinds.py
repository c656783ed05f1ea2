"""Tells kinds of files apart by their first bytes."""

from __future__ import annotations

HEAD = 4096  # how many bytes it takes; an SVG may begin with comments

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
    (b"OggS", "ogg"),
    (b"glTF", "glb"),
)
_RIFF = {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi"}
_PICTURE_BRANDS = frozenset({b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"hevc", b"hevx"})
_LONGEST_SAFETENSORS_HEADER = 100_000_000  # the format's own bound


def is_media(head: bytes) -> bool:
    """Tell whether a file is one that may have a workflow in it, rather than a workflow's JSON text.

    Parameters
    ----------
    head
        The file's first bytes, best 4096. JSON is never taken for media, in whatever encoding it is.
    """
    return kind_of(head) is not None


def kind_of(head: bytes) -> str | None:
    """Name the kind of a file: a picture's or document's format, or the name that FFmpeg has for it."""
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[:2] == b"\0\0" and head[4:8] == b"ftyp":
        return "avif" if head[8:12] in _PICTURE_BRANDS else "mp4"
    if _is_mp3_frame(head):
        return "mp3"
    if _is_safetensors(head):
        return "safetensors"
    return "svg" if _is_svg(head) else None


def _is_mp3_frame(head: bytes) -> bool:
    """Look for the header of a frame: sync, layer III, and no reserved values, of which JSON's UTF-16 mark has one."""
    return (
        len(head) > 3
        and head[0] == 0xFF
        and head[1] & 0xE6 == 0xE2
        and head[1] & 0x18 != 0x08
        and head[2] & 0xF0 != 0xF0
        and head[2] & 0x0C != 0x0C
    )


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LONGEST_SAFETENSORS_HEADER


def _is_svg(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return text.startswith(b"<") and b"<svg" in text and b"<html" not in text

"""Reads the tags of MP4 and QuickTime films.

FFmpeg could do it too, but makes an index of all frames first: of a film of 1 KB, damaged to claim many, one of 2 GB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from comfy_notebook.workflow.saved.bounds import size, take
from comfy_notebook.workflow.saved.boxes import boxes, contents
from comfy_notebook.workflow.saved.texts import decoded, labelled

if TYPE_CHECKING:
    from comfy_notebook.workflow.saved.texts import Entries

_COMMENT = b"\xa9cmt"


def mp4(stream: BinaryIO) -> Entries:
    """Read the tags of a film, of any name, and its comment, where VideoHelperSuite used to put both texts."""
    for kind, length in boxes(stream, 0, size(stream)):
        if kind == b"moov":
            start = stream.tell()
            for part, part_length in boxes(stream, start, start + length):
                if part == b"udta":
                    yield from _user_data(take(stream, part_length))
                elif part == b"meta":
                    yield from _tags(take(stream, part_length))


def _user_data(content: bytes) -> Entries:
    for kind, part in contents(content):
        if kind == b"meta":
            yield from _tags(part)
        elif kind == _COMMENT:
            yield from labelled(decoded(part[4:]))  # after its length and language


def _tags(content: bytes) -> Entries:
    """Read a list of values (ilst), whose kinds are numbers in a list of names (keys), or known ones."""
    without_version = content[4:8] == b"hdlr"  # as QuickTime has it
    parts = dict(contents(content if without_version else content[4:]))
    names = {_COMMENT: "comment"}
    for number, (_, name) in enumerate(contents(parts.get(b"keys", b"")[8:]), 1):
        names[number.to_bytes(4)] = decoded(name).lower()
    for kind, value in contents(parts.get(b"ilst", b"")):
        text = decoded(dict(contents(value)).get(b"data", b"")[8:])  # after its type and language
        if names.get(kind) == "comment":
            yield from labelled(text)
        else:
            yield names.get(kind, ""), text

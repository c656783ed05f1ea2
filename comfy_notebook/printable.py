"""Makes visible what a terminal would obey: text from workflows, servers and models may hold commands."""

from __future__ import annotations

import sys

_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """Return a text with what a terminal would obey, or cannot take, made visible."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"  # not every terminal, and no log of Windows, has all
    return "".join(map(_visible, text)).encode(encoding, "replace").decode(encoding)


def _visible(character: str) -> str:
    number = ord(character)
    if character in "\n\t":
        return character
    if number < 0x20:
        return chr(0x2400 + number)
    if 0x7F <= number < 0xA0 or character in _REORDERING or 0xD800 <= number < 0xE000:
        return "\ufffd"
    return character

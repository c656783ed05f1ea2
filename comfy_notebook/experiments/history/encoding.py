"""How values are kept in the file: as JSON, large ones compressed, numbers and short texts so that they compare."""

from __future__ import annotations

import json
import re
import zlib
from typing import Any

_LARGEST_INTEGER = 2**63 - 1  # that SQLite holds
_LONGEST_SETTING = 200  # characters; longer texts are for full text to find
# Thai, Lao, Burmese, Khmer, kana, and Chinese characters.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_LEVEL = 1  # of compression: larger ones gain little


def to_json(value: Any) -> str:
    """Return a value as JSON; what JSON does not have becomes its description."""
    text = _COMPACT.encode(value)
    return text if _is_unicode(text) else _ASCII.encode(value)


def from_json(text: str | None, default: Any) -> Any:
    """Return the value that is kept as JSON, or ``default`` if there is none."""
    return json.loads(text) if text else default


def packed(value: Any) -> bytes:
    """Return a value as compressed JSON."""
    return zlib.compress(to_json(value).encode(), _LEVEL)


def unpacked(content: bytes | None, default: Any) -> Any:
    """Return the value that is kept as compressed JSON, or ``default`` if there is none."""
    return json.loads(zlib.decompress(content)) if content else default


def plain(text: str) -> str:
    """Return a text that can be kept as it is: half a pair of surrogates cannot."""
    return text if _is_unicode(text) else text.encode("utf-8", "replace").decode()


def comparable(value: Any) -> int | float | str | None:
    """Return a value as searches compare it; None if they do not."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST_INTEGER else str(value)
    if isinstance(value, float):
        return value
    return plain(value) if isinstance(value, str) and len(value) <= _LONGEST_SETTING else None


def spaced(text: str) -> str:
    """Return a text with spaces between the characters of scripts that have none between words.

    So that full text finds a part of what would otherwise be one long word.
    """
    return " ".join(_UNSPACED.sub(r" \g<0> ", text).split()) if not text.isascii() else text


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _described(value: Any) -> Any:
    if isinstance(value, dict | list | tuple | str | int | float):  # a kind of one that JSON has
        return value
    shape = getattr(value, "shape", None) or getattr(value, "size", None)
    about = f" {shape}" if isinstance(shape, tuple) else ""
    name = getattr(value, "name", None)
    return name if isinstance(name, str) and name else f"<{type(value).__name__}{about}>"


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_described, check_circular=False)
_ASCII = json.JSONEncoder(separators=(",", ":"), default=_described, check_circular=False)

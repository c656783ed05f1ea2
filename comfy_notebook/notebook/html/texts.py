"""Texts of a result: readable, long ones folded, JSON laid out; never anything but text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from comfy_notebook.notebook.html.parts import EMPTY, block, folded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from markupsafe import Markup

_SHORT_LINES, _SHORT_CHARACTERS = 12, 900
_MOST_CHARACTERS = 200_000
_SUMMARY_CHARACTERS = 90


def texts(values: Iterable[str]) -> Markup:
    """Show texts below each other."""
    return EMPTY.join(map(_text, values))


def _text(value: str) -> Markup:
    text = _pretty(value)
    shown = text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}\n… ({len(text):,} characters)"
    if len(text) <= _SHORT_CHARACTERS and text.count("\n") < _SHORT_LINES:
        return block(shown)
    return folded(f"{_beginning(text)} · {len(text):,} characters", block(shown))


def _pretty(value: str) -> str:
    """Lay out JSON objects and lists; all else stays as it is."""
    if value.lstrip()[:1] not in ("{", "[") or len(value) > _MOST_CHARACTERS:
        return value
    try:
        return json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return value


def _beginning(text: str) -> str:
    line = " ".join(text[: 4 * _SUMMARY_CHARACTERS].split())
    return line if len(line) <= _SUMMARY_CHARACTERS else f"{line[:_SUMMARY_CHARACTERS]}…"

"""Results as plain text, for terminals, logs and viewers that show nothing else."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from comfy_notebook.results import ExecuteResult, Media

_TEXT_LINES = 20


def result_text(result: ExecuteResult) -> str:
    """Return a result as lines: its state, what came back by name, where to find it."""
    lines = [_headline(result)]
    if result.error is not None:
        lines.append(textwrap.indent(str(result.error), "  "))
    lines += [f"  Note: {warning}" for warning in result.warnings]
    names = dict.fromkeys([*(media.var for media in result.media), *result.texts_by_var])
    for name in names:
        lines.append(f"  {name}")
        lines += _media_lines([media for media in result.media if media.var == name])
        lines += [_shortened(text) for text in result.texts_by_var.get(name, ())]
    return "\n".join(lines)


def media_text(media: Sequence[Media]) -> str:
    """Return files as lines."""
    return "\n".join(_media_lines(media)) or "[]"


def _headline(result: ExecuteResult) -> str:
    seconds = "" if result.duration is None else f" in {result.duration:.2f} s"
    where = f" on {result.server}" if result.server else ""
    return f"{result.status.capitalize()}{seconds}{where}: {result.counts()}"


def _media_lines(media: Iterable[Media]) -> list[str]:
    return [f"    {item.kind:<5}  {item.filename}  {item}" for item in media]


def _shortened(text: str) -> str:
    lines = text.splitlines() or [""]
    more = len(lines) - _TEXT_LINES
    kept = lines[:_TEXT_LINES] + ([f"... {more} more lines"] if more > 0 else [])
    return textwrap.indent("\n".join(kept), "    ")

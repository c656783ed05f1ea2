"""Results and workflows as plain text, for terminals, logs and viewers that show nothing else."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from comfy_notebook.notebook.overview import headline, lacks, output_rows, parameter_rows, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from comfy_notebook.media import Media
    from comfy_notebook.results import ExecuteResult
    from comfy_notebook.workflow.document import Workflow

_TEXT_LINES = 20
_VALUE_WIDTH = 40


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


def workflow_text(workflow: Workflow) -> str:
    """Return a workflow as lines: its parameters, its outputs, what the server lacks for it."""
    rows = parameter_rows(workflow)
    cells = [(row.name, short(row.value, _VALUE_WIDTH), "; ".join((row.takes, *row.notes)), row.node) for row in rows]
    lines = [headline(workflow), "", *_columns([("parameter", "value", "takes", "node"), *cells])]
    lines += ["", *_columns([("output", "node"), *output_rows(workflow)])]
    missing = [f"  {problem}" for problem in lacks(workflow)]
    return "\n".join([*lines, *(["", "The server lacks:", *missing] if missing else [])])


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


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]

"""Results and workflows as plain text, for terminals, logs and viewers that show nothing else.

What comes from a workflow or a server is data here, too: a control sequence in it is shown, not obeyed.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
import unicodedata
from typing import TYPE_CHECKING, TypeVar

from comfy_notebook.notebook.overview import comparison_rows, headline, lacks, output_rows, parameter_rows, short
from comfy_notebook.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from comfy_notebook.experiments.comparison import Comparison
    from comfy_notebook.media import Media
    from comfy_notebook.notebook.recorded import Runs
    from comfy_notebook.results import ExecuteResult, ResultList
    from comfy_notebook.workflow.document import Workflow

T = TypeVar("T")

_WIDTH = 80  # where nobody says how wide it is: a notebook keeps this text
_TEXT_LINES = 20
_FILES = 8  # of one output, before the rest is a number
_OUTPUTS = 20  # of one result
_ADDRESSED = 4  # up to so many files are told with their URL, whether it fits or not
_LONGEST_URL = 240  # three lines
_VALUE_WIDTH = 40
_NAME_WIDTH = 48


def result_text(result: ExecuteResult) -> str:
    """Return a result as lines: its state, what came back by name, where to find it."""
    lines = [_headline(result)]
    if result.error is not None:
        lines += [_wrapped(line, "  ") for line in str(result.error).splitlines()]
    lines += [_wrapped(f"Note: {warning}", "  ") for warning in result.warnings]
    media = result.media
    names = list(dict.fromkeys([*(item.var for item in media), *result.texts_by_var]))
    for name in _first(names, _OUTPUTS):
        lines.append(f"  {_inline(name)}")
        lines += _media_lines([item for item in media if item.var == name], "    ", every=len(media) <= _ADDRESSED)
        lines += [_folded(text) for text in result.texts_by_var.get(name, ())]
    lines += _rest(len(names), _OUTPUTS, "outputs", "  ")
    return printable("\n".join(lines))


def workflow_text(workflow: Workflow) -> str:
    """Return a workflow as lines: its parameters, its outputs, what the server lacks for it."""
    rows = parameter_rows(workflow)
    cells = [(row.name, short(row.value, _VALUE_WIDTH), "; ".join((row.takes, *row.notes)), row.node) for row in rows]
    lines = [headline(workflow), "", *_columns([("parameter", "value", "takes", "node"), *cells])]
    lines += ["", *_columns([("output", "node"), *output_rows(workflow)])]
    missing = [f"  {problem}" for problem in lacks(workflow)]
    return printable("\n".join([*lines, *(["", "The server lacks:", *missing] if missing else [])]))


def runs_text(runs: Runs) -> str:
    """Return recorded runs as lines, the newest first."""
    rows = [
        (row.place, row.when, short(row.prompt, _VALUE_WIDTH), short(row.workflow, _NAME_WIDTH // 2),
         short(row.params, _VALUE_WIDTH), row.status, row.duration)
        for row in runs.rows
    ]  # fmt: skip
    lines = [
        runs.headline,
        *(_columns([("", "when", "prompt", "workflow", "parameters", "", ""), *rows]) if rows else []),
    ]
    return printable("\n".join(lines))


def results_text(results: ResultList) -> str:
    """Tell several results, one after the other."""
    return "\n".join(map(result_text, results)) or "[]"


def one_text(media: Media) -> str:
    """Tell one file, as the text that it is."""
    return repr(str(media))


def media_text(media: Sequence[Media]) -> str:
    """Return files as lines."""
    return printable("\n".join(_media_lines(media, "", every=len(media) <= _ADDRESSED))) or "[]"


def comparison_text(comparison: Comparison) -> str:
    """Return a comparison as lines: what differs in how they were made, and how far they are from each other."""
    rows = [tuple(short(cell, _VALUE_WIDTH) for cell in row) for row in comparison_rows(comparison)]
    lines = _columns([("", "A", "B"), *rows]) if rows else []
    lines += [
        _wrapped(": ".join(filter(None, (_inline(pair.name), str(pair.metrics)))), "  ") for pair in comparison.pairs
    ]
    return printable("\n".join(["Comparison", *lines]))


def _headline(result: ExecuteResult) -> str:
    timing = result.timing()
    done = f"{result.status.capitalize()}{f' in {timing}' if timing else ''}"
    if not result.server:
        return f"{done}: {result.counts()}"
    line = f"{done} on {_inline(result.server)}: {result.counts()}"
    return line if _width(line) <= _columns_of_screen() else f"{done}: {result.counts()}\n  on {_inline(result.server)}"


def _media_lines(media: Sequence[Media], indent: str, *, every: bool) -> list[str]:
    """Return a line a file, with its URL where it fits; on a line of its own if ``every`` one is to be told."""
    lines = []
    shown = _first(media, _FILES)
    named = min(max((_width(_inline(item.filename)) for item in shown), default=0), _NAME_WIDTH)
    for item in shown:
        name = _inline(item.filename)
        name = name if _width(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH // 2]}…{name[-_NAME_WIDTH // 4 :]}"
        line = f"{indent}{item.kind:<5}  {name}{' ' * (named - _width(name))}"
        if len(line) + len(item) + 2 <= _columns_of_screen():
            line = f"{line}  {item}"
        elif every and len(item) <= _LONGEST_URL:
            line = f"{line.rstrip()}\n{indent}       {item}"
        lines.append(line.rstrip())
    return [*lines, *_rest(len(media), _FILES, "", indent)]


def _first(items: Sequence[T], most: int) -> Sequence[T]:
    return items[:most] if len(items) > most + 1 else items  # one more takes no more room than saying so


def _rest(count: int, shown: int, what: str, indent: str) -> list[str]:
    return [f"{indent}… and {count - shown} more {what}".rstrip()] if count > shown + 1 else []


def _folded(text: str) -> str:
    """Return a text's beginning, indented, in lines that fit."""
    width = max(_columns_of_screen() - 4, 20)
    lines = [
        piece
        for line in (text[: _TEXT_LINES * 1_000].splitlines() or [""])
        for piece in (textwrap.wrap(line, width, replace_whitespace=False) or [""])
    ]
    kept = lines[:_TEXT_LINES]
    if len(lines) > _TEXT_LINES or len(text) > _TEXT_LINES * 1_000:
        kept.append(f"… {len(text):,} characters in all")
    return textwrap.indent("\n".join(line.rstrip() for line in kept), "    ")


def _wrapped(line: str, indent: str) -> str:
    """Return a sentence in lines that fit, but addresses and paths whole."""
    own = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.strip(),
        max(_columns_of_screen(), 20),
        initial_indent=indent + own,
        subsequent_indent=f"{indent}{own}  " if own else indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _columns_of_screen() -> int:
    stdout = sys.stdout
    return shutil.get_terminal_size((_WIDTH, 24)).columns if stdout is not None and stdout.isatty() else _WIDTH


def _width(text: str) -> int:
    """Return how many columns a text takes: Chinese, Japanese and Korean characters take two."""
    return sum(1 + (unicodedata.east_asian_width(character) in "WF") for character in text)


def _inline(text: str) -> str:
    return printable(text).replace("\n", "␊")


def _columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    rows = list(rows)
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]

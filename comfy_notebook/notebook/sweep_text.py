"""A sweep as plain text: how it stands, and a table of marks where that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_notebook.experiments.sweeps.labels import label
from comfy_notebook.notebook.sweep_scene import words_of
from comfy_notebook.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from comfy_notebook.experiments.sweeps.cells import Cell
    from comfy_notebook.experiments.sweeps.grid import Grid
    from comfy_notebook.experiments.sweeps.layout import Layout, Section

_MARKS = {"completed": "✓", "failed": "✗", "cancelled": "■", "running": "…"}
_ROWS = 40
_LABEL = 16
_WIDTH = 100
_ERRORS = 5


def sweep_text(grid: Grid) -> str:
    """Return a sweep as lines."""
    layout = grid.layout(_ROWS * 10)
    lines = [", ".join(words_of(grid.sweep))]
    lines += [f"  {note}" for note in (*grid.sweep.course.warnings, *grid.sweep.course.notes)]
    for section in layout.sections:
        if section.values:
            lines.append("  " + ", ".join(f"{name} {_short(label(value))}" for name, value in section.values.items()))
        lines += _table(section, layout)
    if layout.hidden:
        lines.append(f"  … and {layout.hidden:,} more runs")
    return printable("\n".join([*lines, *_errors(grid)]))


def _table(section: Section, layout: Layout) -> Iterator[str]:
    if layout.flows:
        for there in list(section.places.values())[:_ROWS]:
            yield from (f"    {_mark([cell])} {_own(cell, layout)}" for cell in there)
        return
    heads = [_short(" ".join(map(label, column.values()))) for column in section.columns]
    names = [_short(" ".join(map(label, row.values()))) for row in section.rows[:_ROWS]]
    corner = _short(", ".join(layout.rows))
    first = max(map(len, [corner, *names]))
    if 4 + first + sum(len(head) + 2 for head in heads) > _WIDTH:
        heads = [f"{index}" for index in range(1, len(heads) + 1)]
    yield f"    {' ' * first}  {', '.join(layout.columns)}".rstrip()
    yield "    " + "  ".join([corner.ljust(first), *heads])
    for row, name in enumerate(names):
        marks = [_mark(section.places.get((row, column), ())).ljust(len(head)) for column, head in enumerate(heads)]
        yield "    " + "  ".join([name.ljust(first), *marks]).rstrip()


def _own(cell: Cell, layout: Layout) -> str:
    return ", ".join(f"{name} {_short(label(value))}" for name, value in cell.point.items() if name in layout.own)


def _mark(cells: Sequence[Cell]) -> str:
    return "".join(_MARKS.get(cell.status, "·") for cell in cells)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LABEL else f"{line[: _LABEL - 1]}…"


def _errors(grid: Grid) -> Iterator[str]:
    failed = grid.sweep.failed
    for cell in failed[:_ERRORS]:
        result = cell.result
        values = ", ".join(f"{name} {label(value)}" for name, value in cell.point.items())
        yield f"  {values}: {result.msg if result is not None else ''}".replace("\n", "\n  ")
    if len(failed) > _ERRORS:
        yield f"  … and {len(failed) - _ERRORS} more failed"

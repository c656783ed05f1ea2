"""A workflow as HTML: its parameters as a table, its outputs, what the server lacks, and its graph, folded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.notebook.html.parts import EMPTY, block, breakable, folded, page, scrolled
from comfy_notebook.notebook.overview import headline, lacks, output_rows, parameter_rows, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from comfy_notebook.notebook.overview import Row
    from comfy_notebook.workflow.document import Workflow

_OPEN_ROWS = 40
_LISTED_CHOICES = 200
_VALUE_WIDTH = 160
_GRAPH_CHARACTERS = 100_000
_CELL = Markup('<td style="text-align:left;vertical-align:top">{}</td>')


def workflow_html(workflow: Workflow) -> str:
    """Return a workflow as a self-contained piece of HTML."""
    rows = [_row(row) for row in parameter_rows(workflow)]
    name, _, rest = headline(workflow).partition(": ")
    return page(
        Markup('<div style="margin:2px 0 6px"><strong>{}</strong> <span class="cnb-faint">{}</span></div>').format(
            breakable(name), breakable(rest)
        ),
        _lacks(workflow),
        _table(("parameter", "value", "takes", "node"), rows[:_OPEN_ROWS]),
        folded(f"{len(rows) - _OPEN_ROWS} more parameters", _table((), rows[_OPEN_ROWS:]))
        if len(rows) > _OPEN_ROWS
        else EMPTY,
        _table(("output", "node"), [_cells(_code(name), node) for name, node in output_rows(workflow)]),
        folded("Graph", block(_json(workflow))),
    )


def _row(row: Row) -> Markup:
    value = _value(row)
    notes = Markup('<div class="cnb-faint">{}</div>').format(breakable("; ".join(row.notes))) if row.notes else EMPTY
    return _cells(Markup("{}{}").format(_code(row.name), notes), value, _takes(row), row.node)


def _value(row: Row) -> Markup:
    text = short(row.value, _VALUE_WIDTH)
    whole = row.value if isinstance(row.value, str) else repr(row.value)
    return folded(text, block(whole)) if text.endswith("…") else breakable(text)


def _takes(row: Row) -> Markup:
    listed = ", ".join(map(str, row.choices[:_LISTED_CHOICES]))
    left_out = len(row.choices) - _LISTED_CHOICES
    more = f" … and {left_out:,} more" if left_out > 0 else ""
    return folded(row.takes, block(listed + more)) if row.takes.endswith("more") else breakable(row.takes)


def _lacks(workflow: Workflow) -> Markup:
    problems = lacks(workflow)
    if not problems:
        return EMPTY
    items = EMPTY.join(Markup("<li>{}</li>").format(breakable(problem)) for problem in problems)
    return Markup(
        '<div class="cnb-warn" style="padding:6px 12px;margin:4px 0;border-left:4px solid rgba(183,121,31,.9)">'
        '<strong>The server lacks</strong><ul style="margin:4px 0;padding-left:20px">{}</ul></div>'
    ).format(items)


def _table(titles: Iterable[str], rows: Sequence[Markup]) -> Markup:
    if not rows:
        return EMPTY
    head = EMPTY.join(Markup('<th style="text-align:left">{}</th>').format(title) for title in titles)
    return scrolled(
        Markup('<table class="cnb-list">{}{}</table>').format(
            Markup("<tr>{}</tr>").format(head) if head else EMPTY, EMPTY.join(rows)
        )
    )


def _cells(*values: Markup | str) -> Markup:
    cells = (_CELL.format(value if isinstance(value, Markup) else breakable(value)) for value in values)
    return Markup("<tr>{}</tr>").format(EMPTY.join(cells))


def _code(name: str) -> Markup:
    return Markup("<code>{}</code>").format(breakable(name))


def _json(workflow: Workflow) -> str:
    text = json.dumps(workflow.graph, indent=1, ensure_ascii=False, default=repr)
    return text if len(text) <= _GRAPH_CHARACTERS else f"{text[:_GRAPH_CHARACTERS]} … ({len(text):,} characters)"

"""A whole result as HTML: what went wrong, what came back by name, and how it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.notebook.html.gallery import gallery
from comfy_notebook.notebook.html.parts import EMPTY, block, folded, page, row, table
from comfy_notebook.notebook.media.pipeline import prepare
from comfy_notebook.workflow.naming import heading
from comfy_notebook.workflow.seeds import SEED_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfy_notebook.errors import ComfyError
    from comfy_notebook.notebook.media.pipeline import Item
    from comfy_notebook.results import ExecuteResult, Media

_MARKS = {"completed": "✓", "failed": "✗", "cancelled": "■"}
_KINDS = ("image", "video", "audio", "file")


def result_html(result: ExecuteResult) -> str:
    """Return a result as a self-contained piece of HTML; its files are fetched."""
    items, note = prepare(result.media)
    return page(
        error_card(result.error) if result.error else EMPTY,
        *(warning(text) for text in [*result.warnings, *([note] if note else [])]),
        row(_groups(result, items), gap=20),
        _footer(result),
    )


def media_html(media: Sequence[Media]) -> str:
    """Return files as a gallery."""
    items, note = prepare(media)
    return page(gallery(items), warning(note) if note else EMPTY)


def error_html(error: ComfyError) -> str:
    """Return an error as a card."""
    return page(error_card(error))


def error_card(error: ComfyError) -> Markup:
    """Say what went wrong and what to do; the server's traceback is folded."""
    problems = EMPTY.join(Markup("<li>{}</li>").format(str(problem)) for problem in error.problems)
    return Markup(
        '<div class="cnb-bad" role="alert" style="padding:6px 12px;margin:4px 0;'
        'border-left:4px solid rgba(208,52,44,.9)"><strong>{}</strong>{}{}{}</div>'
    ).format(
        error.message,
        Markup('<ul style="margin:4px 0;padding-left:20px">{}</ul>').format(problems) if problems else EMPTY,
        Markup('<div style="margin-top:4px">{}</div>').format(error.hint) if error.hint else EMPTY,
        folded("Traceback on the server", block(error.traceback)) if error.traceback else EMPTY,
    )


def warning(text: str) -> Markup:
    """Show a line that a user should see."""
    return Markup(
        '<div class="cnb-warn" style="padding:4px 12px;margin:4px 0;border-left:4px solid rgba(183,121,31,.9)">{}</div>'
    ).format(text)


def _groups(result: ExecuteResult, items: Sequence[Item]) -> list[Markup]:
    by_var: dict[str, list[Item]] = {}
    for item in items:
        by_var.setdefault(item.media.var, []).append(item)
    names = [*by_var, *(name for name in result.texts_by_var if name not in by_var)]
    alone = len(names) == 1 and names[0] in result.workflow  # a single, unnamed output needs no heading
    return [
        Markup('<section style="max-width:100%">{}{}{}</section>').format(
            EMPTY if alone else _heading(_title(result, name), by_var.get(name, []), result.texts_by_var.get(name, [])),
            gallery(by_var[name]) if name in by_var else EMPTY,
            EMPTY.join(block(text) for text in result.texts_by_var.get(name, ())),
        )
        for name in names
    ]


def _title(result: ExecuteResult, name: str) -> str:
    """Return an output's name, or the title of the node that has none."""
    node = result.workflow.get(name)
    return name if node is None else heading(node)


def _heading(title: str, items: Sequence[Item], texts: Sequence[str]) -> Markup:
    counts = [(kind, sum(item.media.kind == kind for item in items)) for kind in _KINDS]
    counts.append(("text", len(texts)))
    words = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts if count)
    return Markup('<h4 style="margin:10px 0 6px">{} <small>{}</small></h4>').format(title, words)


def _footer(result: ExecuteResult) -> Markup:
    parts = [f"{_MARKS.get(result.status, '')} {result.status}"]
    if result.duration is not None:
        parts.append(f"{result.duration:.2f} s")
    if result.server:
        parts.append(result.server)
    parts += [f"{name} {value}" for name, value in result.params.items() if name.rpartition(".")[2] in SEED_NAMES]
    if not result.media and not result.texts and result.status == "completed":
        parts.append("no outputs")
    return Markup('<div class="cnb-foot cnb-faint" style="margin-top:8px;padding-top:4px">{}{}</div>').format(
        " · ".join(parts), folded("Parameters", table(result.params)) if result.params else EMPTY
    )

"""A whole result as HTML: what went wrong, what came back by name, and how it was made."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from comfy_notebook.notebook.html.gallery import gallery
from comfy_notebook.notebook.html.grid import usual_side
from comfy_notebook.notebook.html.parts import EMPTY, block, breakable, folded, page, row, table
from comfy_notebook.notebook.html.texts import texts
from comfy_notebook.notebook.media.pipeline import prepare
from comfy_notebook.workflow.graph import node_title
from comfy_notebook.workflow.markers import output_name
from comfy_notebook.workflow.naming import heading
from comfy_notebook.workflow.seeds import SEED_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from comfy_notebook.errors import ComfyError
    from comfy_notebook.media import Media
    from comfy_notebook.notebook.media.pipeline import Item
    from comfy_notebook.results import ExecuteResult, ResultList

MARKS = {"completed": "✓", "failed": "✗", "cancelled": "■"}
_KINDS = ("image", "video", "audio", "file")
_RAW_CHARACTERS = 20_000


def result_html(
    result: ExecuteResult,
    columns: int | None = None,
    side: int | None = None,
    whole: Callable[[Item], Item] | None = None,
) -> str:
    """Return a result as a self-contained piece of HTML; its files are fetched.

    ``columns`` and ``side``, in CSS pixels, are those of :func:`gallery`; ``whole`` puts originals into the items, for
    pages without a budget.
    """
    items, note = prepare(result.media)
    if whole is not None:
        items, note = [whole(item) for item in items], ""
    seeds = " · ".join(seeds_of(result))
    return page(
        error_card(result.error) if result.error else EMPTY,
        *_body(result, items, note, lambda _media: seeds, columns=columns, side=side),
        _footer(result, seeds_of(result)),
    )


def results_html(results: ResultList) -> str:
    """Return the results of several runs of one workflow as one, each picture with its own seed."""
    whole = results.joined()
    items, note = prepare(whole.media)
    seeds = {id(media): " · ".join(seeds_of(result)) for result in results for media in result.media}
    errors = {str(result.error): result.error for result in results if result.error is not None}
    return page(
        *map(error_card, errors.values()),
        *_body(whole, items, note, lambda media: seeds[id(media)]),
        _footer(whole, [_counted(results)], folded("Runs", table(_runs(results)))),
    )


def _body(
    result: ExecuteResult,
    items: Sequence[Item],
    note: str,
    about: Callable[[Media], str],
    *,
    columns: int | None = None,
    side: int | None = None,
) -> Iterable[Markup]:
    yield from map(warning, result.warnings)
    yield row(_groups(result, items, about, columns, side), gap=28)
    if note:
        yield Markup('<p class="cnb-faint" style="margin:4px 0">{}</p>').format(note)


def _counted(results: ResultList) -> str:
    counts = Counter(result.status for result in results)
    said = ", ".join(f"{count} {status}" for status, count in counts.items())
    return f"{len(results)} runs" + (f": {said}" if len(counts) > 1 else "")


def _runs(results: ResultList) -> dict[str, str]:
    return {
        f"{number}": " · ".join([f"{MARKS.get(result.status, '')} {result.status}", *seeds_of(result)])
        for number, result in enumerate(results, 1)
    }


def media_html(media: Sequence[Media], columns: int | None = None, side: int | None = None) -> str:
    """Return files as a gallery."""
    items, note = prepare(media)
    return page(gallery(items, columns=columns, side=side), warning(note) if note else EMPTY)


def one_html(media: Media) -> str:
    """Return one file, as a gallery of one."""
    return media_html([media])


def error_html(error: ComfyError) -> str:
    """Return an error as a card."""
    return page(error_card(error))


def error_card(error: ComfyError) -> Markup:
    """Say what went wrong and what to do; the server's traceback is folded."""
    problems = EMPTY.join(Markup("<li>{}</li>").format(breakable(problem)) for problem in error.problems)
    return Markup(
        '<div class="cnb-bad" role="alert" style="padding:6px 12px;margin:4px 0;'
        'border-left:4px solid rgba(208,52,44,.9)"><strong>{}</strong>{}{}{}</div>'
    ).format(
        breakable(error.message),
        Markup('<ul style="margin:4px 0;padding-left:20px">{}</ul>').format(problems) if problems else EMPTY,
        Markup('<div style="margin-top:4px">{}</div>').format(breakable(error.hint)) if error.hint else EMPTY,
        folded("Traceback on the server", block(error.traceback)) if error.traceback else EMPTY,
    )


def warning(text: str) -> Markup:
    """Show a line that a user should see."""
    return Markup(
        '<div class="cnb-warn" style="padding:4px 12px;margin:4px 0;border-left:4px solid rgba(183,121,31,.9)">'
        '<span aria-hidden="true">⚠</span> {}</div>'
    ).format(breakable(text))


def _groups(
    result: ExecuteResult,
    items: Sequence[Item],
    about: Callable[[Media], str],
    columns: int | None,
    side: int | None,
) -> Iterable[Markup]:
    by_var: dict[str, list[Item]] = {}
    for item in items:
        by_var.setdefault(item.media.var, []).append(item)
    side = side or usual_side(sum(item.is_visual for item in items))  # so that groups stand side by side
    names = _in_order(result, {*by_var, *result.texts_by_var})
    for name in names:
        found, said = by_var.get(name, []), result.texts_by_var.get(name, [])
        alone = len(names) == 1 and name in result.workflow  # a single, unnamed output needs no heading
        yield Markup('<section style="max-width:100%;min-width:0">{}{}{}</section>').format(
            EMPTY if alone else _heading(_title(result, name), found, said),
            gallery(found, about, columns, side),
            texts(said),
        )


def _in_order(result: ExecuteResult, names: Collection[str]) -> list[str]:
    """Sort outputs as the workflow has them; what it does not have comes last."""
    order = {output_name(node_title(node) or "") or node_id: node_id for node_id, node in result.workflow.items()}
    known = [name for name in order if name in names]
    return [*known, *(name for name in names if name not in order)]


def _title(result: ExecuteResult, name: str) -> str:
    """Return an output's name, or the title of the node that has none."""
    node = result.workflow.get(name)
    return name if node is None else heading(node)


def _heading(title: str, items: Sequence[Item], texts: Sequence[str]) -> Markup:
    counts = [(kind, sum(item.media.kind == kind for item in items)) for kind in _KINDS]
    counts.append(("text", len(texts)))
    words = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts if count)
    return Markup('<h4 style="margin:10px 0 6px">{} <small>{}</small></h4>').format(breakable(title), words)


def _footer(result: ExecuteResult, about: Iterable[str], more: Markup = EMPTY) -> Markup:
    status = Markup("<strong>{} {}</strong>").format(MARKS.get(result.status, ""), result.status)
    parts = [*filter(None, [result.timing(), result.server]), *about]
    if not result.media and not result.texts and result.status == "completed":
        parts.append("no outputs")
    return Markup('<div class="cnb-foot cnb-faint" style="margin-top:10px;padding-top:6px">{}{}{}{}</div>').format(
        Markup(" · ").join([status, *map(breakable, parts)]),
        more,
        folded("Parameters", table(result.params)) if result.params else EMPTY,
        folded("Raw outputs", block(_raw(result.outputs))) if result.outputs else EMPTY,
    )


def seeds_of(result: ExecuteResult) -> list[str]:
    """Say which seeds ran: ``["seed 42"]``."""
    return [f"{name} {value}" for name, value in result.params.items() if name.rpartition(".")[2] in SEED_NAMES]


def _raw(outputs: Mapping[str, Any]) -> str:
    text = json.dumps(outputs, indent=1, ensure_ascii=False, default=repr)
    return text if len(text) <= _RAW_CHARACTERS else f"{text[:_RAW_CHARACTERS]} … ({len(text):,} characters)"

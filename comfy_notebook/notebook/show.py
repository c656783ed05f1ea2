"""How results and workflows show themselves, in whatever shell there is: HTML for a front end, text for a terminal."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from comfy_notebook.results import ExecuteResult


class _Way(NamedTuple):
    """How something shows itself: ``module:function``, in this folder, that makes HTML of it, and that makes text."""

    html: str
    text: str


# By class; imported when one of them is shown, as most notebooks show few of them.
_WAYS = {
    "workflow.document.Workflow": _Way("html.workflow:workflow_html", "text:workflow_text"),
    "results.ExecuteResult": _Way("html.result:result_html", "text:result_text"),
    "results.ResultList": _Way("html.result:results_html", "text:results_text"),
    "media.Media": _Way("html.result:one_html", "text:one_text"),
    "media.MediaList": _Way("html.result:media_html", "text:media_text"),
    "experiments.comparison.Comparison": _Way("html.comparison:comparison_html", "text:comparison_text"),
    "experiments.sweeps.grid.Grid": _Way("sweeping:grid_html", "sweeping:grid_text"),
    "experiments.sweeps.result.SweepResult": _Way("sweeping:sweep_html", "sweeping:sweep_text"),
    "experiments.history.history.History": _Way("recorded:recorded_html", "recorded:recorded_text"),
    "experiments.history.records.RecordList": _Way("recorded:recorded_html", "recorded:recorded_text"),
    "experiments.history.records.Record": _Way("recorded:recorded_html", "recorded:recorded_text"),
}


def mimebundle(shown: Any, include: Iterable[str] | None, exclude: Iterable[str] | None) -> dict[str, Any]:
    """Return what shows itself as ``text/plain`` and, where it can be shown, ``text/html``."""
    wanted = {"text/plain", "text/html"} & set(include or ("text/plain", "text/html"))
    wanted -= set(exclude or ())
    bundle: dict[str, Any] = {}
    if "text/plain" in wanted:
        bundle["text/plain"] = text(shown)
        bundle |= _for_terminal(shown, bundle["text/plain"]) if include is None else {}
    if "text/html" in wanted and _shows_html():
        bundle["text/html"] = html(shown)
    return bundle


def html(shown: Any) -> str:
    """Return what shows itself as HTML; files are fetched."""
    return _made(_way_of(shown).html, shown)


def show(result: ExecuteResult, columns: int | None, size: int | None) -> None:
    """Display a result with a layout of the user's."""
    if not _in_front_end():
        print(text(result))  # noqa: T201 - what a plain Python shows, it prints
        return
    from IPython.display import display

    from comfy_notebook.notebook.html.result import result_html

    display({"text/plain": text(result), "text/html": result_html(result, columns, size)}, raw=True)


def text(shown: Any) -> str:
    """Return what shows itself as text."""
    return _made(_way_of(shown).text, shown)


def _way_of(shown: Any) -> _Way:
    names = (f"{kind.__module__}.{kind.__qualname__}".removeprefix("comfy_notebook.") for kind in type(shown).__mro__)
    return next(_WAYS[name] for name in names if name in _WAYS)


def _made(function: str, shown: Any) -> str:
    module, _, name = function.partition(":")
    return str(getattr(import_module(f"{__package__}.{module}"), name)(shown))


def _for_terminal(shown: Any, plain: str) -> dict[str, Any]:
    """Return what the terminal shows instead of the text alone, if the user wants pictures there."""
    from comfy_notebook.notebook.terminal import MIME, offer, wanted

    offered = offer(shown, plain) if wanted() else None
    return {MIME: offered} if offered else {}


def _in_front_end() -> bool:
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None and _shows_html()


def _shows_html() -> bool:
    """Whether the shell has use for HTML; a terminal's has none, and the pictures need not be fetched."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is None or "text/html" in shell.display_formatter.active_types

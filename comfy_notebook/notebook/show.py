"""How results and workflows show themselves, in whatever shell there is: HTML for a front end, text for a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from comfy_notebook.media import Media, MediaList
from comfy_notebook.notebook.text import media_text, result_text, workflow_text
from comfy_notebook.results import ExecuteResult, ResultList
from comfy_notebook.workflow.document import Workflow

if TYPE_CHECKING:
    from collections.abc import Iterable


def mimebundle(shown: Any, include: Iterable[str] | None, exclude: Iterable[str] | None) -> dict[str, Any]:
    """Return a result, a workflow or media as ``text/plain`` and, where it can be shown, ``text/html``."""
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
    """Return a result, a workflow or media as HTML; files are fetched."""
    from comfy_notebook.notebook.html.result import media_html, result_html, results_html
    from comfy_notebook.notebook.html.workflow import workflow_html

    if isinstance(shown, Workflow):
        return workflow_html(shown)
    if isinstance(shown, ExecuteResult):
        return result_html(shown)
    if isinstance(shown, ResultList):
        return results_html(shown)
    return media_html([shown] if isinstance(shown, Media) else shown)


def show(result: ExecuteResult, columns: int | None, size: int | None) -> None:
    """Display a result with a layout of the user's."""
    if not _in_front_end():
        print(text(result))  # noqa: T201 - what a plain Python shows, it prints
        return
    from IPython.display import display

    from comfy_notebook.notebook.html.result import result_html

    display({"text/plain": text(result), "text/html": result_html(result, columns, size)}, raw=True)


def text(shown: Any) -> str:
    """Return a result, a workflow or media as text."""
    if isinstance(shown, Workflow):
        return workflow_text(shown)
    if isinstance(shown, ExecuteResult):
        return result_text(shown)
    if isinstance(shown, ResultList):
        return "\n".join(map(result_text, shown)) or "[]"
    return media_text(shown) if isinstance(shown, MediaList) else repr(str(shown))


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

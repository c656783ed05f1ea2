"""What a form leaves in a notebook: its last result as HTML, in an output of its own.

A widget's state is not saved, so that of the form itself nothing is seen in a notebook without its kernel. The copy
is hidden where the form is alive, as that shows the result, too.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

_MOST = 3  # places where it was shown last; updates for others go nowhere, most likely
# A notebook that is opened again says "Error displaying widget: model not found" where the form was.
_STYLE = Markup(
    "<style>.jp-OutputArea-child:has(+ .jp-OutputArea-child .cnbf-kept) > .jupyter-widgets:not(:has(*))"
    " { font-size: 0; }"
    " .jp-OutputArea-child:has(+ .jp-OutputArea-child .cnbf-kept) > .jupyter-widgets:not(:has(*))::after"
    " { content: 'The form is closed: run this cell to open it.'; font-size: 12px; opacity: .75;"
    " color: var(--jp-content-font-color1, inherit); font-family: var(--jp-ui-font-family, sans-serif); }</style>"
)


class Kept:
    """The copies of a form's result outside of its widgets."""

    def __init__(self) -> None:
        self._token = secrets.token_hex(4)
        self._handles: list[DisplayHandle] = []
        self._bundle = {"text/plain": "", "text/html": self._wrapped("")}

    @property
    def hiding(self) -> str:
        """HTML that hides the copies for as long as it is in the page."""
        mine = f".cnbf-kept-{self._token}"
        return f"<style>.jp-OutputArea-child:has({mine}), {mine} {{ display: none; }}</style>"

    def display(self) -> None:
        """Put one where IPython shows things."""
        from IPython.display import display

        handle = display(self._bundle, raw=True, display_id=True)
        if handle is not None:
            self._handles = [*self._handles, handle][-_MOST:]

    def update(self, bundle: dict[str, Any]) -> None:
        """Let the copies show something else."""
        self._bundle = {**bundle, "text/html": self._wrapped(bundle.get("text/html", ""))}
        for handle in self._handles:
            handle.update(self._bundle, raw=True)

    def _wrapped(self, html: str) -> str:
        return str(
            Markup('<div class="cnbf-kept cnbf-kept-{}">{}{}</div>').format(
                self._token,
                Markup(html),  # noqa: S704 - what the result made of itself
                _STYLE,
            )
        )

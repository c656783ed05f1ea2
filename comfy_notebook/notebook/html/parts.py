"""Small pieces of HTML that every view is made of."""

from __future__ import annotations

import base64
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EMPTY = Markup()
_LONGEST = 2_000  # characters of a name or a sentence
_UNBROKEN = 24  # characters of a word


@cache
def _style() -> Markup:
    text = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return Markup("<style>{}</style>").format(Markup(text))  # noqa: S704 - our own file


def page(*parts: Markup) -> str:
    """Wrap parts as one view, with its style sheet: other cells' may not be there, or not yet."""
    whole = Markup('<div class="cnb mathjax_ignore tex2jax_ignore" style="max-width:100%;overflow:auto">{}{}</div>')
    # half a pair of surrogates, which a file name may have, could be neither saved nor sent
    return str(whole.format(_style(), EMPTY.join(parts))).encode("utf-8", "replace").decode()


def breakable(text: object) -> Markup:
    """Let long words break anywhere, also where the style sheet is not there; what is endless is cut off."""
    shown = str(text)
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]} …"
    parts = (Markup("<wbr>").join(_pieces(word)) for word in shown.split(" "))
    return Markup(" ").join(parts)


def _pieces(word: str) -> list[str]:
    return [word[start : start + _UNBROKEN] for start in range(0, len(word), _UNBROKEN)] or [""]


def data_url(content: bytes, mime: str) -> str:
    """Return content as a URL that needs no server."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def row(items: Iterable[Markup], gap: int = 8, width: int | None = None) -> Markup:
    """Lay items side by side, and below each other where there is no room; nothing if there are none.

    ``gap`` and ``width``, the most that a row may take, are in CSS pixels.
    """
    laid = EMPTY.join(items)
    if not laid:
        return EMPTY
    most = Markup("max-width:min(100%,{}px);").format(width) if width else EMPTY
    return Markup(
        '<div class="cnb-row" style="display:flex;flex-wrap:wrap;gap:{}px;{}align-items:flex-start">{}</div>'
    ).format(gap, most, laid)


def folded(title: str, body: Markup) -> Markup:
    """Hide a body behind its title, until that is clicked."""
    return Markup('<details style="margin:2px 0"><summary style="cursor:pointer">{}</summary>{}</details>').format(
        breakable(title), body
    )


def block(text: str) -> Markup:
    """Show text as it is, line by line; long text scrolls."""
    return Markup(
        '<pre tabindex="0" dir="auto" '
        'style="white-space:pre-wrap;max-height:24em;overflow:auto;margin:4px 0;padding:8px">{}</pre>'
    ).format(text)


def table(values: Mapping[str, Any]) -> Markup:
    """Show names and values in two columns."""
    rows = (
        Markup('<tr><td style="text-align:left">{}</td><td style="text-align:left">{}</td></tr>').format(
            breakable(name), breakable(_value(value))
        )
        for name, value in values.items()
    )
    return scrolled(Markup("<table>{}</table>").format(EMPTY.join(rows)))


def scrolled(wide: Markup) -> Markup:
    """Let something wide scroll in its place."""
    return Markup('<div style="overflow-x:auto;max-width:100%">{}</div>').format(wide)


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) < _LONGEST else f"{text[: _LONGEST - 40]} … ({len(text):,} characters)"


def size(count: int) -> str:
    """Say how many bytes: ``"1.5 MB"``."""
    amount = float(count)
    for unit in ("bytes", "KB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"

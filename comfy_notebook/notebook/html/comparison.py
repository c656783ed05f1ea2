"""Two results, or two pictures, side by side as HTML; or one over the other, with an edge to drag, where styles apply.

The edge needs no script: the upper picture is in a box as wide as another one that can be resized, whose corner is
stretched over the whole height.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.errors import MediaError
from comfy_notebook.experiments.metrics import difference
from comfy_notebook.notebook.html.captions import caption, original
from comfy_notebook.notebook.html.gallery import missing
from comfy_notebook.notebook.html.parts import EMPTY, breakable, folded, page, scrolled
from comfy_notebook.notebook.html.pictures import image
from comfy_notebook.notebook.html.result import error_card, warning
from comfy_notebook.notebook.media.encoding import Encoded, encode_within, scaled
from comfy_notebook.notebook.media.pipeline import prepare
from comfy_notebook.notebook.overview import comparison_rows, short

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from comfy_notebook.experiments.comparison import Comparison, Pair
    from comfy_notebook.notebook.media.pipeline import Item

_SIDE = 440  # CSS pixels that a picture takes beside the other, at most
_WIDEST, _TALLEST = 880, 720  # CSS pixels of one over the other
_NARROWEST = 160  # CSS pixels, below which there is no room to drag
_CAPTION = 200  # CSS pixels that a caption takes, at least
_TOLD = 3  # parameters in a caption
_TOLD_WIDTH = 40  # characters of a value there
_DIFFERENCE_SIDE, _DIFFERENCE_BYTES = 880, 120_000


def comparison_html(comparison: Comparison, whole: Callable[[Item], Item] | None = None) -> str:
    """Return a comparison as a self-contained piece of HTML; its files are fetched.

    ``whole`` puts originals into the items, for pages without a budget.
    """
    media = [each for pair in comparison.pairs for each in (pair.a, pair.b) if each is not None]
    prepared, note = prepare(media)
    if whole is not None:
        prepared, note = [whole(item) for item in prepared], ""
    items = iter(prepared)
    pairs = [
        (pair, next(items) if pair.a is not None else None, next(items) if pair.b is not None else None)
        for pair in comparison.pairs
    ]
    said = _captions(comparison)
    errors = [each.error for each in (comparison.a, comparison.b) if each is not None and each.error is not None]
    return page(
        *map(error_card, errors),
        _differences(comparison),
        *(_pair(pair, (one, other), said, named=len(pairs) > 1) for pair, one, other in pairs),
        EMPTY if pairs else Markup('<p class="cnb-faint">There are no pictures to compare.</p>'),
        warning(note) if note else EMPTY,
    )


def _differences(comparison: Comparison) -> Markup:
    """Show what differs in how two results came to be."""
    rows = comparison_rows(comparison)
    if not rows:
        return EMPTY
    head = Markup("<tr><th></th><th>A</th><th>B</th></tr>")
    body = [
        Markup("<tr><td>{}</td><td>{}</td><td>{}</td></tr>").format(*(breakable(cell) for cell in row)) for row in rows
    ]
    same = "" if comparison.differences else "No parameter differs."
    line = Markup('<div class="cnb-faint">{}</div>').format(same) if same else EMPTY
    table = Markup('<table class="cnb-list cnb-versus">{}{}</table>').format(head, EMPTY.join(body))
    return Markup("{}{}").format(scrolled(table), line)


def _captions(comparison: Comparison) -> tuple[str, str]:
    """Say what sets each side apart from the other, in a few words."""
    told = list(comparison.differences.items())[:_TOLD]
    sides = []
    for side, letter in enumerate("AB"):
        words = [f"{name} {short(str(values[side]), _TOLD_WIDTH)}" for name, values in told]
        sides.append(" · ".join([letter, *words]))
    return sides[0], sides[1]


def _pair(pair: Pair, items: tuple[Item | None, Item | None], said: Sequence[str], *, named: bool) -> Markup:
    heading = Markup('<h4 style="margin:10px 0 6px">{}</h4>').format(breakable(pair.name)) if named else EMPTY
    shown = [_shown(item) for item in items]
    figures = [
        _figure(item, encoded, about, over=not side)
        for side, (item, encoded, about) in enumerate(zip(items, shown, said, strict=True))
    ]
    width, height = _stage([item for item in items if item is not None])
    slides = all(shown) and width >= _NARROWEST
    return Markup(
        '<section class="cnb-compare" style="max-width:100%">{}{}'
        '<div class="cnb-pair" style="display:flex;flex-wrap:wrap;gap:8px;align-items:flex-start;'
        '--cnb-stage:{}px;--cnb-shape:{:.4f}">{}{}</div>'
        '<div class="cnb-faint" style="margin:6px 0 2px">{}</div>{}</section>'
    ).format(
        heading,
        _CHOICE if slides else EMPTY,
        width,
        width / height,
        *figures,
        breakable(pair.metrics),
        _difference(pair) if all(shown) else EMPTY,
    )


# Hidden where the style sheet is not there, and nothing would happen. What is open lies one over the other.
_CHOICE = Markup(
    '<details class="cnb-choice" style="display:none;margin:0 0 6px"><summary style="cursor:pointer">'
    '<span class="cnb-closed">one over the other, with an edge to drag</span>'
    '<span class="cnb-opened">side by side</span></summary></details>'
)


def _shown(item: Item | None) -> Encoded | None:
    return (item.large or item.small) if item is not None and not item.problem else None


def _figure(item: Item | None, encoded: Encoded | None, about: str, *, over: bool) -> Markup:
    """Show a picture, or why there is none; ``over`` for the one that lies above where they overlap."""
    if item is None or encoded is None:
        return missing(f"{about[:1]}: {item.problem if item is not None else 'no such picture'}")
    words = f"{about} · {caption(item)}"
    width, height = _fitted(item.made.width or encoded.width, item.made.height or encoded.height, _SIDE, _TALLEST)
    return Markup(
        '<figure class="{}" style="margin:0;max-width:100%;flex:0 1 {}px">'
        '<span class="cnb-grip" style="display:none"></span><div class="cnb-clip">{}</div>'
        '<figcaption dir="auto">{} <small style="display:block">{} · {}</small></figcaption></figure>'
    ).format(
        "cnb-over" if over else "cnb-under",
        max(width, _CAPTION),
        image(encoded, width, height, words),
        breakable(about),
        breakable(caption(item)),
        original(item),
    )


def _stage(items: Sequence[Item]) -> tuple[int, int]:
    """Return how large one picture over the other is shown: as the larger one, where there is room."""
    sizes = [(item.made.width, item.made.height) for item in items if item.made.width and item.made.height]
    return _fitted(*max(sizes, default=(_SIDE, _SIDE), key=lambda size: size[0] * size[1]), _WIDEST, _TALLEST)


def _fitted(width: int, height: int, widest: int, tallest: int) -> tuple[int, int]:
    scale = min(1.0, widest / max(1, width), tallest / max(1, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _difference(pair: Pair) -> Markup:
    """Show where they differ, on a click."""
    if pair.a is None or pair.b is None:
        return EMPTY
    try:
        found = difference(pair.a.pil(), pair.b.pil())
    except MediaError:
        return EMPTY
    if found is None:
        return EMPTY
    drawn, strength = found
    small = scaled(drawn, _DIFFERENCE_SIDE)
    encoded = encode_within(small, _DIFFERENCE_BYTES, smallest=64)
    if encoded is None:
        return EMPTY
    title = f"Where they differ{f', {strength} times as strong' if strength > 1 else ''}"
    width, height = _fitted(*drawn.size, _WIDEST, _TALLEST)
    return folded(title, image(encoded, width, height, title))

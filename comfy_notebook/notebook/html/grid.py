"""Lays pictures and players out: rows of one height that fill the width, however many there are and of any shape.

Where the style sheet is not there (a notebook from someone else, GitHub) the sizes in the markup hold, and they are
laid out as a page does with pictures: one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.notebook.html.parts import EMPTY

if TYPE_CHECKING:
    from collections.abc import Sequence

# (columns, longest side in CSS pixels) by how many there are: rows come out even, and fill no more than a
# notebook's cell has beside open side bars.
_LAYOUTS = {1: (1, 560), 2: (2, 440), 3: (3, 300), 4: (2, 340), 5: (3, 300), 6: (3, 300), 8: (4, 220), 9: (3, 260)}
_LAYOUT_OF_FEW = (4, 220)
_FEW = 12
_LAYOUT_OF_MANY = (0, 150)  # as many to a row as fit
_GAP = 8
_UNKNOWN_SHAPE = 1.0
_NARROWEST = 64  # as the style sheet has it
_SLACK = 4  # for what rounding adds


@dataclass(frozen=True, slots=True)
class Grid:
    """How one output's pictures are laid out.

    Attributes
    ----------
    columns
        How many stand in a row; 0 for as many as fit.
    height
        A row's, in CSS pixels; rows grow a little to fill the width.
    width
        The most that the grid takes, in CSS pixels; 0 for all there is.
    captions
        Whether there is room for a line below each.
    """

    columns: int
    height: int
    width: int
    captions: bool

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """Return how large something of this size is shown, in CSS pixels: never larger than it is."""
        shape = width / height if width and height else _UNKNOWN_SHAPE
        shown = min(self.height, height or self.height)
        return max(1, round(shown * shape)), max(1, shown)


def grid_for(sizes: Sequence[tuple[int, int]], columns: int | None = None, side: int | None = None) -> Grid:
    """Choose a layout.

    Parameters
    ----------
    sizes
        (width, height) of each picture, in pixels; zeros where unknown.
    columns, side
        How many to a row, and the longest side in CSS pixels, where a user wants to say.
    """
    columns, side = columns or _usual(len(sizes))[0], side or usual_side(len(sizes))
    shapes = [width / height if width and height else _UNKNOWN_SHAPE for width, height in sizes]
    mean = sum(min(shape, 3.0) for shape in shapes) / len(shapes) if shapes else _UNKNOWN_SHAPE
    tallest = max((height for _, height in sizes), default=0) or side
    height = max(24, min(round(side / max(1.0, mean)), tallest))
    row = mean * height + _GAP
    width = round(columns * row - _GAP) + _SLACK if columns else 0
    return Grid(columns, height, width, captions=len(sizes) <= _FEW)


def usual_side(count: int) -> int:
    """Return the longest side, in CSS pixels, that suits so many pictures."""
    return _usual(count)[1]


def _usual(count: int) -> tuple[int, int]:
    return _LAYOUTS.get(count, _LAYOUT_OF_FEW if count <= _FEW else _LAYOUT_OF_MANY)


def laid_out(cells: Sequence[Markup], grid: Grid) -> Markup:
    """Put cells into rows."""
    most = Markup("width:{}px;max-width:100%;").format(grid.width) if grid.width else EMPTY
    return Markup(
        '<div class="cnb-grid" style="display:flex;flex-wrap:wrap;gap:{}px;{}--cnb-row:{};align-items:flex-start">'
        "{}</div>"
    ).format(_GAP, most, grid.height, EMPTY.join(cells))


def cell_style(width: int, height: int, grid: Grid) -> Markup:
    """Return the style of one cell: its share of a row. What is shown as small as it is keeps its size."""
    grows = height >= grid.height and width >= _NARROWEST
    share = Markup("--cnb-shape:{:.3f}").format(width / height) if grows else Markup("--cnb-as-it-is:1")
    return Markup("max-width:100%;margin:0;{}").format(share)

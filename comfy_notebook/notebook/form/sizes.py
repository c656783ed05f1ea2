"""Widths and heights that are set together: which they are, and their usual shapes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfy_notebook.workflow.parameters import Parameter
    from comfy_notebook.workflow.schema import InputSpec

T = TypeVar("T")
S = TypeVar("S")

SHAPES = ((1, 1), (5, 4), (4, 3), (3, 2), (16, 9), (21, 9), (4, 5), (3, 4), (2, 3), (9, 16), (9, 21))
_GRID = 8  # pixels that a latent's cell spans


@dataclass(frozen=True, slots=True)
class Size(Generic[T]):
    """A width and a height."""

    width: T
    height: T

    def of(self, width: S, height: S) -> Size[S]:
        """Return the same pair of other things."""
        return Size(width, height)


def find_sizes(parameters: Sequence[Parameter]) -> list[Size[Parameter]]:
    """Pair the whole numbers called ``width`` and ``height`` of one node."""
    found = {
        parameter.targets[0]: parameter
        for parameter in parameters
        if len(parameter.targets) == 1 and type(parameter.default) is int
    }
    pairs = []
    for target, width in found.items():
        height = found.get(target._replace(input_name="height"))
        if target.input_name == "width" and height is not None:
            pairs.append(Size(width, height))
    return pairs


def grid(spec: InputSpec | None) -> int:
    """Return what a side should be a multiple of: 8, or more if its node says so."""
    step = int(spec.step) if spec is not None and spec.step else 1
    return math.lcm(step, _GRID) if step > 0 else _GRID


def shaped(shape: tuple[int, int], pixels: int, width: InputSpec | None, height: InputSpec | None) -> tuple[int, int]:
    """Return the width and the height of about so many pixels that come closest to a shape, within their ranges."""
    wide = math.sqrt(pixels * shape[0] / shape[1])
    return _fitted(wide, width), _fitted(wide * shape[1] / shape[0], height)


def shape_of(width: int, height: int, widths: InputSpec | None, heights: InputSpec | None) -> tuple[int, int] | None:
    """Return the usual shape that a size has, but for the rounding of its sides; None if it has none."""
    ratio = width / height
    near = min(SHAPES, key=lambda shape: abs(math.log(ratio * shape[1] / shape[0])))
    rounding = grid(widths) / width + grid(heights) / height
    return near if abs(ratio * near[1] / near[0] - 1) <= rounding / 2 * 1.01 else None


def _fitted(side: float, spec: InputSpec | None) -> int:
    unit = grid(spec)
    low = unit if spec is None or spec.minimum is None else max(1, math.ceil(spec.minimum / unit)) * unit
    high = math.inf if spec is None or spec.maximum is None else math.floor(spec.maximum / unit) * unit
    return int(min(max(round(side / unit) * unit, low), high))

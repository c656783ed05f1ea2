"""The range of a slider: a node's own where a hand can find its way in it, else the part that people use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfy_notebook.workflow.schema import InputSpec

_FINE = 500  # steps that a slider can tell apart
_USUAL = 4  # times the default, where people stay
_FARTHEST = 100_000  # times that: a bound that is none


@dataclass(frozen=True, slots=True)
class Range:
    """Where a slider goes, and in which steps."""

    low: float
    high: float
    step: float


def slider_range(spec: InputSpec | None, value: float | None) -> Range | None:
    """Return the range of a number's slider, with ``value`` in it; None where it has no use for one."""
    if spec is None or spec.minimum is None or spec.maximum is None or spec.minimum >= spec.maximum:
        return None
    low, high, step = spec.minimum, spec.maximum, step_of(spec)
    if (high - low) / step > _FINE and spec.display != "slider":
        usual = max(_size(spec.default), _size(value)) or 10 * step
        if high > usual * _FARTHEST or low < -usual * _USUAL:
            return None
        high = min(high, _rounded(max(_USUAL * usual, low + 10 * step)))
    return Range(low, high, step) if value is None or low <= value <= high else None


def step_of(spec: InputSpec | None) -> float:
    """Return the step in which a number changes."""
    if spec is not None and spec.step:
        return abs(spec.step)
    return 1 if spec is not None and spec.type == "INT" else 0.01


def _rounded(number: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(number))
    found = next(factor for factor in (1, 2, 5, 10) if number <= factor * power * (1 + 1e-9)) * power
    return int(found) if found >= 1 else found


def _size(value: object) -> float:
    return abs(value) if isinstance(value, int | float) and math.isfinite(value) else 0

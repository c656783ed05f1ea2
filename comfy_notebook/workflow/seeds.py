"""Seeds: which inputs are some, when one is open, and how one is drawn."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from comfy_notebook.workflow.graph import Target
    from comfy_notebook.workflow.schema import InputSpec

RANDOM = "random"
SEED_NAMES = ("seed", "noise_seed")
_LARGEST = 2**53 - 1  # what the editor's page, a JavaScript program, can hold exactly


def is_seed(target: Target, spec: InputSpec | None) -> bool:
    """Whether ``"random"`` makes sense for an input: a seed by its name, or a number that the page can randomize."""
    return target.input_name in SEED_NAMES or bool(spec and spec.type == "INT" and spec.control)


def is_open(value: Any) -> bool:
    """Whether a workflow leaves a seed open: at 0."""
    return isinstance(value, int | str) and not isinstance(value, bool) and str(value).strip() == "0"


def draw(spec: InputSpec | None) -> int:
    """Draw a seed within its node's range."""
    low = int(spec.minimum) if spec and spec.minimum is not None else 0
    high = int(spec.maximum) if spec and spec.maximum is not None else _LARGEST
    return low + secrets.randbelow(min(high, low + _LARGEST) - low + 1)

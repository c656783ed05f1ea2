"""Tells values that landed in the wrong input from values that a server merely does not have.

The page sends whatever is saved. When a node's inputs changed since then, a list of values shifts, and a sampler's
name ends up as its number of steps. That is told by what no input of the kind can mean; a model that this server
lacks, or a number out of range, is left for the server to refuse by name.
"""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from comfy_notebook.workflow.schema import InputSpec

_SHOWN = 40
_CONTROL_WORDS = frozenset({"fixed", "increment", "decrement", "randomize"})


def misfit(value: Any, spec: InputSpec) -> str | None:
    """Say why a saved value cannot be meant for an input, or return None.

    None, and whatever goes to a kind of input that is not known here, fits.
    """
    if value is None:
        return None
    shown = spec.widget_type or spec.type
    if shown in ("INT", "FLOAT"):
        return None if _is_number(value) else f"{_short(value)} is not a number"
    if shown == "BOOLEAN":
        return (
            None if isinstance(value, bool | int) or _is_word(value) else f"{_short(value)} is neither true nor false"
        )
    if shown == "STRING":
        return f"{_short(value)} is not text" if isinstance(value, bool | list) else None
    if shown == "COMBO" and spec.choices and not spec.multiple:
        return _no_choice(value, spec.choices)
    return None


def _no_choice(value: Any, choices: tuple[Any, ...]) -> str | None:
    if value in choices or any(str(choice) == str(value) for choice in choices):
        return None
    if isinstance(value, list | dict | bool):
        return f"{_short(value)} is not one of its choices"
    if isinstance(value, int | float) and not any(isinstance(choice, int | float) for choice in choices):
        return f"{value} is a number, its choices are words"
    if isinstance(value, str) and value in _CONTROL_WORDS:
        return f"{value!r} is not one of its choices"
    return None


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int | float)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() in (
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "enable",
        "disable",
    )


def _short(value: Any) -> str:
    text = reprlib.repr(value)  # a value may be nested without end
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."

"""Fits a value that a user gives to the input that takes it, or says why it does not fit."""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfy_notebook.workflow.schema import InputSpec

_SHOWN_CHOICES = 8
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


class UnfitError(ValueError):
    """The value does not fit; the message says why, without naming the parameter."""


def fit(value: Any, spec: InputSpec) -> Any:
    """Convert ``value`` to what the input takes.

    Only what cannot change its meaning is converted: ``4.0`` and ``"4"`` to the whole number 4, a number to
    text, numpy's scalars to Python's. A list for an input of several choices is wrapped, because a bare list
    in a graph is a link.

    Raises
    ------
    UnfitError
        If it is of another kind, out of range, or not among the choices.
    """
    value = plain(value)
    if value is None:
        raise UnfitError("None is no value; leave it out to keep the workflow's own")
    if spec.type == "INT":
        return _within(_whole(value), spec)
    if spec.type == "FLOAT":
        return _within(_real(value), spec)
    if spec.type == "STRING":
        return _text(value)
    if spec.type == "BOOLEAN":
        return _truth(value)
    if spec.type == "COMBO":
        return _among(value, spec)
    return _for_socket(value, spec)


def plain(value: Any) -> Any:
    """Turn numpy's and torch's scalars into Python's."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def one_of(choices: Sequence[Any], value: Any) -> str:
    """Say what the choices are, those like ``value`` first: ``"Did you mean 'euler'?"``."""
    if not choices:
        return "The server offers no choice here"
    close = get_close_matches(str(value), [str(choice) for choice in choices], n=3, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(map(repr, close))}?"
    listed = ", ".join(repr(choice) for choice in choices[:_SHOWN_CHOICES])
    more = len(choices) - _SHOWN_CHOICES
    return f"Choose from {listed}" + (f" and {more} more" if more > 0 else "")


def _whole(value: Any) -> int:
    if isinstance(value, bool):
        raise UnfitError(f"{value} is not a whole number")
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        try:
            return int(value.strip())
        except ValueError:
            pass
    raise UnfitError(f"{_short(value)} is not a whole number")


def _real(value: Any) -> float | int:
    if isinstance(value, str):
        try:
            value = float(value.strip())
        except ValueError:
            raise UnfitError(f"{_short(value)} is not a number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitError(f"{_short(value)} is not a number")
    if not math.isfinite(value):
        raise UnfitError(f"{value} is not a finite number")
    return value


def _within(number: Any, spec: InputSpec) -> Any:
    low, high = spec.minimum, spec.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        bounds = f"between {low} and {high}" if None not in (low, high) else f"at least {low}"
        raise UnfitError(f"{number} is out of range: it must be {bounds if low is not None else f'at most {high}'}")
    return number


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise UnfitError(f"{_short(value)} is not text")


def _truth(value: Any) -> bool:
    word = str(value).strip().lower()
    if isinstance(value, bool | int | str) and word in _TRUE | _FALSE:
        return word in _TRUE
    raise UnfitError(f"{_short(value)} is neither True nor False")


def _among(value: Any, spec: InputSpec) -> Any:
    if isinstance(value, list | tuple):
        if not spec.multiple:
            raise UnfitError(f"{_short(value)} is a list; it takes one of its choices")
        return {"__value__": [_one_choice(item, spec) for item in value]}
    return _one_choice(value, spec)


def _one_choice(value: Any, spec: InputSpec) -> Any:
    if spec.choices is None or value in spec.choices:
        return str(value) if isinstance(value, str) else value
    same = [choice for choice in spec.choices if str(choice) == str(value)]  # 1 for "1", and the reverse
    if same:
        return same[0]
    raise UnfitError(f"{_short(value)} is not among the server's choices. {one_of(spec.choices, value)}")


def _for_socket(value: Any, spec: InputSpec) -> Any:
    """Fit a value to an input that is no widget: only ``["node id", slot]`` can go there.

    Types of custom nodes are unknown; what is JSON is passed on for the server to judge.
    """
    if isinstance(value, str | int | float | bool | dict):
        return value
    if isinstance(value, list | tuple) and len(value) == 2 and isinstance(value[1], int):
        return [str(value[0]), value[1]]
    raise UnfitError(f"a {type(value).__name__} cannot be given to an input of type {spec.type}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

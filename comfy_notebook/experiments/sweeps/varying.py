"""Values that a parameter takes in turn: ``vary(4, 7, 10)``, and what else is read as several."""

from __future__ import annotations

from collections.abc import Iterator, KeysView, Mapping, ValuesView
from typing import Any

from comfy_notebook.workflow.values import plain


class Vary(tuple[Any, ...]):
    """The values that a parameter takes in a sweep; made by :func:`vary`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"vary({', '.join(map(repr, self))})"


def vary(*values: Any) -> Vary:
    """Name the values that a parameter takes in turn.

    ::

        cfg = vary(4, 7, 10)
        seed = vary(range(8))
        prompt = vary(prompts)

    Parameters
    ----------
    values
        The values; or one list, range, array of one dimension or iterator of them. A parameter that takes a list itself
        is given two lists or more: ``vary(["a", "b"], ["a"])``.
    """
    if len(values) == 1 and (several := values_of(values[0])) is not None:
        return Vary(several)
    return Vary(map(plain, values))


def values_of(given: Any) -> list[Any] | None:
    """Return the values that something stands for in a sweep, or None if it is one value itself.

    Lists, ranges, :func:`vary`, arrays of one dimension, pandas' series and iterators are several; a text, a mapping, a
    pair of a picture and its mask, a picture as an array and an open file are one.
    """
    if isinstance(given, Vary | list | range | KeysView | ValuesView):
        return [plain(value) for value in given]
    if getattr(given, "ndim", None) == 1 and hasattr(given, "tolist"):
        return list(given.tolist())
    if isinstance(given, Iterator) and not hasattr(given, "read"):
        return [plain(value) for value in given]
    return None


def rows_of(given: Any) -> list[dict[str, Any]] | None:
    """Read a list of mappings, or a pandas DataFrame, as one mapping a run; None if it is neither.

    What a DataFrame leaves open (NaN, None) is not given for that run.
    """
    if hasattr(given, "to_dict") and hasattr(given, "columns"):
        rows = given.to_dict("records")
        return [{str(name): plain(value) for name, value in row.items() if not _is_open(value)} for row in rows]
    if isinstance(given, list | tuple) and all(isinstance(row, Mapping) for row in given):
        return [{str(name): plain(value) for name, value in row.items()} for row in given]
    return None


def _is_open(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124 - NaN alone differs from itself

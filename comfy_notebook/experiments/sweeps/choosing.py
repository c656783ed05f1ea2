"""Chooses runs of a sweep by their values."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import ParameterError
from comfy_notebook.experiments.sweeps.labels import label, mark
from comfy_notebook.experiments.sweeps.varying import values_of
from comfy_notebook.workflow.values import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from comfy_notebook.experiments.sweeps.cells import Cell

_STATUSES = ("waiting", "preparing", "queued", "running", "completed", "failed", "cancelled")
_LISTED = 12


def chosen(cells: Sequence[Cell], axes: Mapping[str, Sequence[Any]], wanted: Mapping[str, Any]) -> list[Cell]:
    """Return the cells with these values; see :meth:`SweepResult.where`."""
    by_status = wanted.get("status") if "status" not in axes else None
    tests = {name: _wanted(name, value, axes) for name, value in wanted.items() if name in axes or name != "status"}
    statuses = _statuses(by_status) if by_status is not None else set(_STATUSES)
    return [
        cell
        for cell in cells
        if (not by_status or cell.status in statuses)
        and all(name in cell.point and mark(cell.point[name]) in marks for name, marks in tests.items())
    ]


def _wanted(name: str, value: Any, axes: Mapping[str, Sequence[Any]]) -> set[Any]:
    """Return the marks of the values that are wanted of a parameter; ParameterError if it has none of them."""
    if name not in axes:
        close = get_close_matches(name, list(axes), n=1)
        raise ParameterError(
            f"{name} does not vary in this sweep. " + (f"Did you mean {close[0]}?" if close else _has(axes))
        )
    several = values_of(value)
    marks = {mark(each) for each in (several if several is not None else [plain(value)])}
    there = {mark(each) for each in axes[name]}
    if missing := marks - there:
        what = ", ".join(sorted(label(each[1]) if isinstance(each, tuple) else str(each) for each in missing))
        shown = ", ".join(map(label, axes[name][:_LISTED])) + (", …" if len(axes[name]) > _LISTED else "")
        raise ParameterError(f"No run has {name} = {what}. It has {shown}.")
    return marks


def _statuses(wanted: Any) -> set[str]:
    names = {wanted} if isinstance(wanted, str) else set(wanted)
    if unknown := names - set(_STATUSES):
        raise ParameterError(f"{', '.join(sorted(unknown))} is no status. There are {', '.join(_STATUSES)}.")
    return names


def _has(names: Iterable[str]) -> str:
    return f"It varies {', '.join(names)}."

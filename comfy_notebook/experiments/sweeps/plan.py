"""What a sweep runs: the values that all runs share, and the axes along which they differ."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import ParameterError, Problem
from comfy_notebook.experiments.sweeps.varying import Vary, rows_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_FORMS = "A list, or vary(...), gives a parameter several values: sweep(workflow, cfg=[4, 7, 10])."


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing that changes from run to run: a parameter, or several that change together.

    Attributes
    ----------
    names
        The parameters.
    points
        What they are set to, in the order given.
    """

    names: tuple[str, ...]
    points: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The runs of a sweep: every combination of the axes' points, or a sample of them.

    Attributes
    ----------
    fixed
        The values that all runs share.
    axes
        What differs; the last one changes from one run to the next.
    sample
        The numbers of the combinations that run; None for all.
    """

    fixed: Mapping[str, Any]
    axes: tuple[Axis, ...]
    sample: Sequence[int] | None = None

    def __len__(self) -> int:
        return self.combinations if self.sample is None else len(self.sample)

    @property
    def combinations(self) -> int:
        """How many combinations of points there are."""
        return math.prod(len(axis.points) for axis in self.axes)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that differ."""
        return tuple(name for axis in self.axes for name in axis.names)

    def places(self, number: int) -> tuple[int, ...]:
        """Return which point of each axis a run has; runs are numbered from 0."""
        rest = number if self.sample is None else self.sample[number]
        places: list[int] = []
        for axis in reversed(self.axes):
            rest, place = divmod(rest, len(axis.points))
            places.append(place)
        return tuple(reversed(places))

    def values(self, number: int) -> dict[str, Any]:
        """Return the values of a run that differ from run to run."""
        points = (axis.points[place] for axis, place in zip(self.axes, self.places(number), strict=True))
        return {name: value for point in points for name, value in point.items()}


def make_plan(
    fixed: Mapping[str, Any],
    several: Mapping[str, Sequence[Any]],
    *,
    rows: Any = None,
    together: bool = False,
    sample: int | None = None,
    sample_seed: int = 0,
) -> Plan:
    """Read what a user gives as a plan.

    Parameters
    ----------
    fixed
        Parameter name → the value that all runs share.
    several
        Parameter name → the values that it takes in turn.
    rows
        A list of mappings, or a pandas DataFrame: the values of each run, to be combined with ``several``.
    together
        Whether ``several`` change together, the first with the first, instead of being crossed.
    sample
        How many of the combinations run, drawn at random; None for all.
    sample_seed
        The same one draws the same combinations.

    Raises
    ------
    ParameterError
        With everything that is wrong.
    """
    problems: list[Problem] = []
    problems += [Problem("it has no values", name) for name, values in several.items() if not values]
    axes = [
        *_listed(rows, {*fixed, *several}, problems),
        *(_zipped(several, problems) if together else _crossed(several)),
    ]
    if sample is not None and sample < 1:
        problems.append(Problem(f"{sample} runs are none: give 1 or more", "sample"))
    if problems:
        raise ParameterError("The sweep cannot be planned; nothing was queued.", problems=problems)
    if not axes:
        raise ParameterError("Nothing varies: it would be a single run.", hint=_FORMS)
    plan = Plan(fixed, tuple(axes))
    if sample is None or sample >= plan.combinations:
        return plan
    drawn = random.Random(sample_seed).sample(range(plan.combinations), sample)  # noqa: S311 - to be repeated
    return Plan(fixed, tuple(axes), tuple(sorted(drawn)))


def _crossed(several: Mapping[str, Sequence[Any]]) -> list[Axis]:
    return [Axis((name,), tuple({name: value} for value in values)) for name, values in several.items()]


def _zipped(several: Mapping[str, Sequence[Any]], problems: list[Problem]) -> list[Axis]:
    if len({len(values) for values in several.values()}) > 1:
        counts = ", ".join(f"{name} has {len(values)}" for name, values in several.items())
        problems.append(Problem(f"values that change together must be as many of each: {counts}"))
        return []
    points = zip(*several.values(), strict=True)
    return [Axis(tuple(several), tuple(dict(zip(several, point, strict=True)) for point in points))] if several else []


def _listed(rows: Any, given: Collection[str], problems: list[Problem]) -> list[Axis]:
    if rows is None:
        return []
    read = rows_of(rows)
    if not read:
        what = (
            "it is empty" if read is not None else f"a {type(rows).__name__} is neither a list of dicts nor a DataFrame"
        )
        problems.append(Problem(what, "cells"))
        return []
    names = tuple(dict.fromkeys(name for row in read for name in row))
    problems += [Problem("it is given among the cells and beside them", name) for name in names if name in given]
    for name in names:
        if any(isinstance(row.get(name), Vary) for row in read):
            problems.append(Problem("vary(...) stands beside the cells, not in one", name))
    return [Axis(names, tuple(read))]

"""Which run of a sweep stands where: sections of rows and columns, in natural order."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from comfy_notebook.errors import ParameterError
from comfy_notebook.experiments.sweeps.labels import mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from comfy_notebook.experiments.sweeps.cells import Cell
    from comfy_notebook.experiments.sweeps.plan import Plan

Names: TypeAlias = "tuple[str, ...]"
_WIDE = 10  # columns, above which the longer axis goes downwards
_SPARSE = 0.5  # of the places filled, below which runs stand in a row with all their values


@dataclass(slots=True)
class Section:
    """One table of a layout.

    Attributes
    ----------
    values
        The values that its runs share, by parameter.
    rows, columns
        The values of each row and column, by parameter.
    places
        (row, column) → the runs that stand there.
    """

    values: Mapping[str, Any]
    rows: list[Mapping[str, Any]]
    columns: list[Mapping[str, Any]]
    places: dict[tuple[int, int], list[Cell]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layout:
    """All of a sweep's runs, or the first of them, laid out.

    Attributes
    ----------
    rows, columns
        The parameters that change from row to row and from column to column. Without either, runs stand one after the
        other, each under its own values.
    own
        The parameters that are told with each run, as its place does not tell them.
    hidden
        How many runs are left out.
    """

    rows: Names
    columns: Names
    own: Names
    sections: list[Section]
    hidden: int = 0

    @property
    def flows(self) -> bool:
        """Whether runs stand one after the other."""
        return not self.rows and not self.columns

    def cells(self) -> Iterator[Cell]:
        """Yield the runs that are shown, in the order in which they are read."""
        for section in self.sections:
            for place in itertools.product(range(len(section.rows)), range(len(section.columns))):
                yield from section.places.get(place, ())


def arrange(
    cells: Sequence[Cell],
    plan: Plan,
    rows: str | None = None,
    columns: str | None = None,
    by: Sequence[str] = (),
    *,
    most: int | None = None,
) -> Layout:
    """Lay runs out.

    Parameters
    ----------
    rows, columns, by
        As :meth:`SweepResult.grid` takes them.
    most
        How many runs are shown; the rows after those are left out.

    Raises
    ------
    ParameterError
        If no such parameter varies.
    """
    named = [name for name in (rows, columns, *by) if name is not None]
    _check(named, plan.names)
    points = {cell.number: cell.point for cell in cells}
    varying = [axis.names for axis in plan.axes if _varies(axis.names, points.values())]
    free = [names for names in varying if not set(names) & set(named)]
    down, across, sections = _axes(
        rows, columns, [(name,) for name in by], free, points, sampled=plan.sample is not None
    )
    own = tuple(name for names in varying for name in names if name not in {*down, *across, *sum(sections, ())})
    found = _sections(cells, points, down, across, sections)
    shown, hidden = _cut(found, most)
    return Layout(down, across, own, shown, hidden)


def _check(named: Sequence[str], known: Sequence[str]) -> None:
    for name in named:
        if name not in known:
            raise ParameterError(f"{name} does not vary in this sweep. It varies {', '.join(known)}.")
    if len(set(named)) < len(named):
        raise ParameterError("Each parameter can lie on one axis only: rows, columns or by.")


def _axes(
    rows: str | None,
    columns: str | None,
    by: list[Names],
    free: list[Names],
    points: Mapping[int, Mapping[str, Any]],
    *,
    sampled: bool,
) -> tuple[Names, Names, list[Names]]:
    """Return the names on the rows, on the columns, and of the sections."""
    if rows is None and columns is None and (len(free) < 2 or (sampled and _sparse(free, points))):
        return (), (), by
    rest = list(free)
    down: Names = (rows,) if rows is not None else ()
    across: Names = (columns,) if columns is not None else ()
    if not down and not across:
        down, across = rest.pop(0), rest.pop(0)
        lengths = [len({_key(names, each) for each in points.values()}) for names in (down, across)]
        if lengths[1] > max(_WIDE, lengths[0]):
            down, across = across, down
    elif rest and not down:
        down = rest.pop(0)
    elif rest and not across:
        across = rest.pop(0)
    return down, across, [*by, *rest]


def _sparse(axes: Sequence[Names], points: Mapping[int, Mapping[str, Any]]) -> bool:
    places = 1
    for names in axes:
        places *= len({_key(names, each) for each in points.values()})
    return len(points) < _SPARSE * places


def _sections(
    cells: Sequence[Cell], points: Mapping[int, Mapping[str, Any]], down: Names, across: Names, by: Sequence[Names]
) -> list[Section]:
    names = tuple(name for axis in by for name in axis)
    orders = [_ordered(axis, points.values()) for axis in by]
    values: Mapping[str, Any]
    rows, columns = _ordered(down, points.values()), _ordered(across, points.values())
    row_of = {_key(down, row): index for index, row in enumerate(rows)}
    column_of = {_key(across, column): index for index, column in enumerate(columns)}
    sections = {}
    for parts in itertools.product(*orders):
        values = {name: value for part in parts for name, value in part.items()}
        sections[_key(names, values)] = Section(values, rows, columns)
    for cell in cells:
        values = points[cell.number]
        place = row_of[_key(down, values)], column_of[_key(across, values)]
        sections[_key(names, values)].places.setdefault(place, []).append(cell)
    return [section for section in sections.values() if section.places]


def _ordered(names: Names, points: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the values that some parameters have, each once: numbers by size, all else in the order given."""
    found = {_key(names, point): {name: point[name] for name in names if name in point} for point in points}
    values: list[Mapping[str, Any]] = list(found.values())
    if len(names) == 1 and all(_is_number(value.get(names[0])) for value in values):
        values.sort(key=lambda value: value[names[0]])
    return values


def _cut(sections: list[Section], most: int | None) -> tuple[list[Section], int]:
    """Leave out the rows, and the runs of a place, that come after so many runs."""
    count = sum(len(there) for section in sections for there in section.places.values())
    if most is None or count <= most:
        return sections, 0
    left, kept = most, []
    for section in sections:
        cut = Section(section.values, [], section.columns)
        for row, values in enumerate(section.rows):
            if left <= 0:
                break
            cut.rows.append(values)
            for column in range(len(section.columns)):
                there = section.places.get((row, column), [])[: max(0, left)]
                if there:
                    cut.places[row, column] = there
                    left -= len(there)
        if cut.places:
            kept.append(cut)
    return kept, count - sum(len(there) for section in kept for there in section.places.values())


def _varies(names: Names, points: Iterable[Mapping[str, Any]]) -> bool:
    return len({_key(names, point) for point in points}) > 1


def _key(names: Names, values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(mark(values[name]) if name in values else None for name in names)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

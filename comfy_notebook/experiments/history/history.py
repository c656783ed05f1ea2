"""``history``: every run on this machine, from any notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from comfy_notebook.errors import HistoryError
from comfy_notebook.experiments.history.reading import NEWEST_FIRST, OLDEST_FIRST, numbers, select
from comfy_notebook.experiments.history.records import Record, RecordList, records
from comfy_notebook.experiments.history.search import searched
from comfy_notebook.experiments.history.store import default_store
from comfy_notebook.experiments.history.writing import delete_runs
from comfy_notebook.media import Shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas import DataFrame

    from comfy_notebook.experiments.history.moments import Moment
    from comfy_notebook.experiments.history.store import Store

_AT_ONCE = 500  # rows
_MOST = 1_000  # that a search finds unless it is asked for more


class History(Shown):
    """The runs of this machine, the newest last: ``history[-1]``, ``history[-10:]``, ``for run in history``.

    It is what COMFY_NOTEBOOK_DATA, or the user's data directory, has; see :class:`Record` for what is known of a run.
    """

    def __len__(self) -> int:
        rows = default_store().read("SELECT count(*) FROM runs")
        return int(rows[0][0]) if rows else 0

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> RecordList: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Record | RecordList:
        """Return one run, or a list of them for a slice; IndexError if there is none."""
        if isinstance(index, slice):
            count = len(self)
            start, stop, step = index.indices(count)
            low, high = (start, stop) if step > 0 else (stop + 1, start + 1)
            late = low > count // 2  # then it is not far from the end
            order, offset = (NEWEST_FIRST, count - high) if late else (OLDEST_FIRST, low)
            found = self._some(order, offset, max(0, high - low))
            return found[::step] if step > 0 else found[::-1][::-step]
        place = index.__index__()
        order, offset = (NEWEST_FIRST, -place - 1) if place < 0 else (OLDEST_FIRST, place)
        found = self._some(order, offset, 1)
        if not found:
            raise IndexError(f"the history has {len(self)} runs")
        return found[0]

    def __iter__(self) -> Iterator[Record]:
        start = 0
        while found := self._some(OLDEST_FIRST, start, _AT_ONCE):
            yield from found
            start += len(found)

    def labelled(self, **labels: str) -> RecordList:
        """Return the runs that belong to something, whatever became of them, the newest last.

        Parameters
        ----------
        labels
            All of which a run has to have: ``sweep="..."``.
        """
        matching = " INTERSECT ".join(["SELECT run FROM labels WHERE key = ? AND value = ?"] * len(labels))
        values = [part for pair in labels.items() for part in pair]
        return records(select(default_store(), matching or numbers(), values))

    def search(
        self,
        query: str = "",
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        limit: int | None = _MOST,
    ) -> RecordList:
        """Return the runs that have all of something, the newest last.

        Parameters
        ----------
        query
            Words, each found in prompts, other texts, the workflow's name, texts that came back and errors, also as a
            word's beginning; ``"some words"`` as they stand. ``field:value`` for one of ``prompt``, ``status``,
            ``workflow``, ``server``, ``notebook``, ``tag``, ``starred``, ``seed``, ``error``, or any parameter, which
            may be compared: ``cfg:7 steps:>20 width:512..1024 sampler_name:euler ckpt_name:*xl*``. A minus before one
            leaves out what has it: ``-status:failed``.
        since, until
            Between when they were sent: "today", "yesterday", "monday", "3d", "2 hours", "2026-11-20", "10:30", a
            date, a datetime, or a timedelta before now.
        limit
            At most so many, the newest; None for all.

        Returns
        -------
        RecordList
            Its attribute ``limited`` says whether the limit was reached.

        Raises
        ------
        HistoryError
            If the query, or when, cannot be read, or names a field that there is not.
        """
        store = default_store()
        found = records(select(store, *_wanted(store, query, since, until, limit)))
        found.limited = limit is not None and len(found) >= limit
        return found

    def delete(self, query: str = "", *, since: Moment | None = None, until: Moment | None = None) -> int:
        """Forget the runs that a search finds, and return how many they were; see :meth:`search`.

        Originals in the cache stay there until they are not used for long. ``until="now"`` finds all.
        """
        if not (query.strip() or since or until):
            raise HistoryError(
                "Which runs are to be deleted was not said.",
                hint='Give a search; history.delete(until="now") means all.',
            )
        store = default_store()
        runs = self._found(store, query, since, until)
        count = 0
        for start in range(0, len(runs), _AT_ONCE):
            some = runs[start : start + _AT_ONCE]
            count += store.write(lambda writing, some=some: delete_runs(writing, some)).result()  # type: ignore[misc]
        return count

    def export(
        self, path: str | Path, query: str = "", *, since: Moment | None = None, until: Moment | None = None
    ) -> Path:
        """Write the runs that a search finds, or all, into a zip, with the originals that are kept here.

        A file at ``path`` is replaced. Returns the path written; OSError if it cannot be.
        """
        from comfy_notebook.experiments.history.exporting import export

        store = default_store()
        return export(store, self._found(store, query, since, until), Path(path).expanduser())

    def import_(self, path: str | Path) -> int:
        """Take in the runs of a zip from :meth:`export`, with their originals; return how many were not here yet.

        HistoryError if it is no such zip, OSError if it cannot be read.
        """
        from comfy_notebook.experiments.history.importing import import_runs

        return import_runs(default_store(), Path(path).expanduser())

    def to_dataframe(self) -> DataFrame:
        """Return all runs as a table; see :meth:`RecordList.to_dataframe`."""
        return RecordList(self).to_dataframe()

    def _found(self, store: Store, query: str, since: Moment | None, until: Moment | None) -> list[int]:
        ids, values = _wanted(store, query, since, until, None)
        return [row[0] for row in store.read(ids, values)]

    def _some(self, order: str, start: int, count: int) -> RecordList:
        return records(select(default_store(), f"{numbers(order=order)} LIMIT ? OFFSET ?", (count, start)))

    def __repr__(self) -> str:
        count = len(self)
        return f"<History: {count} run{'s' if count != 1 else ''}>"


def _wanted(
    store: Store, query: str, since: Moment | None, until: Moment | None, limit: int | None
) -> tuple[str, list[Any]]:
    """Return the query for the numbers of the runs that are looked for, and its values."""
    search = searched(store, query, since, until, limit)
    most = -1 if search.limit is None else search.limit
    return f"{numbers(search.condition.where, NEWEST_FIRST)} LIMIT ?", [*search.condition.given, most]


history = History()

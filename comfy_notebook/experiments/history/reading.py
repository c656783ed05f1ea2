"""What is read of runs: rows, and what belongs to rows that were read together."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from comfy_notebook.experiments.history.encoding import from_json, unpacked
from comfy_notebook.experiments.history.programs import living
from comfy_notebook.workflow.graph import copied

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from comfy_notebook.experiments.history.store import Store
    from comfy_notebook.workflow.graph import Graph

_COLUMNS = """runs.id, run_id, prompt_id, began, ended, status, duration, seconds, server, address, name, notebook,
    prompt, params, seeds, error, cell, starred, program, workflow, workflows.digest AS digest"""
_TABLES = "runs JOIN origins ON origins.id = runs.origin LEFT JOIN workflows ON workflows.id = runs.workflow"
OLDEST_FIRST, NEWEST_FIRST = "began, runs.id", "began DESC, runs.id DESC"
_TOGETHER = 256  # rows that are completed at once
_LOOKED_AT = 4  # files of a run, for one that has a thumbnail


class Page:
    """Rows that were read together; what is asked of one of them is read for its neighbours, too."""

    def __init__(self, store: Store, rows: Sequence[sqlite3.Row]) -> None:
        self.store = store
        self.rows = rows
        self._places = {row["id"]: place for place, row in enumerate(rows)}
        self._details: dict[int, sqlite3.Row] = {}
        self._files: dict[int, list[sqlite3.Row]] = {}

    @cached_property
    def living(self) -> set[int]:
        """The programs that live."""
        return living(self.store)

    @cached_property
    def tags(self) -> dict[int, list[str]]:
        """The tags by run."""
        tags: dict[int, list[str]] = {}
        for row in self._of_all("SELECT run, tag FROM tags"):
            tags.setdefault(row["run"], []).append(row["tag"])
        return tags

    @cached_property
    def labels(self) -> dict[int, dict[str, str]]:
        """The labels by run."""
        labels: dict[int, dict[str, str]] = {}
        for row in self._of_all("SELECT run, key, value FROM labels"):
            labels.setdefault(row["run"], {})[row["key"]] = row["value"]
        return labels

    def details(self, run: int) -> sqlite3.Row | None:
        """Return the larger columns of a run; None if it was deleted since."""
        self._complete(run)
        return self._details.get(run)

    def files(self, run: int) -> list[sqlite3.Row]:
        """Return the files of a run."""
        self._complete(run)
        return self._files.get(run, [])

    def _complete(self, run: int) -> None:
        if run in self._details:
            return
        place = self._places.get(run, 0) // _TOGETHER * _TOGETHER
        ids = json.dumps([row["id"] for row in self.rows[place : place + _TOGETHER]])
        among = "IN (SELECT value FROM json_each(?))"
        details = f"SELECT id, patch, outputs, said, warnings FROM runs WHERE id {among}"  # noqa: S608
        self._details = {row["id"]: row for row in self.store.read(details, (ids,))}
        self._files = {}
        for row in self.store.read(f"SELECT * FROM files WHERE run {among} ORDER BY run, position", (ids,)):  # noqa: S608
            self._files.setdefault(row["run"], []).append(row)

    def _of_all(self, select: str) -> list[sqlite3.Row]:
        ids = json.dumps([row["id"] for row in self.rows])
        return self.store.read(f"{select} WHERE run IN (SELECT value FROM json_each(?))", (ids,))  # noqa: S608


@dataclass(frozen=True, slots=True)
class Look:
    """What a run's files look like: how many of each kind, and the thumbnail of the first that has one.

    Attributes
    ----------
    missing
        The files that may have one and have none, as (digest, kind).
    """

    counts: dict[str, int]
    content: bytes = b""
    width: int = 0
    height: int = 0
    missing: tuple[tuple[str, str], ...] = ()


def looks(store: Store, runs: Sequence[int]) -> dict[int, Look]:
    """Return what runs' files look like, by run."""
    rows = store.read(
        "SELECT run, kind, files.digest, content, width, height FROM files "
        "LEFT JOIN thumbnails ON thumbnails.digest = files.digest AND position < ? "
        "WHERE run IN (SELECT value FROM json_each(?)) ORDER BY run, position",
        (_LOOKED_AT, json.dumps(runs)),
    )
    by_run: dict[int, list[sqlite3.Row]] = {}
    for row in rows:
        by_run.setdefault(row["run"], []).append(row)
    return {run: _look(files) for run, files in by_run.items()}


def _look(files: list[sqlite3.Row]) -> Look:
    counts = Counter(row["kind"] for row in files)
    seen = next((row for row in files if row["content"]), None)
    if seen is not None:
        return Look(counts, seen["content"], seen["width"], seen["height"])
    lacking = ((row["digest"], row["kind"]) for row in files[:1] if row["digest"] and row["kind"] in ("image", "video"))
    return Look(counts, missing=tuple(lacking))


def graph_of(store: Store, workflow: int | None, patch: str | None) -> Graph:
    """Return a run's graph as it was sent; {} if it never was."""
    if workflow is None:
        return {}
    graph = copied(_workflow(store, workflow))
    for node_id, inputs in from_json(patch, {}).items():
        if node_id in graph:
            graph[node_id]["inputs"] |= inputs
    return graph


def select(store: Store, ids: str, parameters: Iterable[Any] = (), order: str = OLDEST_FIRST) -> Page:
    """Return the runs whose numbers a query gives, in an order."""
    sql = f"SELECT {_COLUMNS} FROM {_TABLES} WHERE runs.id IN ({ids}) ORDER BY {order}"  # noqa: S608
    return Page(store, store.read(sql, tuple(parameters)))


def numbers(where: str = "", order: str = OLDEST_FIRST) -> str:
    """Return the query for the numbers of the runs that hold to a condition; ``LIMIT`` may follow.

    They are passed over in the order of time, by the index that has all that is compared: what is found first is
    enough, and what is not found was not read.
    """
    return f"SELECT runs.id FROM runs INDEXED BY runs_by_time {where} ORDER BY {order}"  # noqa: S608


@lru_cache(maxsize=32)
def _workflow(store: Store, workflow: int) -> Graph:
    rows = store.read("SELECT content FROM workflows WHERE id = ?", (workflow,))
    graph: Graph = unpacked(rows[0]["content"], {}) if rows else {}
    return graph

"""Recorded runs, as a user holds them: what is known of each, and what can be done with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from comfy_notebook import errors
from comfy_notebook.errors import ComfyError, HistoryError, ParameterError, Problem
from comfy_notebook.experiments.history.access import kit_at
from comfy_notebook.experiments.history.encoding import from_json, unpacked
from comfy_notebook.experiments.history.keeping import make_thumbnails
from comfy_notebook.experiments.history.originals import Originals
from comfy_notebook.experiments.history.privacy import HIDDEN
from comfy_notebook.experiments.history.reading import Look, Page, graph_of, looks, select
from comfy_notebook.experiments.history.writing import RUNNING, delete_runs, insert_tags
from comfy_notebook.media import Media, MediaList, Shown
from comfy_notebook.results import ExecuteResult
from comfy_notebook.servers.portal import portal
from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.graph import literals
from comfy_notebook.workflow.seeds import is_open

if TYPE_CHECKING:
    import sqlite3

    from pandas import DataFrame

    from comfy_notebook.experiments.history.store import Store
    from comfy_notebook.kit import ComfyKit

UNFINISHED = "unfinished"
_LISTS = {"image": "images", "video": "videos", "audio": "audios", "file": "files"}


@dataclass(frozen=True, slots=True)
class Cell:
    """Where in a notebook a run was asked for.

    Attributes
    ----------
    number
        The cell's execution count.
    source
        What was in it, if it was one of our magics' cells; else "".
    """

    number: int
    source: str = ""


class Record(Shown):
    """A run as it is recorded, from ``history``; it does not change by itself.

    Attributes
    ----------
    when : datetime
        When it was sent, in this machine's time zone.
    workflow, digest : str
        What its workflow was called; the SHA-256 of its graph before the run's values, which is the same for all runs
        of one workflow, or None if it failed before there was one.
    prompt : str
        Its prompt, as far as that can be told.
    params, seeds : dict
        The values that ran, by parameter; ``seeds`` are those among them that are seeds.
    server : str
        Where it ran.
    status : str
        "completed", "failed", "cancelled"; "running" while its program lives, else "unfinished".
    duration, seconds : float or None
        Seconds from submit to last output, and those in which the server worked on it.
    prompt_id : str or None
        Its id on the server; None if it was never sent.
    notebook : str or None
        The notebook, or the script, that asked for it.
    cell : Cell or None
        The cell that asked for it.
    starred : bool
        Whether it has a star.
    run_id, number, address : str, int, str
        What it is called on every machine, and in this history; and its server's URL, or "embedded".
    """

    def __init__(self, row: sqlite3.Row, page: Page) -> None:
        self._row, self._page = row, page
        self.number: int = row["id"]
        self.run_id: str = row["run_id"]
        self.prompt_id: str | None = row["prompt_id"]
        self.workflow: str = row["name"]
        self.digest: str | None = row["digest"]
        self.prompt: str = row["prompt"]
        self.server: str = row["server"]
        self.address: str = row["address"]
        self.duration: float | None = row["duration"]
        self.seconds: float | None = row["seconds"]
        self.notebook: str | None = row["notebook"] or None
        self.starred = bool(row["starred"])

    # -- what is known of it -------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        """Where it is kept."""
        return self._page.store

    @property
    def when(self) -> datetime:
        """When it was sent."""
        return datetime.fromtimestamp(self._row["began"]).astimezone()

    @property
    def status(self) -> str:
        """How it ended, or whether it goes on."""
        status: str = self._row["status"]
        if status == RUNNING and self._row["program"] not in self._page.living:
            return UNFINISHED
        return status

    @cached_property
    def params(self) -> dict[str, Any]:
        """The values that ran, by parameter."""
        params: dict[str, Any] = json.loads(self._row["params"])
        return params

    @cached_property
    def seeds(self) -> dict[str, Any]:
        """The seeds that ran, by parameter."""
        seeds: dict[str, Any] = json.loads(self._row["seeds"])
        return seeds

    @cached_property
    def error(self) -> ComfyError | None:
        """What went wrong; None if nothing did."""
        told = from_json(self._row["error"], None)
        return _error(told) if told else None

    @cached_property
    def cell(self) -> Cell | None:
        """The cell that asked for it."""
        told = from_json(self._row["cell"], None)
        return Cell(told.get("number", 0), told.get("source", "")) if told else None

    @property
    def tags(self) -> list[str]:
        """Its tags, in order."""
        return sorted(self._page.tags.get(self.number, ()))

    @property
    def labels(self) -> dict[str, str]:
        """What it belongs to: a sweep and its cell, say."""
        return dict(self._page.labels.get(self.number, {}))

    @property
    def graph(self) -> dict[str, Any]:
        """The API graph as it was sent; {} if it failed before there was one."""
        details = self._page.details(self.number)
        return graph_of(self.store, self._row["workflow"], details["patch"] if details is not None else None)

    @property
    def result(self) -> ExecuteResult:
        """What came back; its files come from the cache of originals, else from the server while it has them.

        Of a run whose end was not recorded, because its program ended first, the server is asked: that blocks until it
        is over.
        """
        if self._row["status"] == RUNNING and self.prompt_id is not None:
            found = kit_at(self.address).attach(self.prompt_id).result()
            self._reread()
            if self._row["status"] == RUNNING:
                return found
        return self._kept_result

    @cached_property
    def _kept_result(self) -> ExecuteResult:
        details = self._page.details(self.number)
        if details is None:
            raise HistoryError("This run was deleted from the history.")
        return ExecuteResult(
            status=self._row["status"],
            msg=str(self.error or ""),
            error=self.error,
            warnings=from_json(details["warnings"], []),
            prompt_id=self.prompt_id,
            duration=self.duration,
            seconds=self.seconds,
            server=self.server,
            outputs=unpacked(details["outputs"], {}),
            params=dict(self.params),
            workflow=self.graph,
            **self._outputs(unpacked(details["said"], [])),
        )

    def _outputs(self, texts: list[list[str]]) -> dict[str, Any]:
        lists: dict[str, Any] = {name: MediaList() for name in _LISTS.values()}
        lists |= {f"{name}_by_var": {} for name in _LISTS.values()}
        lists |= {"texts": [text for _, text in texts], "texts_by_var": {}}
        for media in self.media:
            name = _LISTS[media.kind]
            lists[name].append(media)
            lists[f"{name}_by_var"].setdefault(media.var, MediaList()).append(media)
        for var, text in texts:
            lists["texts_by_var"].setdefault(var, []).append(text)
        return lists

    @property
    def media(self) -> MediaList:
        """The files that it made."""
        origin = Originals(self.store, self.number, self.address)
        names = ("filename", "subfolder", "type", "var", "node_id", "digest")
        return MediaList(
            Media(row["url"], origin=origin, **{name: row[name] for name in names})
            for row in self._page.files(self.number)
        )

    # -- what can be done with it --------------------------------------------------------------------

    def rerun(self, kit: ComfyKit | None = None, **params: Any) -> ExecuteResult:
        """Run it again, and block until it is over.

        Parameters
        ----------
        kit
            Where; else where it ran, with the credentials of COMFYUI_BASE_URL if it is that server.
        params
            Values that are to be others: ``seed=7``.

        Returns
        -------
        ExecuteResult
            As for :meth:`ComfyKit.run`.

        Raises
        ------
        HistoryError
            If it failed before there was a graph.
        ParameterError
            If it took a credential, which is not kept, and ``params`` does not give it.
        """
        graph = self.graph
        if not graph:
            raise HistoryError(
                "This run cannot be run again: it failed before its workflow was ready.", hint=str(self.error or "")
            )
        workflow = Workflow(graph, self.workflow)
        fixed = {name: seed for name, seed in self.seeds.items() if is_open(seed)}  # else another one would be drawn
        _require_hidden(workflow, params)
        return (kit or kit_at(self.address)).run(workflow.with_params(fixed) if fixed else workflow, params)

    def star(self) -> Record:
        """Give it a star, and return it."""
        return self._set_star(True)

    def unstar(self) -> Record:
        """Take its star away, and return it."""
        return self._set_star(False)

    def tag(self, *tags: str) -> Record:
        """Give it tags, and return it; tags are found by ``tag:name``."""
        self.store.write(lambda writing: insert_tags(writing, self.number, tags)).result()
        self._page.__dict__.pop("tags", None)  # to be read anew
        return self

    def untag(self, *tags: str) -> Record:
        """Take tags away, and return it."""
        self._write("DELETE FROM tags WHERE run = ? AND tag = ?", [(self.number, tag) for tag in tags])
        self._page.__dict__.pop("tags", None)  # to be read anew
        return self

    def delete(self) -> None:
        """Forget it; originals in the cache stay until they are not used for long."""
        self.store.write(lambda writing: delete_runs(writing, [self.number])).result()

    def _set_star(self, starred: bool) -> Record:
        self._write("UPDATE runs SET starred = ? WHERE id = ?", [(starred, self.number)])
        self.starred = starred
        return self

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        self.store.write(lambda writing: writing.connection.executemany(statement, rows)).result()

    def _reread(self) -> None:
        page = select(self.store, "?", (self.number,))
        if page.rows:
            for name in ("error", "_kept_result"):
                self.__dict__.pop(name, None)
            self.__init__(page.rows[0], page)  # type: ignore[misc]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and other.run_id == self.run_id

    def __hash__(self) -> int:
        return hash(self.run_id)

    def __repr__(self) -> str:
        return f"<Record {self.when:%Y-%m-%d %H:%M:%S} {self.status}: {self.workflow}>"


class RecordList(Shown, list[Record]):
    """Recorded runs, the newest last, which show themselves as a table; slices are such lists, too.

    Attributes
    ----------
    limited
        Whether they are as many as a search was to find at most, so that there may be older ones.
    """

    limited: bool = False

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> RecordList: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Record | RecordList:
        """Return one, or a list of them for a slice."""
        return RecordList(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)

    def to_dataframe(self) -> DataFrame:
        """Return a table with a row a run, the newest last.

        Its columns are ``when``, ``status``, ``workflow``, ``server``, ``duration`` and ``seconds``, ``prompt_id``,
        ``notebook``, ``starred``, ``tags`` and ``error``, and one for each parameter, which goes by its name, with
        ``param.`` before it where that is one of these.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        from comfy_notebook.experiments.history.frames import frame

        return frame(self)

    def looks(self) -> list[Look]:
        """Return what each run's files look like, as far as that is known; the rest is found out for the next time."""
        if not self:
            return []
        store = self[0].store
        found = looks(store, [record.number for record in self])
        missing = [item for look in found.values() for item in look.missing]
        if missing:
            portal.start(make_thumbnails(store, missing))
        return [found.get(record.number, Look({})) for record in self]


def records(page: Page) -> RecordList:
    """Return the runs of a page."""
    return RecordList(Record(row, page) for row in page.rows)


def _require_hidden(workflow: Workflow, given: dict[str, Any]) -> None:
    """Raise if a credential that was not kept is not given."""
    placed = {target for name in given for target in workflow.lookup.find(name).targets}
    lacking = [target for target, value in literals(workflow.graph) if value == HIDDEN and target not in placed]
    if lacking:
        problems = [
            Problem("it is a credential, which the history does not keep", workflow.lookup.name_of(target), *target)
            for target in lacking
        ]
        raise ParameterError("The run cannot be repeated without what it was given.", problems=problems)


def _error(told: dict[str, Any]) -> ComfyError:
    kind = getattr(errors, str(told.get("kind")), ComfyError)
    kind = kind if isinstance(kind, type) and issubclass(kind, ComfyError) else ComfyError
    problems = [Problem(*problem) for problem in told.get("problems", ())]
    error: ComfyError = kind(told.get("message", ""), hint=told.get("hint"), problems=problems)
    for name in ("node_id", "title", "class_type", "exception_type", "traceback", "node_errors"):
        if name in told:
            setattr(error, name, told[name])
    return error

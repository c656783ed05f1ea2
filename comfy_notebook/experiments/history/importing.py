"""Takes in what another machine's history gave out.

What comes in a zip is someone's: nothing in it names a place to write to, everything has a most that it may be, and
content counts by its digest alone.
"""

from __future__ import annotations

import json
import re
import sqlite3
import zipfile
import zlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from comfy_notebook.cache import default_cache
from comfy_notebook.errors import HistoryError
from comfy_notebook.experiments.history.description import Flow
from comfy_notebook.experiments.history.exporting import ABOUT, COLUMNS, FORMAT, RUNS
from comfy_notebook.experiments.history.incoming import Incoming, checked, checked_graph, checked_settings
from comfy_notebook.experiments.history.writing import (
    insert,
    insert_files,
    insert_labels,
    insert_settings,
    insert_tags,
    insert_texts,
    insert_thumbnail,
    insert_workflow,
    origin,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from comfy_notebook.experiments.history.store import Store, Writing

_PIECE = 1 << 20
_LONGEST_LINE = 32 << 20  # bytes of one run
_LARGEST_RUNS = 4 << 30  # bytes of all of them
_LARGEST_PART = 64 << 20  # bytes of a workflow
_LARGEST_THUMBNAIL = 64 << 10
_LARGEST_ORIGINAL = 8 << 30
_TOGETHER = 200  # runs
_THUMBNAIL = re.compile(r"thumbnails/([0-9a-f]{64})\.(\d{1,3})x(\d{1,3})\.webp")
_ORIGINAL = re.compile(r"originals/([0-9a-f]{64})")


def import_runs(store: Store, path: Path) -> int:
    """Take in the runs of a zip that this history does not have, and return how many they are.

    Raises
    ------
    HistoryError
        If it is no zip of a history, or holds what no history does.
    OSError
        If it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(_content(archive, ABOUT, _LARGEST_PART))
            if not isinstance(about, dict) or about.get("format") != FORMAT:
                raise HistoryError(f"{path} is no export of a history that this version reads.")
            wanted, count = set[str](), 0
            for runs in _batches(archive):
                flows = _workflows(archive, {run.digest for run in runs if run.digest is not None})
                count += store.write(_taking(runs, flows)).result()
                wanted.update(file[-1] for run in runs for file in run.files if file[-1])
            _take_contents(store, archive, wanted)
            return count
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, RecursionError, EOFError, zlib.error) as error:
        raise HistoryError(f"{path} cannot be read as an export of a history: {error}.") from error
    except (sqlite3.Error, NotImplementedError, RuntimeError) as error:  # strange values; encrypted or strange zips
        raise HistoryError(f"{path} holds what no history does: {error}.") from error


def _batches(archive: zipfile.ZipFile) -> Iterator[list[Incoming]]:
    batch, size = list[Incoming](), 0
    with archive.open(RUNS) as lines:
        while line := lines.readline(_LONGEST_LINE):
            size += len(line)
            if not line.endswith(b"\n") or size > _LARGEST_RUNS:
                raise ValueError("it is larger than a history")
            batch.append(checked(json.loads(line)))
            if len(batch) == _TOGETHER:
                yield batch
                batch = []
    yield batch


def _workflows(archive: zipfile.ZipFile, digests: set[str]) -> dict[str, Flow]:
    """Return the workflows that a batch has, by digest."""
    flows = {}
    for digest in digests:
        flow = Flow(_content(archive, f"workflows/{digest}.json", _LARGEST_PART).decode(), lambda: ())
        if flow.digest != digest:
            raise ValueError("a workflow is not what it is called")
        checked_graph(json.loads(flow.graph))
        defaults = checked_settings(json.loads(_content(archive, f"defaults/{digest}.json", _LARGEST_PART)))
        flows[digest] = replace(flow, defaults=partial(iter, defaults))
    return flows


def _taking(runs: list[Incoming], flows: dict[str, Flow]) -> Callable[[Writing], int]:
    def take(writing: Writing) -> int:
        return sum(_take(writing, run, flows) for run in runs)

    return take


def _take(writing: Writing, incoming: Incoming, flows: dict[str, Flow]) -> bool:
    """Write a run, unless it is there already, and say whether it was written."""
    columns = dict(zip(COLUMNS, incoming.columns, strict=True))
    if writing.connection.execute("SELECT 1 FROM runs WHERE run_id = ?", (columns["run_id"],)).fetchone():
        return False
    digest = incoming.digest
    columns |= {
        "origin": origin(writing, *incoming.origin),
        "workflow": insert_workflow(writing, flows[digest]) if digest is not None else None,
        "outputs": incoming.outputs,
        "said": incoming.said,
    }
    run = insert(writing, "runs", columns)
    insert_texts(writing, run, columns["prompt"], incoming.words)
    insert_settings(writing, "settings", run, incoming.settings)
    insert_labels(writing, run, incoming.labels)
    insert_tags(writing, run, incoming.tags)
    insert_files(writing, [(run, *file) for file in incoming.files])
    return True


def _take_contents(store: Store, archive: zipfile.ZipFile, wanted: set[str]) -> None:
    for name in archive.namelist():
        if (match := _ORIGINAL.fullmatch(name)) and match[1] in wanted:
            _take_original(archive, name, match[1])
        elif (match := _THUMBNAIL.fullmatch(name)) and match[1] in wanted:
            content = _content(archive, name, _LARGEST_THUMBNAIL)
            values = (match[1], content, int(match[2]), int(match[3]))
            store.write(lambda writing, values=values: insert_thumbnail(writing, *values)).result()  # type: ignore[misc]


def _take_original(archive: zipfile.ZipFile, name: str, digest: str) -> None:
    """Keep a file in the cache, if it is what it is called."""
    cache, size = default_cache(), 0
    if cache.path(digest) is not None:
        return
    with cache.writer() as writer, archive.open(name) as file:
        while piece := file.read(_PIECE):
            size += len(piece)
            if size > _LARGEST_ORIGINAL:
                return
            writer.write(piece)
        if writer.digest == digest:
            writer.commit()


def _content(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    if archive.getinfo(name).file_size > most:
        raise ValueError(f"{name} is too large")
    return archive.read(name)

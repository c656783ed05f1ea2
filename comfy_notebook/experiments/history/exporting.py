"""Takes runs out, for another machine: a zip of what is recorded, and of the originals that are in the cache."""

from __future__ import annotations

import contextlib
import json
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

from comfy_notebook.cache import default_cache
from comfy_notebook.saving import Draft

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from comfy_notebook.experiments.history.store import Store

FORMAT = "comfy_notebook history 1"
ABOUT, RUNS = "about.json", "runs.jsonl"
COLUMNS = (
    *("run_id", "prompt_id", "began", "ended", "status", "duration", "seconds", "prompt", "params", "seeds", "patch"),
    *("error", "warnings", "cell", "starred"),
)
_TOGETHER = 200  # runs


def export(store: Store, runs: list[int], path: Path) -> Path:
    """Write runs into a zip, replacing what is there; OSError if it cannot be written."""
    with Draft(path.parent) as draft:
        with zipfile.ZipFile(draft.file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(ABOUT, json.dumps({"format": FORMAT}))
            digests, workflows = set[str](), set[int]()
            with archive.open(RUNS, "w", force_zip64=True) as lines:
                for start in range(0, len(runs), _TOGETHER):
                    for told in _told(store, runs[start : start + _TOGETHER]):
                        workflows.update(filter(None, [told.pop("workflow")]))
                        digests.update(file[-1] for file in told["files"] if file[-1])
                        lines.write(f"{json.dumps(told)}\n".encode())
            _write_workflows(store, workflows, archive)
            _write_contents(store, digests, archive)
        return draft.replace(path)


def _told(store: Store, runs: list[int]) -> Iterator[dict[str, Any]]:
    ids = json.dumps(runs)
    among = "IN (SELECT value FROM json_each(?))"
    several = {
        table: _grouped(store, f"SELECT * FROM {table} WHERE run {among}", ids)  # noqa: S608
        for table in ("settings", "labels", "tags", "files")
    }
    rows = store.read(
        "SELECT runs.*, name, server, address, notebook, digest, words FROM runs "  # noqa: S608
        "JOIN origins ON origins.id = origin LEFT JOIN workflows ON workflows.id = workflow "
        f"LEFT JOIN texts ON texts.id = runs.id WHERE runs.id {among} ORDER BY runs.id",
        (ids,),
    )
    for row in rows:
        told = {name: row[name] for name in COLUMNS}
        told |= {name: row[name] for name in ("name", "server", "address", "notebook", "words", "digest", "workflow")}
        for name in ("outputs", "said"):
            told[name] = zlib.decompress(row[name]).decode() if row[name] else None
        yield told | {table: found.get(row["id"], []) for table, found in several.items()}


def _grouped(store: Store, sql: str, ids: str) -> dict[int, list[list[Any]]]:
    groups: dict[int, list[list[Any]]] = {}
    for row in store.read(sql, (ids,)):
        groups.setdefault(row["run"], []).append(list(row)[1:])
    return groups


def _write_workflows(store: Store, workflows: set[int], archive: zipfile.ZipFile) -> None:
    for number in sorted(workflows):
        [row] = store.read("SELECT digest, content FROM workflows WHERE id = ?", (number,))
        values = store.read("SELECT name, leaf, value FROM defaults WHERE workflow = ?", (number,))
        archive.writestr(f"workflows/{row['digest']}.json", zlib.decompress(row["content"]))
        archive.writestr(f"defaults/{row['digest']}.json", json.dumps([list(value) for value in values]))


def _write_contents(store: Store, digests: set[str], archive: zipfile.ZipFile) -> None:
    cache = default_cache()
    for digest in sorted(digests):
        for row in store.read("SELECT content, width, height FROM thumbnails WHERE digest = ?", (digest,)):
            archive.writestr(f"thumbnails/{digest}.{row['width']}x{row['height']}.webp", row["content"])
        kept = cache.path(digest)
        if kept is not None:
            with contextlib.suppress(FileNotFoundError):  # another program cleans the cache
                archive.write(kept, f"originals/{digest}", zipfile.ZIP_STORED)

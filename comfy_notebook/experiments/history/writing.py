"""What is written of runs: the statements, each for one thing that happened, on the store's thread."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from comfy_notebook.experiments.history.encoding import spaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from comfy_notebook.experiments.history.description import Description, Flow, Setting
    from comfy_notebook.experiments.history.store import Writing
    from comfy_notebook.media import Media

RUNNING = "running"


@dataclass(slots=True)
class Beginning:
    """What is known of a run when it begins, beside what it set out with.

    Attributes
    ----------
    began
        Seconds since 1970.
    server, address
        What it is called, and its URL without credentials, or "embedded"; "" where none was found.
    notebook, cell
        Where it comes from; ``cell`` is JSON.
    """

    run_id: str
    prompt_id: str | None
    began: float
    server: str = ""
    address: str = ""
    notebook: str = ""
    cell: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def insert_run(writing: Writing, beginning: Beginning, described: Description) -> int:
    """Write a run that begins, and return its number."""
    columns: dict[str, Any] = {
        "run_id": beginning.run_id,
        "prompt_id": beginning.prompt_id,
        "began": beginning.began,
        "status": RUNNING,
        "origin": origin(writing, described.name, beginning.server, beginning.address, beginning.notebook),
        "cell": beginning.cell,
        "program": writing.program,
        "workflow": insert_workflow(writing, described.flow) if described.flow is not None else None,
        **described.values,
    }
    run = insert(writing, "runs", columns)
    insert_texts(writing, run, described.values["prompt"], described.words)
    insert_settings(writing, "settings", run, described.settings)
    insert_labels(writing, run, beginning.labels)
    return run


def origin(writing: Writing, *parts: str) -> int:
    """Return the number of where a run comes from and goes to: the workflow's name, server, address, notebook."""
    row = writing.connection.execute(
        "SELECT id FROM origins WHERE name = ? AND server = ? AND address = ? AND notebook = ?", parts
    ).fetchone()
    if row is not None:
        return int(row[0])
    return insert(writing, "origins", dict(zip(("name", "server", "address", "notebook"), parts, strict=True)))


def insert(writing: Writing, table: str, columns: Mapping[str, Any]) -> int:
    """Write a row, and return its number."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
    return writing.connection.execute(statement, [*columns.values()]).lastrowid or 0


def insert_texts(writing: Writing, run: int, prompt: str, words: str) -> None:
    """Write what full text finds of a run."""
    row = (run, spaced(prompt), spaced(words))
    writing.connection.execute("INSERT INTO texts VALUES (?, ?, ?)", row)
    if writing.indexed:
        writing.connection.execute("INSERT INTO found (rowid, prompt, words) VALUES (?, ?, ?)", row)


def insert_labels(writing: Writing, run: int, labels: Mapping[str, str]) -> None:
    """Write what a run belongs to."""
    rows = [(run, key, value) for key, value in labels.items()]
    writing.connection.executemany("INSERT OR REPLACE INTO labels VALUES (?, ?, ?)", rows)


def insert_tags(writing: Writing, run: int, tags: Iterable[str]) -> None:
    """Write a run's tags."""
    writing.connection.executemany("INSERT OR IGNORE INTO tags VALUES (?, ?)", [(run, tag) for tag in tags])


def end_run(writing: Writing, run: int, columns: Mapping[str, Any], files: Iterable[Media], words: str) -> None:
    """Write how a run ended.

    Parameters
    ----------
    columns
        Of the table of runs.
    files
        What it made; they replace those written before.
    words
        What its full text gains.
    """
    names = ", ".join(f"{name} = ?" for name in columns)
    writing.connection.execute(f"UPDATE runs SET {names} WHERE id = ?", [*columns.values(), run])  # noqa: S608
    rows = [
        (run, place, media.kind, media.var, media.node_id, media.filename, media.subfolder, media.type, str(media),
         media.digest)
        for place, media in enumerate(files)
    ]  # fmt: skip
    insert_files(writing, rows)
    if words:
        _add_words(writing, run, words)


def insert_files(writing: Writing, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write files, as the table has them."""
    writing.connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def note_digest(writing: Writing, run: int, media: Media) -> None:
    """Write what became known of a file's content."""
    values = (media.digest, run, str(media))
    writing.connection.execute("UPDATE files SET digest = ? WHERE run = ? AND url = ?", values)


def insert_thumbnail(writing: Writing, digest: str, content: bytes, width: int, height: int) -> None:
    """Write what a picture looks like."""
    writing.connection.execute("INSERT OR IGNORE INTO thumbnails VALUES (?, ?, ?, ?)", (digest, content, width, height))


def delete_runs(writing: Writing, runs: Sequence[int]) -> int:
    """Forget runs, and what only they had; return how many there were."""
    connection, deleted = writing.connection, 0
    for run in runs:
        _forget_texts(writing, run)
        deleted += connection.execute("DELETE FROM runs WHERE id = ?", (run,)).rowcount
    for table, column in (("workflows", "workflow"), ("origins", "origin")):
        connection.execute(
            f"DELETE FROM {table} WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.{column} = {table}.id)"  # noqa: S608
        )
    connection.execute(
        "DELETE FROM thumbnails WHERE NOT EXISTS (SELECT 1 FROM files WHERE files.digest = thumbnails.digest)"
    )
    return deleted


def insert_workflow(writing: Writing, flow: Flow) -> int:
    """Return the number of a workflow, which is written if it is not there."""
    digest = flow.digest
    known = writing.connection.execute("SELECT id FROM workflows WHERE digest = ?", (digest,)).fetchone()
    if known is not None:
        return int(known[0])
    workflow = insert(writing, "workflows", {"digest": digest, "content": zlib.compress(flow.graph.encode())})
    insert_settings(writing, "defaults", workflow, flow.defaults())
    return workflow


def insert_settings(writing: Writing, table: str, owner: int, settings: Iterable[Setting]) -> None:
    """Write the values that a run sets, or a workflow has."""
    rows = [(owner, setting.name, setting.leaf, setting.value) for setting in settings]
    writing.connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?)", rows)  # noqa: S608


def _add_words(writing: Writing, run: int, words: str) -> None:
    row = writing.connection.execute("SELECT prompt, words FROM texts WHERE id = ?", (run,)).fetchone()
    _forget_texts(writing, run)
    insert_texts(writing, run, row["prompt"], f"{row['words']}\n{words}")


def _forget_texts(writing: Writing, run: int) -> None:
    if writing.indexed:
        writing.connection.execute(
            "INSERT INTO found (found, rowid, prompt, words) "
            "SELECT 'delete', id, prompt, words FROM texts WHERE id = ?",
            (run,),
        )
    writing.connection.execute("DELETE FROM texts WHERE id = ?", (run,))

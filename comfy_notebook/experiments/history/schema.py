"""The tables of the history, and how those of an older version become these."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_notebook.errors import HistoryError

if TYPE_CHECKING:
    import sqlite3

# Each takes a database from the version that is its index to the next; none is ever changed, as there are databases
# that have gone through it.
_STEPS: tuple[tuple[str, ...], ...] = (
    (
        # Which program recorded: a run that is not over when its program is, stays so.
        """CREATE TABLE programs (
            id INTEGER PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, registered REAL NOT NULL)""",
        # Graphs before a run's values, each content once; compressed JSON.
        "CREATE TABLE workflows (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, content BLOB NOT NULL)",
        # The values that a workflow has for its parameters where a run does not set them.
        """CREATE TABLE defaults (workflow INTEGER NOT NULL REFERENCES workflows ON DELETE CASCADE, name TEXT NOT NULL,
            leaf TEXT NOT NULL, value COLLATE NOCASE, PRIMARY KEY (workflow, name)) WITHOUT ROWID""",
        "CREATE INDEX defaults_by_leaf ON defaults (leaf, value)",
        # Where runs come from and go to: few, as most things are done again.
        """CREATE TABLE origins (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, server TEXT NOT NULL, address TEXT NOT NULL,
            notebook TEXT NOT NULL, UNIQUE (name, server, address, notebook))""",
        # began and ended are seconds since 1970; params, seeds, patch, error, warnings and cell are JSON; outputs and
        # said, which are the texts that came back, compressed JSON. patch is what the run's values changed in its
        # workflow's graph.
        """CREATE TABLE runs (
            id INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, prompt_id TEXT, began REAL NOT NULL, ended REAL,
            status TEXT NOT NULL, duration REAL, origin INTEGER NOT NULL REFERENCES origins,
            workflow INTEGER REFERENCES workflows, prompt TEXT NOT NULL, params TEXT NOT NULL, seeds TEXT NOT NULL,
            patch TEXT, error TEXT, warnings TEXT, outputs BLOB, said BLOB, cell TEXT,
            starred INTEGER NOT NULL DEFAULT 0, program INTEGER REFERENCES programs)""",
        # All that searches compare, so that they pass over runs without reading them.
        "CREATE INDEX runs_by_time ON runs (began, status, origin, workflow, starred, program)",
        "CREATE INDEX runs_by_prompt_id ON runs (prompt_id)",
        "CREATE INDEX runs_by_status ON runs (status)",
        "CREATE INDEX runs_by_workflow ON runs (workflow)",
        # What full text finds, by run.
        "CREATE TABLE texts (id INTEGER PRIMARY KEY REFERENCES runs ON DELETE CASCADE, prompt TEXT, words TEXT)",
        # What a run's parameters were set to, but for long texts. A leaf is a name's last part; "seed" for all seeds.
        """CREATE TABLE settings (run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, name TEXT NOT NULL,
            leaf TEXT NOT NULL, value COLLATE NOCASE, PRIMARY KEY (run, name)) WITHOUT ROWID""",
        "CREATE INDEX settings_by_leaf ON settings (leaf, value)",
        """CREATE TABLE labels (run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, key TEXT NOT NULL,
            value TEXT NOT NULL, PRIMARY KEY (run, key)) WITHOUT ROWID""",
        "CREATE INDEX labels_by_value ON labels (key, value)",
        """CREATE TABLE tags (run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, tag TEXT NOT NULL COLLATE NOCASE,
            PRIMARY KEY (run, tag)) WITHOUT ROWID""",
        "CREATE INDEX tags_by_name ON tags (tag)",
        """CREATE TABLE files (run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, position INTEGER NOT NULL,
            kind TEXT NOT NULL, var TEXT NOT NULL, node_id TEXT NOT NULL, filename TEXT NOT NULL,
            subfolder TEXT NOT NULL, type TEXT NOT NULL, url TEXT NOT NULL, digest TEXT,
            PRIMARY KEY (run, position)) WITHOUT ROWID""",
        "CREATE INDEX files_by_digest ON files (digest)",
        "CREATE TABLE notes (key TEXT PRIMARY KEY, value) WITHOUT ROWID",
    ),
    (
        # What pictures and videos look like, by content; WebP.
        """CREATE TABLE thumbnails (
            digest TEXT PRIMARY KEY, content BLOB NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL)""",
    ),
    (
        # How long the server worked on a run; duration has the time in the queue as well.
        "ALTER TABLE runs ADD COLUMN seconds REAL",
    ),
)
VERSION = len(_STEPS)
_INDEX = """CREATE VIRTUAL TABLE IF NOT EXISTS found
    USING fts5(prompt, words, content='texts', content_rowid='id', tokenize="unicode61 remove_diacritics 2")"""
_ABLE = "SELECT sqlite_compileoption_used('ENABLE_FTS5')"
_STALE = "the full-text index lacks rows"


def prepare(connection: sqlite3.Connection) -> bool:
    """Bring a database to this version, and return whether its full text can be searched by an index.

    Raises
    ------
    HistoryError
        If a newer version of this package made it.
    sqlite3.Error
        If it cannot be read or written, or is none.
    """
    if _version(connection) != VERSION:
        connection.execute("BEGIN IMMEDIATE")
        try:
            _advance(connection, _version(connection))  # looked at again: another program may have been first
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return _indexed(connection)


def _version(connection: sqlite3.Connection) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise HistoryError(
            "The history of runs was made by a newer version of comfy_notebook.",
            hint="Update comfy_notebook, or give this one a folder of its own with COMFY_NOTEBOOK_DATA.",
        )
    return version


def _advance(connection: sqlite3.Connection, version: int) -> None:
    for step in _STEPS[version:]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _indexed(connection: sqlite3.Connection) -> bool:
    """Make the index where there is none; a SQLite without FTS5 leaves word that the index lacks what it writes."""
    able = bool(connection.execute(_ABLE).fetchone()[0])
    stale = connection.execute("SELECT 1 FROM notes WHERE key = ?", (_STALE,)).fetchone()
    made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'found'").fetchone()
    if able and (stale or not made):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_INDEX)
        connection.execute("INSERT INTO found(found) VALUES ('rebuild')")
        connection.execute("DELETE FROM notes WHERE key = ?", (_STALE,))
        connection.execute("COMMIT")
    elif not able and not stale:
        connection.execute("INSERT OR IGNORE INTO notes VALUES (?, 1)", (_STALE,))
    return able

"""The file that the history is kept in: SQLite, written by one thread of each program, read by any.

Several programs share it: SQLite's write-ahead log lets each read while another writes, and what was committed
survives the end of the program, however it ends. Whatever is wrong with the file is a HistoryError, for those who read
it to tell, and for those who record to note once.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import logging
import os
import platform
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from comfy_notebook.data_folder import data_folder
from comfy_notebook.errors import HistoryError
from comfy_notebook.experiments.history import schema

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

T = TypeVar("T")

_NAME = "history.sqlite"
_BATCH = 200  # writes in one commit, at most: other programs wait meanwhile
_BUSY_SECONDS = 30.0  # for other programs' commits, which take milliseconds
_FLUSH_SECONDS = 3.0  # at the program's end
_log = logging.getLogger(__name__)


class Opened:
    """A connection to the file, with what is known of it."""

    def __init__(self, path: Path) -> None:
        self.connection = _connect(path)
        self.indexed = schema.prepare(self.connection)
        self.file = _identity(path)


class Writing(Opened):
    """The connection that writes; for use on its thread."""

    _program: int | None = None

    @property
    def program(self) -> int:
        """The number of this program in the file."""
        if self._program is None:
            row = (platform.node(), os.getpid(), time.time())
            cursor = self.connection.execute("INSERT INTO programs (host, pid, registered) VALUES (?, ?, ?)", row)
            self._program = cursor.lastrowid or 0
        return self._program

    def forget_program(self) -> None:
        """Register this program anew: what registered it was not committed."""
        self._program = None


class Store:
    """One history file, for this program.

    Parameters
    ----------
    path
        Made, with its folder, when something is first written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._turn = threading.Lock()  # of the thread that writes: one that begins while another ends waits for it
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._writing: Writing | None = None
        self._reading: Opened | None = None

    def write(self, work: Callable[[Writing], T]) -> concurrent.futures.Future[T]:
        """Have ``work`` done on the writer's thread; the future is done when it is committed.

        Its exception is a HistoryError if the file cannot be written to.
        """
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()  # whoever stops waiting for it does not stop it
        self._queue.put((work, future))
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._serve, name="comfy_notebook history", daemon=True)
                    self._thread.start()
        return future

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query; none if there is no file yet. HistoryError if it cannot be read."""
        if not self.path.exists():
            return []
        return self._with_reader(lambda reader: reader.connection.execute(sql, parameters).fetchall())

    @property
    def indexed(self) -> bool:
        """Whether full text is searched by an index."""
        return self.path.exists() and self._with_reader(lambda reader: reader.indexed)

    def flush(self, seconds: float = _FLUSH_SECONDS) -> None:
        """Wait until what was given to be written is, or for so many seconds."""
        if self._thread is not None:
            concurrent.futures.wait([self.write(lambda _: None)], timeout=seconds)

    def close(self) -> None:
        """Write what is left, and let go of the file; it is opened again when it is wanted."""
        with self._lock:
            thread, self._thread = self._thread, None
            if self._reading is not None:
                self._reading.connection.close()
            self._reading = None
        if thread is not None:
            self._queue.put(None)
            thread.join(_FLUSH_SECONDS)

    # -- reading -------------------------------------------------------------------------------------

    def _with_reader(self, work: Callable[[Opened], T]) -> T:
        import sqlite3

        with self._lock:
            try:
                if self._reading is None or self._reading.file != _identity(self.path):
                    self._reading = Opened(self.path)
                    self._reading.connection.execute("PRAGMA query_only = ON")
                return work(self._reading)
            except sqlite3.Error as error:
                self._reading = None
                raise self._trouble(error) from error

    def _trouble(self, error: Exception) -> HistoryError:
        return HistoryError(
            f"The history of runs in {self.path} cannot be read or written: {error}.",
            hint="If the file is damaged, move it away: a new one is begun. COMFY_NOTEBOOK_DATA names another folder, "
            "COMFY_NOTEBOOK_HISTORY=off does without a history.",
        )

    # -- writing, on the writer's thread -------------------------------------------------------------

    def _serve(self) -> None:
        with self._turn:
            while self._commit_some():
                pass
            self._give_up()

    def _commit_some(self) -> bool:
        """Wait for something to be written, and write it and what has come with it; return whether to go on.

        What comes after the word that it is enough is the next thread's.
        """
        batch = [self._queue.get()]
        while batch[-1] is not None and len(batch) < _BATCH and not self._queue.empty():
            batch.append(self._queue.get())
        if works := [work for work in batch if work is not None]:
            self._commit(works)
        return batch[-1] is not None

    def _commit(self, batch: list[_Work]) -> None:
        """Do all of a batch in one transaction, or tell all of them that it cannot be done."""
        import sqlite3

        outcomes: list[Any] = []
        try:
            writing = self._opened()
            writing.connection.execute("BEGIN IMMEDIATE")
            outcomes = [_outcome(work, writing) for work, _ in batch]
            writing.connection.execute("COMMIT")
        except (sqlite3.Error, OSError, HistoryError) as error:
            self._give_up()
            trouble = error if isinstance(error, HistoryError) else self._trouble(error)
            outcomes = [_Failure(trouble)] * len(batch)
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, _Failure):
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome)

    def _opened(self) -> Writing:
        """Return the connection; a new one if someone took the file away."""
        if self._writing is not None and self._writing.file != _identity(self.path):
            self._give_up()
        if self._writing is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writing = Writing(self.path)
        return self._writing

    def _give_up(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.connection.close()


_Work = tuple["Callable[[Writing], Any]", "concurrent.futures.Future[Any]"]


class _Failure:
    """An exception, as what became of something."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _outcome(work: Callable[[Writing], Any], writing: Writing) -> Any:
    """Do one thing of several: if it fails, nothing of it is kept, and the others are.

    What is wrong with the file, and not with the thing, is raised.
    """
    import sqlite3

    connection = writing.connection
    connection.execute("SAVEPOINT one")
    try:
        done = work(writing)
    except Exception as error:
        if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            raise
        connection.execute("ROLLBACK TO one")
        writing.forget_program()
        done = _Failure(error)
    connection.execute("RELEASE one")
    return done


def _connect(path: Path) -> sqlite3.Connection:
    import sqlite3

    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # a crash of the machine may lose the last seconds, and no more
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


_stores: dict[Path, Store] = {}
_inherited: list[list[Store]] = []


def default_store() -> Store:
    """Return the store of this user's history, as it is set now."""
    folder = data_folder()
    if folder not in _stores:
        _stores[folder] = Store(folder / _NAME)
    return _stores[folder]


def _flush_all() -> None:
    for store in list(_stores.values()):
        store.flush()


def _forget() -> None:
    """In a forked child: the connections are its parent's, whose locks would be lost if they were closed here."""
    _inherited.append(list(_stores.values()))
    _stores.clear()


atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget)

"""The file: shared by programs, brought up to date, and no run's trouble whatever is wrong with it."""

import contextlib
import logging
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading

import pytest
from graphs import picture
from waiting import wait_for

from comfy_notebook import ComfyKit, HistoryError, history
from comfy_notebook.experiments.history import recording, schema
from comfy_notebook.experiments.history.store import default_store

ROW = """INSERT INTO runs (run_id, prompt_id, began, status, origin, prompt, params, seeds)
    VALUES ('a', 'a', 1.0, 'completed', 1, 'a fox', '{"seed": 7}', '{"seed": 7}')"""


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.WARNING)
    recording._complained.clear()
    return lambda: [record.getMessage() for record in caplog.records if "recorded" in record.getMessage()]


def old_file(path, version):
    """Make a file as a former version left it, with one run in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for step in schema._STEPS[:version]:
            for statement in step:
                connection.execute(statement)
        connection.execute("INSERT INTO origins VALUES (1, 'w.json', 'server', 'http://127.0.0.1:1', '')")
        connection.execute(ROW)
        connection.execute("INSERT INTO texts VALUES (1, 'a fox', 'w.json')")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()


@pytest.mark.parametrize("version", range(1, schema.VERSION + 1))
def test_the_file_of_an_older_version_is_brought_up_to_date(kit, data_folder, version):
    old_file(data_folder / "history.sqlite", version)
    assert [record.seeds for record in history.search("fox")] == [{"seed": 7}]
    kit.run(picture())
    assert [record.prompt for record in history] == ["a fox", ""]
    assert default_store().read("PRAGMA user_version")[0][0] == schema.VERSION
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh:
        fresh.row_factory = sqlite3.Row
        schema.prepare(fresh)
        assert tables(default_store().read) == tables(lambda sql: fresh.execute(sql).fetchall())


def tables(read):
    return {row["name"]: row["sql"] for row in read("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'found%'")}


def test_a_step_that_fails_leaves_the_file_as_it_was(data_folder, monkeypatch):
    path = data_folder / "history.sqlite"
    old_file(path, schema.VERSION)
    monkeypatch.setattr(schema, "_STEPS", (*schema._STEPS, ("CREATE TABLE more (a)", "no SQL")))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with pytest.raises(HistoryError, match="syntax error"):
        list(history)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == schema.VERSION - 1
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'more'").fetchone()[0] == 0


def test_a_newer_versions_file_is_left_alone(kit, data_folder, said):
    old_file(data_folder / "history.sqlite", schema.VERSION)
    with contextlib.closing(sqlite3.connect(data_folder / "history.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert kit.run(picture()).status == "completed"
    assert kit.run(picture()).status == "completed"
    [warning] = said()
    assert "newer version of comfy_notebook" in warning
    with pytest.raises(HistoryError, match="newer version"):
        list(history)


def test_a_damaged_file_fails_no_run_and_is_told_once(kit, data_folder, said):
    data_folder.mkdir()
    (data_folder / "history.sqlite").write_bytes(b"this is no database, however long it may be" * 100)
    for _ in range(3):
        assert kit.run(picture()).status == "completed"
    [warning] = said()
    assert "move it away" in warning
    with pytest.raises(HistoryError, match="cannot be read or written"):
        len(history)
    (data_folder / "history.sqlite").unlink()  # as the hint says
    kit.run(picture())
    assert len(history) == 1


def test_a_file_that_is_damaged_in_the_middle_fails_no_run(kit, data_folder, said):
    for _ in range(20):
        kit.run(picture())
    default_store().close()
    with (data_folder / "history.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(40_000))
    assert kit.run(picture()).status == "completed"
    assert len(said()) <= 1


def test_a_folder_that_cannot_be_made_fails_no_run(embedded_comfyui, tmp_path, monkeypatch, said):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(tmp_path / "file" / "data"))
    kit = ComfyKit(embedded_comfyui)
    assert kit.run(picture()).status == "completed"
    assert kit.run(picture()).status == "completed"
    assert len(said()) == 1
    assert len(history) == 0


def test_a_file_that_may_not_be_written_fails_no_run(kit, data_folder, said, monkeypatch):
    kit.run(picture())
    store = default_store()
    store.write(lambda writing: writing.connection.execute("PRAGMA query_only = ON")).result()  # root may write all
    assert kit.run(picture()).status == "completed"
    [warning] = said()
    assert "readonly" in warning


def test_a_file_that_was_taken_away_is_begun_anew(kit, data_folder):
    kit.run(picture())
    (data_folder / "history.sqlite").unlink()
    assert len(history) == 0
    kit.run(picture())
    kit.run(picture())
    assert len(history) == 2


def test_what_fails_in_a_batch_takes_nothing_with_it(data_folder):
    store = default_store()

    def fail(writing):
        writing.connection.execute("INSERT INTO notes VALUES ('half', 1)")
        raise ValueError("a bug")

    outcomes = [
        store.write(lambda writing: writing.connection.execute("INSERT INTO notes VALUES ('one', 1)")),
        store.write(fail),
        store.write(lambda writing: writing.connection.execute("INSERT INTO notes VALUES ('two', 2)")),
    ]
    assert isinstance(outcomes[1].exception(), ValueError)
    assert outcomes[0].exception() is outcomes[2].exception() is None
    assert [row["key"] for row in store.read("SELECT key FROM notes ORDER BY key")] == ["one", "two"]


WRITER = """
import sys
from comfy_notebook import ComfyKit
from graphs import picture
results = ComfyKit(sys.argv[1]).submit_many(picture(), {}, 25).result()
print(*(result.prompt_id for result in results), [result.status for result in results].count("completed"))
"""


def test_several_programs_write_at_once_and_lose_nothing(kit, embedded_comfyui):
    command = [sys.executable, "-c", WRITER, embedded_comfyui]
    programs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="tests") for _ in range(4)]
    told = [program.communicate(timeout=120)[0].split() for program in programs]
    assert [words.pop() for words in told] == ["25"] * 4
    recorded = {record.prompt_id: record.status for record in history}
    assert recorded == {prompt_id: "completed" for words in told for prompt_id in words}
    assert len(recorded) == 100
    assert default_store().read("SELECT count(*) FROM programs")[0][0] == 4
    assert default_store().read("PRAGMA integrity_check")[0][0] == "ok"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_forked_child_writes_by_a_connection_of_its_own(kit, embedded_comfyui):
    kit.run(picture())
    child = multiprocessing.get_context("fork").Process(target=lambda: ComfyKit(embedded_comfyui).run(picture()))
    child.start()
    child.join(60)
    kit.run(picture())
    assert child.exitcode == 0
    assert [record.status for record in history] == ["completed"] * 3
    assert default_store().read("SELECT count(*) FROM programs")[0][0] == 2


def test_without_the_index_texts_are_found_all_the_same(kit, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_ABLE", "SELECT 0")  # as a SQLite without FTS5 says
        kit.run(picture(), {"width": 24})
        assert not default_store().indexed
        assert len(history.search("workflow")) == 1
        assert len(history.search("nothing")) == 0
        default_store().close()
    kit.run(picture())  # with it again, and with what was written meanwhile
    assert default_store().indexed
    assert len(history.search("workflow")) == 2


def test_a_write_after_the_close_waits_for_what_is_being_written(data_folder):
    store = default_store()
    begun, go = threading.Event(), threading.Event()

    def slow(_writing):
        begun.set()
        assert go.wait(10)
        return threading.current_thread()

    first = store.write(slow)
    assert begun.wait(10)
    closing = threading.Thread(target=store.close)
    closing.start()
    wait_for(lambda: store._thread is None)
    second = store.write(lambda writing: (threading.current_thread(), writing.program))
    with pytest.raises(TimeoutError):
        second.result(0.3)
    go.set()
    assert second.result(10)[0] is not first.result(10)
    closing.join(10)
    assert not first.result().is_alive()
    store.close()
    assert not second.result()[0].is_alive()

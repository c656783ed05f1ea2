"""What can be done with recorded runs."""

import contextlib
import io
import pickle
import sqlite3
import subprocess
import sys
import zipfile

import pytest
from graphs import node, picture, sampled
from past import fill
from waiting import wait_for

from comfy_notebook import ComfyKit, HistoryError, ParameterError, history
from comfy_notebook.cache import default_cache
from comfy_notebook.experiments.history import access, importing
from comfy_notebook.experiments.history.store import default_store


def test_a_run_runs_again_with_other_values(kit):
    first = kit.run(sampled(), {"prompt": "a fox", "seed": 5})
    again = history[-1].rerun(seed=7)
    assert again.params["seed"] == 7
    assert (again.params["prompt"], again.workflow["6"]) == ("a fox", first.workflow["6"])
    assert again.server == first.server
    same = history[0].rerun(kit)
    assert same.workflow == first.workflow
    assert [record.digest is not None for record in history] == [True] * 3


def test_a_seed_of_0_stays_one(kit):
    kit.run(sampled(), {"seed": 0})
    assert history[-1].rerun().params["seed"] == 0


def test_what_never_was_ready_cannot_run_again(kit):
    kit.run({"1": {"class_type": "NoSuchNode", "inputs": {}}})
    with pytest.raises(HistoryError, match="cannot be run again"):
        history[-1].rerun()


def test_a_run_goes_where_it_ran_with_credentials_for_that_server_alone(monkeypatch):
    for name in ("COMFYUI_API_KEY", "COMFYUI_COOKIES", "COMFY_ORG_API_KEY"):
        monkeypatch.setenv(name, "sesame")
    monkeypatch.setenv("COMFYUI_BASE_URL", "https://me:secret@gpu-box/prefix")
    own = access.kit_at("https://gpu-box/prefix").access
    assert (own.wanted, own.api_key, own.partner_key) == (("https://me:secret@gpu-box/prefix",), "sesame", "sesame")
    for address in (
        "https://gpu-box",
        "http://gpu-box/prefix",
        "https://gpu-box.evil.com/prefix",
        "http://127.0.0.1:8188",
    ):
        other = access.kit_at(address).access
        assert (other.wanted, other.api_key, other.cookies, other.partner_key) == ((address,), "", "", "")
    monkeypatch.setenv("COMFYUI_BASE_URL", "http://first:8188 http://second:8188")
    second = access.kit_at("http://second:8188").access
    assert (second.wanted, second.api_key) == (("http://second:8188",), "sesame")
    monkeypatch.delenv("COMFYUI_BASE_URL")
    assert access.kit_at("http://127.0.0.1:8188").access.api_key == "sesame"
    assert access.kit_at("embedded").access.wanted == ("embedded",)


def test_stars_and_tags_stay(kit):
    kit.run(picture())
    kit.run(picture())
    record = history[-1].star().tag("cover", "good").tag("good")
    assert (record.starred, record.tags, history[-1].tags) == (True, ["cover", "good"], ["cover", "good"])
    assert record.untag("good").tags == history[-1].tags == ["cover"]
    assert not history[-1].unstar().starred
    assert history[0].tags == []
    assert history.search("starred:yes") == []


def counted(table):
    return default_store().read(f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608


def test_deleted_runs_are_gone_with_all_that_only_they_had(kit, data_folder):
    kit.run(sampled(), {"prompt": "a unicorn called Zebedee", "seed": 1}).images[0].bytes()
    kit.run(picture()).images[0].bytes()
    wait_for(lambda: counted("thumbnails") == 2)
    history.search("zebedee")[0].tag("x")
    assert history.delete("zebedee") == 1
    assert (len(history), history.search("zebedee")) == (1, [])
    for table, left in {"workflows": 1, "thumbnails": 1, "files": 1, "tags": 0, "texts": 1}.items():
        assert counted(table) == left, table
    history[0].delete()
    assert len(history) == 0
    default_store().close()
    with contextlib.closing(sqlite3.connect(data_folder / "history.sqlite")) as connection:
        connection.execute("INSERT INTO found(found) VALUES ('integrity-check')")


def test_nothing_is_deleted_unless_it_is_said_what(kit):
    kit.run(picture())
    with pytest.raises(HistoryError, match="was not said"):
        history.delete()
    assert history.delete(until="now") == 1


def test_the_history_is_a_sequence(data_folder):
    assert (len(history), list(history), history[-3:]) == (0, [], [])
    with pytest.raises(IndexError):
        history[0]
    fill(data_folder / "history.sqlite", 1200)
    seeds = [record.seeds["seed"] for record in history]
    assert len(history) == len(seeds) == 1200
    assert [record.when for record in history] == sorted(record.when for record in history)
    parts = [slice(0, 5), slice(-5, None), slice(1190, 1300), slice(None, None, 200)]
    for part in [*parts, slice(10, 2, -3), slice(-1, -4, -1), slice(5, 2)]:
        assert [record.seeds["seed"] for record in history[part]] == seeds[part], part
    assert [history[place].seeds["seed"] for place in (0, 700, -1, -1200)] == [
        seeds[place] for place in (0, 700, -1, 0)
    ]
    with pytest.raises(IndexError, match="1200 runs"):
        history[1200]
    assert repr(history) == "<History: 1200 runs>"


def test_runs_become_a_table(kit):
    kit.run(sampled(), {"prompt": "a fox", "seed": 5})
    kit.run(picture(), {"nope": 1, "status": "odd"})
    table = history.to_dataframe()
    assert list(table["status"]) == ["completed", "failed"]
    assert table["seed"][0] == 5
    assert table["param.status"][1] == "odd"
    assert table["when"][0] == history[0].when
    assert "One thing" not in str(table["error"][0])
    assert list(history.search("fox").to_dataframe()["prompt"]) == ["a fox"]


def test_a_credential_in_a_workflow_is_not_kept_and_has_to_be_given_again(kit, data_folder):
    workflow = picture() | {
        "7": node("PrimitiveString", "$api_key.value", value="x"),
        "8": node("PreviewAny", source=["7", 0]),
    }
    assert kit.run(workflow, {"api_key": "hunter-2-hunter"}).status == "completed"
    default_store().close()
    assert b"hunter-2-hunter" not in b"".join(path.read_bytes() for path in data_folder.iterdir())
    with pytest.raises(ParameterError, match="api_key: it is a credential"):
        history[-1].rerun()
    assert history[-1].rerun(api_key="hunter-3-hunter").texts == ["hunter-3-hunter"]


# -- to other machines -----------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Call it to be on another machine."""

    def move():
        default_store().close()
        monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("COMFY_NOTEBOOK_CACHE", str(tmp_path / "other cache"))
        default_cache.cache_clear()

    yield move
    default_store().close()
    default_cache.cache_clear()


def test_runs_go_to_another_machine_with_their_pictures(kit, tmp_path, elsewhere):
    kit.run(sampled(), {"prompt": "a fox", "seed": 5}).images[0].bytes()
    kit.run(picture(), {"nope": 1})
    kit.run(picture())
    wait_for(lambda: counted("thumbnails") == 2)
    history[0].star().tag("good")
    before = [pickle.dumps(record.result) for record in history]
    path = history.export(tmp_path / "runs.zip")
    part = history.export(tmp_path / "some.zip", "fox")
    content = history[0].media[0].bytes()
    elsewhere()
    assert history.import_(part) == 1
    assert history.import_(path) == 2  # the one that is there already stays
    assert history.import_(path) == 0
    assert [record.status for record in history] == ["completed", "failed", "completed"]
    assert (history[0].starred, history[0].tags, history[0].prompt) == (True, ["good"], "a fox")
    assert [pickle.dumps(record.result) for record in history] == before
    assert history[0].result.images[0].bytes() == content
    assert [record.seeds["seed"] for record in history.search("fox cfg:7")] == [5]
    assert [look.width for look in history[:].looks()] == [64, 0, 32]


def rewritten(path, change):
    """Return a copy of an export in which every entry is what ``change(name, content)`` says."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            for entry, content in change(name, old.read(name)):
                new.writestr(entry, content)
    changed = path.with_name("changed.zip")
    changed.write_bytes(out.getvalue())
    return changed


def replaced(old, new):
    return lambda name, content: [(name, content.replace(old, new) if name == "runs.jsonl" else content)]


HOSTILE = {
    "a place to write to": lambda name, content: [(name, content), (f"../../{name}", b"x"), (f"/{name}", b"x")],
    "a digest that is a path": replaced(b'"digest": "', b'"digest": "../../'),
    "a file's digest that is a path": lambda name, content: [
        (name, content.replace(b"null]]", b'"../../../etc/passwd"]]') if name == "runs.jsonl" else content)
    ],
    "another status": replaced(b'"completed"', b'"<b>done</b>"'),
    "an address of another kind": replaced(b'"address": "http', b'"address": "file'),
    "a time out of time": replaced(b'"began": 1', b'"began": 1e300'),
    "no time": replaced(b'"began": 1', b'"began": "1'),
    "parameters that are none": replaced(b'"params": "{', b'"params": "[{'),
    "no JSON": replaced(b'"params"', b"params"),
    "a workflow that is another": lambda name, content: [
        (name, b'{"1": 2}' if name.startswith("workflows/") else content)
    ],
    "a lack of workflows": lambda name, content: [(name, content)] if not name.startswith("workflows/") else [],
    "another format": lambda name, content: [(name, b'{"format": "x"}' if name == "about.json" else content)],
    "no runs": lambda name, content: [(name, content)] if name != "runs.jsonl" else [],
    "deep nesting": replaced(b'"warnings": null', b'"warnings": "' + b"[" * 100_000 + b'"'),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_export_writes_nothing_that_is_not_a_run(kit, tmp_path, elsewhere, change):
    kit.run(picture())
    default_store().write(lambda writing: writing.connection.execute("UPDATE files SET digest = NULL")).result()
    path = rewritten(history.export(tmp_path / "runs.zip"), change)
    elsewhere()
    before = {*tmp_path.rglob("*")}
    with contextlib.suppress(HistoryError):
        history.import_(path)
    new = {entry for entry in {*tmp_path.rglob("*")} - before if not entry.name.startswith("history.sqlite")}
    made = {entry.relative_to(tmp_path).parts[0] for entry in new}  # the history may still be written, by its thread
    assert made <= {"elsewhere", "other cache"}
    for record in history:
        assert record.status == "completed"
        record._repr_html_()
        assert record.result.workflow


def test_an_original_that_is_not_what_it_is_called_is_not_kept(kit, tmp_path, elsewhere):
    digest = kit.run(picture()).images[0]
    digest.bytes()
    default_store().flush()

    def change(name, content):
        return [(name, b"something else" if name.startswith("originals/") else content)]

    path = rewritten(history.export(tmp_path / "runs.zip"), change)
    elsewhere()
    assert history.import_(path) == 1
    assert default_cache().get(digest.digest) is None


def test_a_bomb_is_not_unpacked(kit, tmp_path, elsewhere, monkeypatch):
    kit.run(picture())
    monkeypatch.setattr(importing, "_LONGEST_LINE", 10_000)
    path = rewritten(
        history.export(tmp_path / "runs.zip"),
        lambda name, content: [(name, b"[" * 50_000_000 if name == "runs.jsonl" else content)],
    )
    elsewhere()
    with pytest.raises(HistoryError, match="larger than a history"):
        history.import_(path)


@pytest.mark.parametrize("content", [b"no zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_export_is_told(data_folder, tmp_path, content):
    (tmp_path / "runs.zip").write_bytes(content)
    with pytest.raises(HistoryError, match="export of a history"):
        history.import_(tmp_path / "runs.zip")


# -- files -----------------------------------------------------------------------------------------------


def test_what_nobody_read_is_kept_in_the_background(kit, monkeypatch):
    media = kit.run(picture()).images[0]
    wait_for(lambda: history[-1].media[0].digest is not None)
    assert media.digest == history[-1].media[0].digest
    assert default_cache().get(media.digest).startswith(b"\x89PNG")


def test_a_file_that_is_too_large_is_left_to_who_wants_it(kit, monkeypatch):
    monkeypatch.setattr("comfy_notebook.experiments.history.keeping.LARGEST", 10)
    kit.run(picture())
    monkeypatch.setattr("comfy_notebook.experiments.history.keeping.LARGEST", 1_000_000)
    kit.run(picture())
    wait_for(lambda: history[-1].media[0].digest is not None or history[-2].media[0].digest is not None)
    media = history[0].media[0]
    media.bytes()
    default_store().flush()
    assert history[0].media[0].digest == media.digest is not None


def test_a_file_of_another_server_is_not_asked_for(kit):
    kit.run(picture())
    wait_for(lambda: history[-1].media[0].digest is not None)
    default_store().write(
        lambda writing: writing.connection.execute(
            "UPDATE files SET digest = NULL, url = 'http://127.0.0.1:1/view?a=b'"
        )
    ).result()
    with pytest.raises(Exception, match="it is not where its run was"):
        history[-1].media[0].bytes()


def test_another_file_of_the_same_name_is_not_taken_for_the_runs(kit):
    kit.run(picture())
    wait_for(lambda: history[-1].media[0].digest is not None)
    default_store().write(
        lambda writing: writing.connection.execute("UPDATE files SET digest = ?", ("0" * 64,))
    ).result()
    with pytest.raises(Exception, match="another file of that name"):
        history[-1].media[0].bytes()
    assert history[-1].media[0].digest == "0" * 64


def test_a_program_that_ends_at_once_keeps_what_its_engine_made(data_folder, tmp_path):
    code = "from comfy_notebook import ComfyKit; from graphs import picture; ComfyKit('embedded').run(picture())"
    subprocess.run([sys.executable, "-c", code], check=True, cwd="tests")
    assert history[-1].result.images[0].pil().size == (32, 16)


def test_the_results_of_many_runs_are_read_quickly_and_right(kit):
    results = kit.submit_many(picture(), {}, 20).result()
    assert [record.result.images for record in history] == [result.images for result in results]


def test_a_result_that_was_deleted_says_so(kit):
    kit.run(picture())
    record = history[-1]
    record.delete()
    with pytest.raises(HistoryError, match="was deleted"):
        _ = record.result


def test_a_kit_of_ones_own_may_run_it(kit, embedded_comfyui):
    kit.run(picture(), {"width": 48})
    assert history[-1].rerun(ComfyKit(embedded_comfyui), width=56).images[0].pil().size == (56, 16)

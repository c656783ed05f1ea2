import json

import pytest
from painting import workflow
from PIL import Image
from waiting import wait_for

from comfy_notebook import data_folder
from comfy_notebook.experiments.history.privacy import Secrets
from comfy_notebook.notebook.form import memory
from comfy_notebook.notebook.form.memory import Kept, Memory
from comfy_notebook.notebook.form.state import FormState


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(tmp_path / "data"))
    restart()
    yield tmp_path / "data" / "forms"
    restart()


def restart():
    """Forget what the kernel knows."""
    memory._kept.clear()


def opened(made=None):
    made = made or workflow()
    state, kept = FormState(made), Memory(made, Secrets(["my-own-key"]))
    kept.restore(state)
    state.watch(lambda _name: kept.note(state))
    return state


def written(folder):
    (file,) = folder.glob("*.json")
    return json.loads(file.read_text(encoding="utf-8"))


def test_values_survive_in_a_kernel_and_after_its_restart(folder):
    state = opened()
    state.set("text", "a fox 🦊")
    state.loosen("seed", loose=True)
    assert opened().values["text"] == "a fox 🦊"
    wait_for(lambda: folder.exists() and list(folder.glob("*.json")))
    restart()
    again = opened()
    assert again.changed() == {"text": "a fox 🦊"}
    assert again.loose == {"seed"}
    again.reset("text")
    again.reset("seed")
    wait_for(lambda: written(folder)["values"] == {})
    restart()
    assert opened().changed() == {}


def test_another_workflow_has_values_of_its_own(folder):
    opened().set("text", "a fox")
    assert opened(workflow(steps=3)).changed() == {}


def test_what_lives_in_the_kernel_alone_is_kept_there_alone(folder):
    state, picture = opened(), Image.new("RGB", (8, 8))
    state.set("image", picture)
    state.set("steps", 5)
    assert opened().values["image"] is picture
    wait_for(lambda: folder.exists() and list(folder.glob("*.json")))
    restart()
    assert opened().changed() == {"steps": 5}


def test_secrets_are_not_written_down(folder):
    made = workflow(schemas={}, api_key="", auth_token="")
    state = opened(made)
    state.set("api_key", "sk-123")
    state.set("auth_token", "t-123")
    state.set("text", "a lake, and my-own-key")
    state.set("image", "https://me:secret@host/a.png")
    state.set("name", "pond")
    wait_for(lambda: folder.exists() and list(folder.glob("*.json")))
    assert written(folder)["values"] == {"name": "pond"}


def test_with_the_history_off_nothing_is_written(folder, monkeypatch):
    monkeypatch.setenv("COMFY_NOTEBOOK_HISTORY", "off")
    state = opened()
    state.set("text", "a fox")
    Memory(workflow(), Secrets([]))
    assert opened().values["text"] == "a fox"
    assert not folder.exists()
    assert data_folder.data_folder() == folder.parent


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"values": 5, "loose": 5}', '{"values": {"steps": []}, "loose": []}']
)
def test_what_is_damaged_is_as_if_it_were_not_there(folder, content):
    folder.mkdir(parents=True)
    (folder / f"{Memory(workflow(), Secrets([])).key}.json").write_text(content)
    assert opened().changed() == {}


def test_a_disk_that_takes_nothing_is_told_and_borne(folder, caplog):
    folder.parent.mkdir()
    folder.write_text("a file, and no folder")
    memory.write(Kept({"steps": 5}), folder / "key.json", Secrets([]))
    assert "could not be kept" in caplog.text

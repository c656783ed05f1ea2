import json
import os

import pytest
from IPython.core.completer import provisionalcompleter

from comfy_notebook.notebook.completion import OPTIONS, Completer
from comfy_notebook.notebook.magics import ComfyMagics
from comfy_notebook.workflow.sources import read

GRAPH = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "x"}, "_meta": {"title": "$prompt.text!"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "y"}},
    "8": {"class_type": "CLIPTextEncode", "inputs": {"text": "y"}, "_meta": {"title": "Second text"}},
}


@pytest.fixture
def complete(shell, tmp_path, monkeypatch):
    (tmp_path / "workflow.json").write_text(json.dumps(GRAPH))
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "made.PNG").write_bytes(b"")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "other.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    completer = Completer(shell, lambda source: read(source).workflow({}))
    completer.install()

    def at(text):
        before = text.split("|")[0]
        with provisionalcompleter():
            return [found.text for found in shell.Completer.completions(before, len(before))]

    yield at
    completer.remove()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("%%comfy wor|", ["workflow.json"]),
        ("%%comfy sub/|", ["sub/other.json"]),
        ("%%comfy workflow.json --o|", ["--out"]),
        ("%%comfy workflow.json -s emb|", ["embedded"]),
        ("%comfy u|", ["use"]),
        ("%comfy can|", ["cancel"]),
        ("%comfy run wor|", ["workflow.json"]),
        ("%comfy use emb|", ["embedded"]),
    ],
)
def test_the_line_completes_files_options_and_commands(complete, text, found):
    assert complete(text) == found


def test_every_option_is_offered():
    taken = [option for action in ComfyMagics.comfy_cell.parser._actions for option in action.option_strings]
    assert sorted(OPTIONS) == sorted(taken)


def test_the_line_offers_folders_and_workflows_only(complete):
    assert complete("%%comfy |") == ["made.PNG", "sub/", "workflow.json"]


def test_the_body_completes_the_workflows_parameters(complete):
    found = complete("%%comfy workflow.json -o r\npr|")
    assert "prompt = " in found
    assert set(complete("%%comfy workflow.json\n|")) >= {"prompt = ", "seed = ", "steps = "}


def test_the_body_completes_dotted_names(complete):
    assert complete("%%comfy workflow.json\nsecond_text.te|") == ["second_text.text = "]
    assert "second_text.text = " in complete("%%comfy workflow.json\nsec|")


def test_values_are_not_names(complete):
    assert "seed = " not in complete("%%comfy workflow.json\nsteps = se|")


def test_a_variable_that_holds_the_workflow(complete, shell):
    shell.user_ns["graph"] = GRAPH
    assert "steps = " in complete("%%comfy graph\nst|")


def test_a_changed_file_is_read_again(complete, tmp_path):
    complete("%%comfy workflow.json\n|")
    (tmp_path / "workflow.json").write_text(json.dumps({"1": {"class_type": "A", "inputs": {"novel": 1}}}))
    os.utime(tmp_path / "workflow.json", (1, 1))
    assert "novel = " in complete("%%comfy workflow.json\nnov|")


@pytest.mark.parametrize("text", ["%%comfy nope.json\nst|", "%%comfy\nst|", "%%comfy notes.txt\nst|", "x = 1|"])
def test_where_nothing_is_known_nothing_fails(complete, text, capsys):
    complete(text)
    assert "Traceback" not in capsys.readouterr().err


def test_other_cells_are_left_alone(complete):
    assert "--out" not in complete("%%time --o|")

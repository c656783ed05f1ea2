import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfy_notebook.notebook.body import read_body
from comfy_notebook.notebook.form.code import call, cell


def run(code):
    """Return what a call of kit.run gets."""
    taken = {}
    node = ast.parse(code).body[-1].value
    taken["values"] = ast.literal_eval(node.args[1]) if len(node.args) > 1 else {}
    taken["source"] = node.args[0].value if isinstance(node.args[0], ast.Constant) else node.args[0].id
    return taken


def test_a_cell_reads_as_one_would_write_it():
    values = {"prompt": 'a "red" fox', "steps": 30, "upscale_model.scale_by": 1.5, "tiled": True}
    assert cell("workflow.json", None, values) == (
        "%%comfy workflow.json\nprompt = 'a \"red\" fox'\nsteps = 30\nupscale_model.scale_by = 1.5\ntiled = True"
    )
    assert cell("my flow.json", "http://gpu:8188", {"a": 'x"y'}).startswith(
        '%%comfy "my flow.json" -s http://gpu:8188\n'
    )
    assert cell("w.json", None, {"prompt": "two\nlines"}) == '%%comfy w.json\nprompt = """two\nlines"""'
    assert cell("w.json", None, {}) == "%comfy run w.json"


@pytest.mark.parametrize("name", ["6.text", "_hidden", "class", "with space", "a.b.1", "prompt!"])
def test_names_that_cannot_be_assigned_to_are_written_as_a_mapping(name):
    values = {name: "x", "steps": 3}
    code = cell("w.json", None, values)
    assert code.splitlines()[1] == "{"
    assert read_body(code.partition("\n")[2], {}) == values


def test_a_name_and_one_below_it_do_not_meet():
    values = {"a": 1, "a.b": 2}
    assert read_body(cell("w.json", None, values).partition("\n")[2], {}) == values


NAMES = st.text(st.sampled_from("abz_.0 é"), min_size=1, max_size=6)
VALUES = st.one_of(
    st.text(max_size=40), st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.integers(), max_size=2),
)  # fmt: skip


@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=5))
def test_code_gives_exactly_the_values_back(values):
    assert read_body(cell("w.json", None, values).partition("\n")[2], {}) == values
    assert run(call("w.json", None, values)) == {"values": values, "source": "w.json"}


def test_files_are_written_as_where_they_are():
    path = Path("pictures") / "a.png"
    assert run(call("graph", None, {"image": path}, variable=True)) == {
        "values": {"image": str(path)},
        "source": "graph",
    }


def test_the_call_names_its_server():
    code = call("w.json", "http://gpu:8188", {})
    assert code == (
        'from comfy_notebook import ComfyKit\n\nkit = ComfyKit("http://gpu:8188")\nresult = kit.run("w.json")'
    )
    compile(code, "code", "exec")

import json

import pytest

from comfy_notebook import ParameterError
from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.requirements import lacking_choices, lacking_nodes
from comfy_notebook.workflow.schema import read_node
from comfy_notebook.workflow.sources import read

SCHEMAS = {
    "KSampler": read_node(
        "KSampler",
        {"input": {"required": {"seed": ["INT"], "steps": ["INT", {"min": 1}], "sampler_name": [["euler", "ddim"]]}}},
    ),
    "LoadImage": read_node("LoadImage", {"input": {"required": {"image": [["here.png"], {"image_upload": True}]}}}),
    "PreviewImage": read_node("PreviewImage", {"output_node": True}),
    "Gone": None,
}


def flow(schemas=SCHEMAS):
    graph = {
        "3": {"class_type": "KSampler", "inputs": {"seed": 0, "steps": 4, "sampler_name": "eular", "x": ["5", 0]}},
        "5": {"class_type": "LoadImage", "inputs": {"image": "hear.png"}, "_meta": {"title": "$~photo!"}},
        "7": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}, "_meta": {"title": "$output.cover"}},
        "8": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}, "_meta": {"title": "Look"}},
        "9": {"class_type": "Gone", "inputs": {"images": ["3", 0]}},
    }
    return Workflow(graph, "w.json", schemas=schemas)


def test_outputs_have_the_names_that_group_them_in_a_result():
    assert flow().outputs == {"7": "cover", "8": "8", "9": "9"}
    assert flow({}).outputs == {"7": "cover", "8": "8", "9": "9"}  # without a server: what nothing takes up


def test_with_params_leaves_the_workflow_and_its_names_as_they_are():
    workflow = flow()
    changed = workflow.with_params({"3.steps": 9}, photo="here.png").with_params(steps=8)
    assert dict(changed.values) == {"photo": "here.png", "steps": 8}
    assert list(changed.params) == list(workflow.params)
    assert (changed.params["steps"].default, workflow.params["steps"].default) == (8, 4)
    assert (changed.params["photo"].required, workflow.params["photo"].required) == (False, True)
    assert changed.graph == workflow.graph


@pytest.mark.parametrize(("values", "says"), [({"stepz": 1}, "Did you mean steps"), ({"steps": 0}, "at least 1")])
def test_with_params_tells_of_mistakes_at_once(values, says):
    with pytest.raises(ParameterError, match=says):
        flow().with_params(values)


def test_a_saved_workflow_reads_back_with_its_values_in_place(tmp_path):
    path = flow().with_params(steps=9, photo="here.png", sampler_name="ddim").save_api(tmp_path / "ü.json")
    graph = read(path).workflow({}).graph
    assert graph["3"]["inputs"] == {"seed": 0, "steps": 9, "sampler_name": "ddim", "x": ["5", 0]}
    assert graph["5"]["inputs"]["image"] == "here.png"
    assert "ü" not in path.read_text(encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == graph


def test_a_workflow_with_a_file_of_this_machine_cannot_be_saved(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(ParameterError, match="photo holds a file that is not on the server"):
        flow().with_params(photo=tmp_path / "a.png").save_api(tmp_path / "w.json")


def test_what_the_server_lacks_is_told_with_the_closest_it_has():
    workflow = flow()
    assert [str(problem) for problem in lacking_choices(workflow)] == [
        "sampler_name: the server does not have 'eular'. Did you mean 'euler'?",
        "photo: the server does not have 'hear.png'. Did you mean 'here.png'?",
    ]
    assert [problem.node_id for problem in lacking_nodes(workflow, workflow.schemas)] == ["9"]
    assert list(lacking_nodes(workflow, {})) == []


def test_values_given_in_advance_are_not_lacking():
    workflow = flow().with_params(photo="here.png", sampler_name="ddim")
    assert list(lacking_choices(workflow)) == []

"""ComfyUI's own templates, as far as a server of 2025 has their nodes."""

import json
from collections import Counter
from importlib import resources

import pytest
from pages import FOLDER, NO_FOLDER, converted_for

from comfy_notebook import WorkflowError
from comfy_notebook.workflow.editor import class_types, read_document
from comfy_notebook.workflow.editor.kinds import fits
from comfy_notebook.workflow.formats import Document
from comfy_notebook.workflow.schema import read_node
from comfy_notebook.workflow.values import UnfitError, fit

pytestmark = pytest.mark.skipif(bool(NO_FOLDER), reason=NO_FOLDER)

# Nodes that have fewer outputs on that server than when these were saved; the server says so.
LOST_OUTPUTS = {
    "api_tripo3_0_text_to_model.json",
    "api_tripo_image_to_model.json",
    "api_tripo_multiview_to_model.json",
    "api_tripo_text_to_model.json",
}
# Nodes in a bypassed subgraph, which the page opens and nothing needs.
OPEN_INPUTS = {"flux1_dev_uso_reference_image_gen.json": {"112:55:117", "112:56:119"}}
LEAST = 137


@pytest.fixture(scope="module")
def schemas():
    info = json.loads((FOLDER / "object_info.json").read_text(encoding="utf-8"))
    return {name: read_node(name, entry) for name, entry in info.items()}


@pytest.fixture(scope="module")
def templates():
    package = pytest.importorskip("comfyui_workflow_templates_json")
    files = sorted(resources.files(package).joinpath("templates").iterdir(), key=lambda file: file.name)
    read = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in files if file.name.endswith(".json")}
    return {name: document for name, document in read.items() if Document(document, name).is_editors}


def attempt(document, schemas):
    try:
        return converted_for(schemas, document)
    except WorkflowError as error:
        return error


def test_every_template_converts_or_says_why_not(templates, schemas):
    counts, unexplained = Counter(), {}
    for name, document in templates.items():
        known = class_types(read_document(document)) <= schemas.keys()
        found = attempt(document, schemas)
        counts[known, isinstance(found, dict)] += 1
        if isinstance(found, WorkflowError):
            reasons = ("the server does not have", "is made in a browser")
            if known or not all(any(reason in problem.message for reason in reasons) for problem in found.problems):
                unexplained[name] = str(found)
    print(f"{len(templates)} templates; (nodes known, converted): {dict(counts)}")
    assert not unexplained
    assert counts[True, True] >= LEAST


def test_what_comes_out_is_what_the_server_takes(templates, schemas):
    wrong = []
    for name, document in templates.items():
        if class_types(read_document(document)) <= schemas.keys():
            graph = attempt(document, schemas)
            wrong += [f"{name}: {said}" for said in _wrong(name, graph, schemas)]
    assert not wrong


def _wrong(name, graph, schemas):
    for node_id, node in graph.items():
        for spec in schemas[node["class_type"]].inputs.values():
            where = f"{node_id} {node['class_type']} {spec.name}"
            if spec.name not in node["inputs"]:
                if spec.required and node_id not in OPEN_INPUTS.get(name, ()):
                    yield f"{where} is not there"
            elif isinstance(value := node["inputs"][spec.name], list):
                outputs = schemas[graph[value[0]]["class_type"]].outputs
                if value[1] >= len(outputs):
                    if name not in LOST_OUTPUTS:
                        yield f"{where} is linked to output {value[1]} of {len(outputs)}"
                elif not fits(outputs[value[1]], spec.type):
                    yield f"{where} is {spec.type}, and linked to {outputs[value[1]]}"
            elif spec.is_widget:
                yield from _unfit(where, value, spec)


def _unfit(where, value, spec):
    try:
        fit(value["__value__"] if isinstance(value, dict) else value, spec)
    except UnfitError as error:
        if "not among the server's choices" not in str(error):  # models and pictures that are not installed there
            yield f"{where}: {error}"

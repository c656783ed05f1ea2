"""Forms for ComfyUI's own templates: they open, and give back exactly what the workflow holds."""

import json
from importlib import resources

import ipywidgets
import pytest
from pages import FOLDER, NO_FOLDER

from comfy_notebook import WorkflowError
from comfy_notebook.kit import ComfyKit
from comfy_notebook.notebook.form.files import FormFiles
from comfy_notebook.notebook.form.rows import GroupView
from comfy_notebook.notebook.form.session import Session
from comfy_notebook.notebook.form.state import FormState
from comfy_notebook.workflow.editor import class_types, read_document
from comfy_notebook.workflow.formats import Document
from comfy_notebook.workflow.graph import literals
from comfy_notebook.workflow.schema import read_node

pytestmark = pytest.mark.skipif(bool(NO_FOLDER), reason=NO_FOLDER)
LEAST = 130


@pytest.fixture(scope="module")
def workflows():
    package = pytest.importorskip("comfyui_workflow_templates_json")
    info = json.loads((FOLDER / "object_info.json").read_text(encoding="utf-8"))
    schemas = {name: read_node(name, entry) for name, entry in info.items()}
    found = []
    for file in sorted(resources.files(package).joinpath("templates").iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".json"):
            continue
        document = Document(json.loads(file.read_text(encoding="utf-8")), file.name)
        if document.is_editors and class_types(read_document(document.content)) <= schemas.keys():
            try:
                found.append(document.workflow(schemas, "a server"))
            except WorkflowError:
                continue  # what cannot be converted is told by tests/workflow/editor
    return found


def test_every_field_of_every_template_opens_and_changes_nothing(workflows):
    assert len(workflows) >= LEAST
    for workflow in workflows:
        state = FormState(workflow)
        files = FormFiles(ComfyKit("http://127.0.0.1:9"), state, Session(), start=lambda work: work.close())
        made = []
        for group in state.groups:
            view = GroupView(group, state, files, made.extend)
            if group.title:
                view.widget.children[0].value = True  # unfold it
        for row in made:
            for name in row.names:
                value = state.values[name]
                assert name in state.loose or holds(shown(row), value), (workflow.name, name, value)
        ipywidgets.Widget.close_all()
        assert sorted(name for row in made for name in row.names) == sorted(state.fields), workflow.name
        own = {name: parameter.default for name, parameter in workflow.params.items()}
        assert state.values == own, workflow.name
        assert all(type(state.values[name]) is type(own[name]) for name in own), workflow.name
        assert state.changed() == {}, workflow.name
        placed = {target for field in state.fields.values() for target in field.parameter.targets}
        assert placed >= {target for target, _ in literals(workflow.graph)}, workflow.name


def leaves(widget):
    children = getattr(widget, "children", ())
    return [leaf for child in children for leaf in leaves(child)] if children else [widget]


def shown(row):
    """Return what the row's controls hold."""
    control = next(child for child in row.widget.children if "cnbf-control" in child._dom_classes)
    return [leaf.value for leaf in leaves(control) if leaf.has_trait("value")]


def holds(values, value):
    if isinstance(value, dict | list):
        return any(text == json.dumps(value, ensure_ascii=False) for text in values)
    if isinstance(value, bool):
        return any(value is each for each in values)
    if value is None or isinstance(value, str):
        return (value or "") in values
    return any(each in (value, str(value), f"#{round(value):06x}") for each in values)

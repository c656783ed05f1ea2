"""Whatever comes in, the converter gives a graph or says why not."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pages import SCHEMAS, control, converted_for, node, page, socket, subgraph, within

from comfy_notebook import WorkflowError
from comfy_notebook.workflow.editor import convert, read_document
from comfy_notebook.workflow.schema import read_node

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
odd_ids = [None, "1", 2.0, True, "1:2", 10**400, float("nan"), float("inf"), -10, -20]
ids = st.integers(-20, 4) | st.sampled_from(odd_ids)
on_the_page = ["Reroute", "PrimitiveNode", "Note", "GetNode", "SetNode", "sub", "workflow>group", "?"]
types = st.sampled_from([*SCHEMAS, *on_the_page])
proxies = st.fixed_dictionaries({"proxyWidgets": st.lists(st.lists(ids, max_size=3), max_size=2)})
slots = st.fixed_dictionaries(
    {"name": st.sampled_from(["image", "width", "value", "text", "", "images", "filename_prefix"]), "link": ids},
    optional={
        "type": st.sampled_from(["IMAGE", "INT", "*", "", "A,B"]) | json_values,
        "widget": st.fixed_dictionaries({"name": st.sampled_from(["width", "value", "text"])}) | json_values,
        "linkIds": st.lists(ids, max_size=3) | json_values,
    },
)
nodes = st.fixed_dictionaries(
    {"id": ids, "type": types},
    optional={
        "mode": st.sampled_from([0, 1, 2, 3, 4, None, "4", 4.0]),
        "inputs": st.lists(slots, max_size=3),
        "outputs": st.lists(slots, max_size=2),
        "widgets_values": st.lists(json_values, max_size=6) | json_values,
        "widgets_values_named": json_values,
        "title": st.text(max_size=5),
        "properties": proxies | json_values,
    },
)
links = st.lists(st.lists(ids, min_size=4, max_size=6) | json_values, max_size=5)
canvases = {"nodes": st.lists(nodes | json_values, max_size=5), "links": links}
ports = {"inputs": st.lists(slots, max_size=3), "outputs": st.lists(slots, max_size=3)}
definition = st.fixed_dictionaries({"id": st.sampled_from(["sub", "other"]), **canvases, **ports})
definitions = st.lists(definition, max_size=2)
documents = st.fixed_dictionaries(
    canvases,
    optional={
        "definitions": st.fixed_dictionaries({"subgraphs": definitions}) | json_values,
        "extra": st.fixed_dictionaries(
            {"groupNodes": st.fixed_dictionaries({"group": st.fixed_dictionaries(canvases) | json_values})}
        )
        | json_values,
    },
)


def attempt(document):
    """Convert, and return whether it went well."""
    before = repr(document)
    try:
        graph = converted_for(SCHEMAS, document)
    except WorkflowError as error:
        assert str(error)
        return False
    finally:
        assert repr(document) == before
    for entry in graph.values():
        assert isinstance(entry["class_type"], str)
        assert isinstance(entry["_meta"]["title"], str)
        for value in entry["inputs"].values():
            assert not isinstance(value, list) or (value[0] in graph and isinstance(value[1], int))
    return True


@given(documents)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_nodes(document):
    assert isinstance(document.get("nodes"), list)
    attempt(document)


@given(json_values)
def test_any_json(document):
    if not (isinstance(document, dict) and isinstance(document.get("nodes"), list)):
        assert not attempt(document)


def sound():
    """Return a document with one of everything."""
    inner = subgraph(
        "inner",
        node(5, "Picture", 1, "fixed", 16, 24, takes=[control("width", origin=-10)]),
        node(6, "Invert", takes=[socket("image", origin=5)]),
        takes=[("width", "INT")],
        gives=[("IMAGE", 6, 0)],
    )
    invert = {"type": "Invert", "inputs": [{"name": "image", "type": "IMAGE"}], "outputs": [{"type": "IMAGE"}]}
    group = {"nodes": [{"type": "Number", "widgets_values": [1]}, invert], "links": []}
    return page(
        node(1, "inner", 64, takes=[control("width", origin=8)], properties={"proxyWidgets": [["5", "seed"]]}),
        node(2, "Reroute", takes=[socket("", "*", origin=1)]),
        node(3, "Invert", takes=[socket("image", origin=2)], mode=4),
        node(4, "SaveImage", "%date:yyyy% %Text.text%", takes=[socket("images", origin=3)]),
        node(5, "workflow>group", 7, takes=[socket("image", origin=3)]),
        node(6, "Text", "{a|b}", "c"),
        node(7, "PrimitiveNode", 8, "fixed", gives=("INT",)),
        node(8, "Number", 4, takes=[control("value", origin=7)]),
        **within(inner),
        extra={"groupNodes": {"group": group}},
    )


def places(value, path=()):
    """Go through all the places in a document."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*path, key)
            yield from places(value[key], (*path, key))


PLACES = sorted(places(sound()), key=repr)


def with_changed(document, path, value):
    changed = copy.deepcopy(document)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return changed


def test_the_sound_document_converts():
    assert attempt(sound())


@given(st.lists(st.tuples(st.sampled_from(PLACES), json_values | ids | types), min_size=1, max_size=3))
@settings(max_examples=400, deadline=None)
def test_any_change_of_a_sound_document(changes):
    document = sound()
    for path, value in changes:
        try:
            document = with_changed(document, path, value)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    attempt(document)


def test_a_sound_document_without_any_one_part():
    for path in PLACES:
        document = sound()
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        del holder[path[-1]]
        attempt(document)


@given(json_values, st.lists(json_values, max_size=4))
def test_any_declaration(declared, values):
    schema = read_node("One", {"input": {"required": {"x": declared, "y": ["INT", declared]}, "optional": declared}})
    document = page(node(1, "One", *values), node(2, "PrimitiveNode", 5, gives=("INT",)))
    try:
        convert(read_document(document), {"One": schema})
    except WorkflowError as error:
        assert str(error)


def test_values_nested_without_end():
    deep = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(WorkflowError, match="is not a number"):
        convert(read_document(page(node(1, "Number", deep))), SCHEMAS)

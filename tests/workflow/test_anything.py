"""Whatever comes in, the readers answer or say why not."""

import json
import string

from hypothesis import given
from hypothesis import strategies as st

from comfy_notebook import ParameterError, WorkflowError
from comfy_notebook.notebook.body import read_body
from comfy_notebook.servers.events import read_binary, read_text
from comfy_notebook.workflow.binding import bind
from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.markers import output_name, parameter_markers, plain_title
from comfy_notebook.workflow.schema import read_node
from comfy_notebook.workflow.sources import read

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
titles = st.text(alphabet="$~.!:, abü" + string.digits, max_size=30) | st.text(max_size=20)
nodes = st.fixed_dictionaries(
    {"class_type": st.text(max_size=8)},
    optional={"inputs": st.dictionaries(st.text(max_size=6), json_values, max_size=3), "_meta": json_values},
)
graphs = st.dictionaries(st.text(max_size=4), nodes, min_size=1, max_size=4)


@given(titles)
def test_any_title(title):
    markers = parameter_markers(title)
    assert not (markers and output_name(title))
    assert all("," not in marker.name for marker in markers)
    assert "$" not in plain_title(title)[:1]


@given(json_values)
def test_any_document(document):
    try:
        assert read(json.dumps(document)).workflow({}).graph
    except WorkflowError as error:
        assert str(error)


@given(st.text(max_size=60))
def test_any_text(text):
    try:
        read(text).workflow({})
    except WorkflowError as error:
        assert str(error)


@given(graphs, st.dictionaries(st.text(max_size=8), json_values, max_size=3), json_values)
def test_any_graph_values_and_schema(graph, values, declared):
    workflow = read(graph).workflow({})
    before = json.dumps(workflow.graph)
    schemas = {name: read_node(name, {"input": {"required": {"x": declared}}}) for name in workflow.class_types}
    try:
        bind(workflow, values, schemas)
    except ParameterError as error:
        assert error.problems
    assert json.dumps(workflow.graph) == before


linked = st.dictionaries(
    st.sampled_from(["positive", "negative", "conditioning", "text", "clip", "x"]),
    st.text(max_size=3) | st.tuples(st.sampled_from("123"), st.integers(0, 2)).map(list),
)
linked_nodes = st.fixed_dictionaries({"class_type": st.sampled_from(["KSampler", "Text", "A.b"]), "inputs": linked})


@given(st.dictionaries(st.sampled_from("123"), linked_nodes, min_size=1))
def test_any_web_of_nodes_has_names_that_find_what_they_name(graph):
    """Cycles and links to nowhere among them; a name finds its parameter, and an address its input."""
    workflow = Workflow(graph)
    assert list(Workflow(json.loads(json.dumps(graph))).params) == list(workflow.params)
    for name, parameter in workflow.params.items():
        assert workflow.lookup.find(name) == parameter
        assert [workflow.lookup.find(str(target)).targets for target in parameter.targets] == [
            (target,) for target in parameter.targets
        ]


@given(st.text() | json_values.map(json.dumps), st.binary())
def test_any_frame(text, content):
    read_text(text)
    read_binary(content)


@given(st.text(alphabet="abc:{}[]'\"# \n-|>&*!%@`,=", max_size=40))
def test_any_body(body):
    try:
        read_body(body, {})
    except ParameterError as error:
        assert error.hint
    except (NameError, TypeError, ValueError, ZeroDivisionError, SyntaxError, AttributeError, KeyError):
        pass  # the body is Python, and raised this itself

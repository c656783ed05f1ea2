"""Real workflows beside what ComfyUI's own page made of them."""

import copy
import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pages import FOLDER, NO_FOLDER, converted_for

from comfy_notebook import WorkflowError
from comfy_notebook.workflow.schema import read_node

pytestmark = pytest.mark.skipif(bool(NO_FOLDER), reason=NO_FOLDER)

# What differs from the page, and why.
ELSEWHERE = {
    "case_bare_workflow": "the page loses the links of a document without a version",
    "case_links_objects": "the page loses links that are objects in a document of version 0.4",
    "case_widgets_values_dict": "the page ignores values by name; only the scripts of custom nodes read them",
    "case_group_node_bypassed": "1.32.9 cuts the links of a bypassed group node that it runs; 1.58.1 does not",
}
REFUSED = {
    "case_unknown_node": "the server does not have NoSuchNodeClass",
    "api_moonvalley_video_to_video_pose_control": "control_type: 'randomize' is not one of its choices",
    "api_moonvalley_video_to_video_motion_transfer": "steps: 'randomize' is not a number",
}
# Inputs that only the page has, for what it shows.
OF_THE_PAGE = ("audioUI", "preview", "image", "upload")
LEAST = {"frontend-1.32.9": 133, "frontend-1.58.1": 107}


@pytest.fixture(scope="module")
def schemas():
    info = json.loads((FOLDER / "object_info.json").read_text(encoding="utf-8"))
    return {name: read_node(name, entry) for name, entry in info.items()}


def read(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def compared(graph, schemas):
    """Return what counts of a graph."""
    found = {}
    for node_id, node in graph.items():
        schema = schemas.get(node.get("class_type"))
        own = [name for name in OF_THE_PAGE if schema is None or name not in schema.inputs]
        inputs = {name: value for name, value in node["inputs"].items() if name not in own}
        found[node_id] = (node.get("class_type"), inputs)
    return found


def shapes(graph):
    """Describe the nodes of a graph by all that they hang together with, so that inner ids do not matter."""
    known = {}
    for node_id, (kind, inputs) in graph.items():
        values = {name: value for name, value in inputs.items() if not isinstance(value, list)}
        known[node_id] = hash((kind, json.dumps(values, sort_keys=True), ":" in node_id or node_id))
    for _ in range(10):
        takers = {node_id: [] for node_id in graph}
        givers = {node_id: [] for node_id in graph}
        for node_id, (_, inputs) in graph.items():
            for name, value in inputs.items():
                if isinstance(value, list):
                    takers[value[0]].append((known[node_id], name, value[1]))
                    givers[node_id].append((known[value[0]], name, value[1]))
        known = {key: hash((known[key], *sorted(takers[key]), 0, *sorted(givers[key]))) for key in graph}
    return Counter(known.values())


def judged(folder, schemas):
    """Convert one workflow and say how it compares: "exact", else "refused" or "elsewhere", with what was said."""
    document = read(folder, "ui.json")
    try:
        graph = converted_for(schemas, document)
    except WorkflowError as error:
        return "refused", str(error)
    ours, theirs = compared(graph, schemas), compared(read(folder, "api.json"), schemas)
    if ours == theirs or shapes(ours) == shapes(theirs):
        return "exact", ""
    return "elsewhere", "\n".join(
        f"{node_id}: page {theirs.get(node_id)}, here {ours.get(node_id)}"
        for node_id in sorted(ours.keys() | theirs.keys())
        if ours.get(node_id) != theirs.get(node_id)
    )


@pytest.mark.parametrize("page", LEAST)
def test_workflows_convert_as_on_the_page(page, schemas):
    found = {folder.name: judged(folder, schemas) for folder in sorted((FOLDER / page).iterdir())}
    counts = Counter(verdict for verdict, _ in found.values())
    print(f"{page}: {dict(counts)} of {len(found)}")
    unexplained = {
        name: said
        for name, (verdict, said) in found.items()
        if (verdict == "elsewhere" and name not in ELSEWHERE)
        or (verdict == "refused" and REFUSED.get(name, "no such reason") not in said)
    }
    assert not unexplained
    assert counts["exact"] >= LEAST[page]


def test_values_that_the_page_puts_into_the_wrong_inputs(schemas):
    """Their nodes have changed since: two say which value is whose, the third is refused."""
    for folder in sorted((FOLDER / "set_aside").iterdir()):
        verdict, said = judged(folder, schemas)
        if folder.name in REFUSED:
            assert REFUSED[folder.name] in said
            continue
        assert verdict == "elsewhere"
        document = read(folder, "ui.json")
        graph = converted_for(schemas, document)
        sampler = next(node["inputs"] for node in graph.values() if node["class_type"] == "KSampler")
        assert (sampler["sampler_name"], sampler["scheduler"]) == ("euler", "normal")
        assert sampler["steps"] in (20, 30)


def places(value, path=()):
    """Go through all the places in a document."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*path, key)
            yield from places(value[key], (*path, key))


def at(document, path):
    for key in path:
        document = document[key]
    return document


ODD = [
    None,
    True,
    -1,
    0,
    1,
    10**400,
    float("nan"),
    "",
    "x",
    [],
    {},
    [[1]],
    {"a": 1},
    "Reroute",
    "PrimitiveNode",
    -10,
    -20,
]


@pytest.fixture(scope="module")
def documents():
    folders = [folder for page in LEAST for folder in sorted((FOLDER / page).iterdir())]
    return [read(folder, "ui.json") for folder in folders if (folder / "ui.json").stat().st_size < 50_000]


@given(chance=st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_real_workflow_that_was_tampered_with_converts_or_says_why_not(documents, schemas, chance):
    document = copy.deepcopy(chance.choice(documents))
    everywhere = [path for path in places(document) if path[0] in ("nodes", "links", "definitions", "extra")]
    for _ in range(chance.choice([1, 2, 5])):
        path = chance.choice(everywhere)
        other = chance.choice(everywhere)
        try:
            at(document, path[:-1])[path[-1]] = copy.deepcopy(chance.choice([*ODD, at(document, other)]))
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    try:
        graph = converted_for(schemas, document)
    except WorkflowError as error:
        assert str(error)
        return
    links = [value for node in graph.values() for value in node["inputs"].values() if isinstance(value, list)]
    assert all(node_id in graph and slot >= 0 for node_id, slot in links)

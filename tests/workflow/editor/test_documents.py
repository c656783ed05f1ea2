import pytest
from pages import INFO, SCHEMAS, control, converted, inputs, node, page, socket, subgraph, within

from comfy_notebook import WorkflowError
from comfy_notebook.workflow.editor import class_types, convert, read_document
from comfy_notebook.workflow.formats import Document


def pair(**rest):
    save = node(2, "SaveImage", "x", takes=[socket("images", origin=1)])
    return page(node(1, "Picture", 7, "fixed", 64, 48), save, **rest)


def test_a_document_is_told_by_its_list_of_nodes():
    assert Document({"nodes": []}, "w").is_editors
    assert not Document({"1": {"class_type": "Picture", "inputs": {}}}, "w").is_editors
    assert not Document([{"nodes": []}], "w").is_editors
    with pytest.raises(WorkflowError, match="no list of nodes"):
        read_document({"nodes": {}})


def test_nodes_become_entries_with_class_inputs_and_title():
    graph = converted(page(node(1, "Picture", 7, "fixed", 64, 48), node(5, "Number", 3, title="How many")))
    assert graph["1"] == {
        "inputs": {"seed": 7, "width": 64, "height": 48},
        "class_type": "Picture",
        "_meta": {"title": "Make a Picture"},
    }
    assert graph["5"]["_meta"] == {"title": "How many"}


def test_links_as_lists_and_as_objects():
    lists = pair()
    ends = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    objects = lists | {"links": [dict(zip(ends, link, strict=True)) for link in lists["links"]], "version": 1}
    assert inputs(lists)["2"] == inputs(objects)["2"] == {"filename_prefix": "x", "images": ["1", 0]}


def test_a_document_without_a_version_keeps_its_links():
    document = pair()
    del document["version"]
    assert inputs(document)["2"]["images"] == ["1", 0]


def test_ids_as_numbers_as_text_and_with_a_point():
    document = pair()
    document["nodes"][0]["id"] = 1.0
    document["links"][0][1] = "1"
    assert inputs(document)["2"]["images"] == ["1", 0]


def test_what_is_only_seen_is_left_out():
    notes = [node(1, "Note", "hello", gives=()), node(2, "MarkdownNote", "# hello", gives=())]
    assert converted(page(*notes, groups=[{"title": "box"}])) == {}
    label = {"id": 3, "type": "Label (some pack)", "inputs": [], "outputs": []}
    assert converted(page(label)) == {}


def test_a_link_that_is_not_in_the_list_is_open():
    assert inputs(pair(links=[]))["2"] == {"filename_prefix": "x"}


def test_native_reroutes_change_nothing():
    extra = {"linkExtensions": [{"id": 1, "parentId": 2}], "reroutes": [{"id": 2, "linkIds": [1]}]}
    assert inputs(pair(extra=extra)) == inputs(pair())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda doc: doc["nodes"].append("x"), "entry 2 of nodes: it is a str, not a node"),
        (lambda doc: doc["nodes"].append({"type": "Number"}), "without an id"),
        (lambda doc: doc["nodes"].append({"id": 3}), "node 3 has no type"),
        (lambda doc: doc["nodes"].append(node(2, "Number")), "Number \\(node 2\\): two nodes have this id"),
        (
            lambda doc: doc["nodes"].pop(0),
            r"\(node 2\): images: its link comes from node 1, which",
        ),
        (lambda doc: doc["links"][0].__setitem__(3, 9), "images: its link ends at node 9"),
        (lambda doc: doc["nodes"][0].update(type="Gone"), "Gone \\(node 1\\): the server does not have Gone"),
    ],
)
def test_what_is_broken_is_named(change, said):
    document = pair()
    change(document)
    with pytest.raises(WorkflowError, match=said):
        converted(document)


def test_every_problem_is_reported_at_once():
    document = page(node(1, "Gone"), node(2, "Lost", title="Mine"), node(3, "Number", 1))
    with pytest.raises(WorkflowError) as caught:
        converted(document)
    assert [problem.node_id for problem in caught.value.problems] == ["1", "2"]
    assert 'Lost "Mine" (node 2)' in str(caught.value)


def test_a_node_that_the_server_lacks_may_be_muted_or_bypassed():
    gone = node(1, "Gone", takes=[socket("image", origin=3)], mode=4)
    document = page(node(3, "Picture", 1, "fixed", 16, 16), gone, node(2, "Invert", takes=[socket("image", origin=1)]))
    assert inputs(document)["2"] == {"image": ["3", 0]}
    document["nodes"][1]["mode"] = 2
    assert inputs(document)["2"] == {}


def test_class_types_names_what_a_server_has():
    inner = subgraph("inner", node(1, "Invert"))
    unused = subgraph("unused", node(1, "Batch"))
    document = page(
        *[node(1, "Reroute"), node(2, "PrimitiveNode"), node(3, "Note"), node(4, "inner"), node(5, "workflow>pair")],
        **within(inner, unused),
        extra={"groupNodes": {"pair": {"nodes": [{"type": "Number"}, {"type": "Reroute"}], "links": []}}},
    )
    assert class_types(read_document(document)) == {"Invert", "Number"}


def test_the_document_stays_as_it_is():
    document = page(node(1, "Picture", 7, "fixed", 64, 48, takes=[control("width", origin=2)]), node(2, "Number", 8))
    before = repr(document)
    convert(read_document(document), dict(SCHEMAS))
    assert repr(document) == before
    assert set(INFO) >= class_types(read_document(document))

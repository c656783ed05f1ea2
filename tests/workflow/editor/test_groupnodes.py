import pytest
from pages import INFO, control, inputs, node, page, socket

from comfy_notebook import WorkflowError

GROUP = "workflow>pair"


def inner(kind, *values, sockets=(), gives=("IMAGE",), **rest):
    """Describe a node of a group's definition; sockets are plain inputs."""
    return node(None, kind, *values, gives=gives, **rest) | {"inputs": [dict(slot) for slot in sockets]}


def plain(name, kind="IMAGE", **rest):
    return {"name": name, "type": kind, "link": None} | rest


def shown(name, kind="INT", **rest):
    return plain(name, kind, widget={"name": name}, **rest)


def grouped(*nodes, links=(), definition=(), external=None, config=None, **rest):
    saved = {"nodes": list(definition), "links": [list(link) for link in links]}
    saved |= {"external": external} if external else {}
    saved |= {"config": config} if config else {}
    return page(*nodes, extra={"groupNodes": {"pair": saved}}, **rest)


PAIR = {
    "definition": [
        inner("Sampler", sockets=[plain("model", "MODEL")]),
        inner("Invert", sockets=[plain("image")]),
    ],
    "links": [(0, 0, 1, 0, 1, "IMAGE")],
}
VALUES = [42, "randomize", 3, 7.5, "ddim", 0.5]


@pytest.mark.parametrize("kind", ["workflow>pair", "workflow/pair"])
def test_a_group_is_opened_with_its_values(kind):
    group = node(8, kind, *VALUES, takes=[socket("model", "MODEL", origin=1)])
    save = node(9, "SaveImage", "x", takes=[socket("images", origin=8)])
    found = inputs(grouped(node(1, "Any", gives=("MODEL",)), group, save, **PAIR))
    assert found["8:0"] == {
        "model": ["1", 0],
        "seed": 42,
        "steps": 3,
        "cfg": 7.5,
        "sampler": "ddim",
        "denoise": 0.5,
    }
    assert found["8:1"] == {"image": ["8:0", 0]}
    assert found["9"]["images"] == ["8:1", 0]


def test_two_groups_of_one_kind_have_values_of_their_own():
    found = inputs(grouped(node(8, GROUP, *VALUES), node(9, GROUP, 7, *VALUES[1:]), **PAIR))
    assert [found[path]["seed"] for path in ("8:0", "9:0")] == [42, 7]


@pytest.mark.parametrize("mode", [2, 4])
def test_a_group_that_is_muted_or_bypassed_is_opened_all_the_same_as_on_the_page(mode):
    assert set(inputs(grouped(node(8, GROUP, *VALUES, mode=mode), **PAIR))) == {"8:0", "8:1"}


def test_inputs_that_were_converted_come_last():
    definition = [
        inner("Picture", sockets=[shown("width")]),
        inner("Number"),
    ]
    group = node(8, GROUP, 1, "fixed", 24, 5, 64)
    found = inputs(grouped(group, definition=definition))
    assert found == {"8:0": {"seed": 1, "width": 64, "height": 24}, "8:1": {"value": 5}}
    fed = node(8, GROUP, 1, "fixed", 24, 5, 64, takes=[control("width", origin=1)])
    assert inputs(grouped(fed, node(1, "Number", 2), definition=definition))["8:0"]["width"] == ["1", 0]


def test_names_that_are_taken_have_the_node_before_them():
    definition = [inner("Invert", sockets=[plain("image")]), inner("Invert", sockets=[plain("image")])]
    group = node(8, GROUP, takes=[socket("image", origin=1), socket("Invert image", origin=2)], gives=("IMAGE",) * 2)
    save = node(9, "SaveImage", "x", takes=[socket("images", origin=8, slot=1)])
    found = inputs(grouped(node(1, "Picture"), node(2, "Picture"), group, save, definition=definition))
    assert found["8:0"] == {"image": ["1", 0]}
    assert found["8:1"] == {"image": ["2", 0]}
    assert found["9"]["images"] == ["8:1", 0]


def test_outputs_that_are_taken_inside_and_outside():
    save = node(9, "SaveImage", "x", takes=[socket("images", origin=8)])
    document = grouped(node(8, GROUP, *VALUES), save, **PAIR, external=[[0, 0, "IMAGE"]])
    assert inputs(document)["9"]["images"] == ["8:0", 0]
    hidden = {"0": {"output": {"0": {"visible": False}}}}
    document = grouped(node(8, GROUP, *VALUES), save, **PAIR, external=[[0, 0, "IMAGE"]], config=hidden)
    assert inputs(document)["9"]["images"] == ["8:1", 0]


def test_primitives_and_reroutes_inside():
    definition = [
        inner("PrimitiveNode", 1, "fixed", gives=("INT",)),
        inner("Number", 2, sockets=[shown("value")]),
        inner("Reroute", sockets=[plain("", "*")], gives=("*",)),
        inner("Invert", sockets=[plain("image")]),
    ]
    links = [(0, 0, 1, 0, 1, "INT"), (2, 0, 3, 0, 1, "IMAGE")]
    group = node(8, GROUP, 64, "fixed", takes=[socket("", origin=1)])
    found = inputs(grouped(node(1, "Picture"), group, definition=definition, links=links))
    assert found["8:1"] == {"value": 64}
    assert found["8:3"] == {"image": ["1", 0]}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (page(node(8, GROUP)), "the workflow does not have"),
        (grouped(node(8, GROUP), definition=[inner("Gone")]), "the server does not have Gone, which the group node"),
        (grouped(node(8, GROUP), definition=["x"]), "it is a str, not a node"),
        (page(node(8, GROUP), extra={"groupNodes": {"pair": 3}}), "its definition has no nodes"),
        (grouped(node(8, GROUP, 42, 3, "ddim"), **PAIR), "do not fit"),
    ],
)
def test_what_cannot_be_opened_is_named(document, said):
    with pytest.raises(WorkflowError, match=said):
        inputs(document)
    assert "Gone" not in INFO

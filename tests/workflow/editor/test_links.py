import pytest
from pages import control, converted, inputs, node, page, socket

from comfy_notebook import WorkflowError
from comfy_notebook.workflow.editor.document import Slot
from comfy_notebook.workflow.editor.kinds import fits
from comfy_notebook.workflow.editor.links import opposite

PICTURE = node(1, "Picture", 1, "fixed", 16, 16, gives=("IMAGE", "MASK"))
MUTED, BYPASSED = {"mode": 2}, {"mode": 4}


def picture(number=1, **rest):
    return node(number, "Picture", 1, "fixed", 16, 16, gives=("IMAGE", "MASK"), **rest)


def save(number, origin, slot=0):
    return node(number, "SaveImage", "x", takes=[socket("images", origin=origin, slot=slot)], gives=())


def invert(number, origin, **rest):
    return node(number, "Invert", takes=[socket("image", origin=origin)], **rest)


def reroute(number, origin, **rest):
    return node(number, "Reroute", takes=[socket("", "*", origin=origin)], gives=("*",), **rest)


def images_of(*nodes):
    """Return what the node 9 saves."""
    return inputs(page(*nodes, save(9, nodes[-1]["id"])))["9"].get("images")


def test_reroutes_are_followed():
    assert images_of(picture(), reroute(2, 1), reroute(3, 2)) == ["1", 0]
    assert images_of(reroute(2, None)) is None


def test_muted_nodes_give_nothing():
    assert images_of(picture(**MUTED)) is None
    assert images_of(picture(), invert(2, 1, **MUTED)) is None
    assert images_of(picture(**MUTED), reroute(2, 1)) is None
    assert images_of(picture(), reroute(2, 1, **MUTED)) is None


def test_a_control_whose_link_gives_nothing_keeps_its_value():
    fed = node(2, "Picture", 1, "fixed", 48, 16, takes=[control("width", origin=1)])
    assert inputs(page(node(1, "Number", 5, **MUTED), fed))["2"]["width"] == 48
    assert inputs(page(node(1, "Number", 5, **BYPASSED), fed))["2"]["width"] == 48
    assert inputs(page(node(1, "Number", 5), node(2, "Picture", takes=[control("width", origin=1)])))["2"]["width"] == [
        "1",
        0,
    ]


def test_modes_that_are_neither_change_nothing():
    assert set(converted(page(picture(mode=1), save(9, 1) | {"mode": 3}))) == {"1", "9"}


def test_bypassed_nodes_are_passed():
    assert images_of(picture(), invert(2, 1, **BYPASSED), invert(3, 2, **BYPASSED)) == ["1", 0]
    assert images_of(picture(), invert(2, 1, **BYPASSED), reroute(3, 2)) == ["1", 0]
    assert images_of(picture(**MUTED), invert(2, 1, **BYPASSED)) is None


def test_the_first_input_that_fits_stands_for_a_bypassed_node_even_if_it_is_open():
    batch = node(2, "Batch", takes=[socket("one"), socket("two", origin=1)], **BYPASSED)
    assert images_of(picture(), batch) is None


def test_the_order_of_a_bypassed_nodes_inputs_is_the_servers():
    batch = node(2, "Batch", takes=[socket("two", origin=3), socket("one", origin=1)], **BYPASSED)
    assert images_of(picture(), picture(3), batch) == ["1", 0]


@pytest.mark.parametrize(
    ("types", "output", "number", "wanted", "found"),
    [
        (["MODEL", "LATENT"], "LATENT", 0, "LATENT", 1),
        (["IMAGE", "IMAGE"], "IMAGE", 1, "IMAGE", 1),
        (["MODEL", "CLIP"], "LATENT", 0, "LATENT", None),
        (["*"], "*", 0, "IMAGE", 0),
        (["MODEL", "IMAGE"], "*", 0, "*", 0),
        (["MODEL"], "*", 3, "*", 0),
        ([], "IMAGE", 0, "*", None),
        (["MODEL", "IMAGE,MASK"], "IMAGE", 0, "IMAGE", 1),
        (["*", "IMAGE"], "IMAGE", 2, "IMAGE", 1),
    ],
)
def test_which_input_stands_for_an_output(types, output, number, wanted, found):
    assert opposite([Slot("", kind) for kind in types], output, number, wanted) == found


@pytest.mark.parametrize(
    ("one", "other", "fit"),
    [
        *[("IMAGE", "IMAGE", True), ("IMAGE", "MASK", False), ("*", "MASK", True), ("", "MASK", True)],
        *[("image", "IMAGE", True), ("STRING,INT", "INT,FLOAT", True), ("STRING,INT", "FLOAT", False)],
    ],
)
def test_which_types_may_be_joined(one, other, fit):
    assert fits(one, other) is fits(other, one) is fit


def test_circles_on_the_page_are_named():
    with pytest.raises(WorkflowError, match=r"SaveImage \(node 9\): images: its link runs in a circle"):
        images_of(reroute(2, 3), reroute(3, 2))
    with pytest.raises(WorkflowError, match="circle"):
        images_of(reroute(2, 3), invert(3, 2, **BYPASSED))


def test_a_circle_of_nodes_is_the_servers_to_refuse():
    assert inputs(page(invert(1, 2), invert(2, 1))) == {"1": {"image": ["2", 0]}, "2": {"image": ["1", 0]}}


def test_a_long_row_is_followed_to_its_end():
    row = [reroute(number, number - 1) for number in range(2, 10_002)]
    assert inputs(page(picture(), *row, save(99_999, 10_001)))["99999"]["images"] == ["1", 0]


def test_inputs_that_only_the_document_has_are_kept():
    odd = node(2, "Invert", takes=[socket("image", origin=1), socket("extra_7", origin=1, slot=1)])
    assert inputs(page(picture(), odd))["2"] == {"image": ["1", 0], "extra_7": ["1", 1]}


def test_named_wires():
    setter = node(2, "SetNode", "cat", takes=[socket("IMAGE", origin=1)], gives=("*",))
    getter = node(3, "GetNode", "cat", gives=("IMAGE",))
    assert images_of(picture(), setter, getter) == ["1", 0]
    with pytest.raises(WorkflowError, match="'dog', which no SetNode sets"):
        images_of(picture(), setter, node(3, "GetNode", "dog"))


def test_a_link_from_a_note_gives_nothing():
    fed = node(2, "Number", 5, takes=[control("value", origin=1)])
    assert inputs(page(node(1, "Note", "x"), fed))["2"] == {"value": 5}


def test_links_that_do_not_say_their_output():
    document = page(picture(), invert(2, 1))
    document["links"][0][2] = None
    with pytest.raises(WorkflowError, match="does not say which output"):
        inputs(document)


def test_links_that_an_extension_makes_are_refused():
    wireless = {"ue_links": [{"downstream": 2, "downstream_slot": 0, "upstream": "1", "upstream_slot": 0}]}
    with pytest.raises(WorkflowError, match=r"Invert \(node 2\): image is joined by Use Everywhere"):
        inputs(page(picture(), invert(2, None), extra=wireless))
    assert inputs(page(picture(), invert(2, 1), extra=wireless))["2"] == {"image": ["1", 0]}

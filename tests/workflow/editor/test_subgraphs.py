import pytest
from pages import control, converted, inputs, node, page, socket, subgraph, within

from comfy_notebook import WorkflowError

ONE = [("image", "IMAGE")]


def inverting(name="inverting", **rest):
    inner = node(5, "Invert", takes=[socket("image", origin=-10)], **rest)
    return subgraph(name, inner, takes=ONE, gives=[("IMAGE", 5, 0)])


def picture(number=1):
    return node(number, "Picture", 1, "fixed", 16, 16)


def instance(number, kind, origin=None, **rest):
    return node(number, kind, takes=[socket("image", origin=origin)], **rest)


def save(number, origin):
    return node(number, "SaveImage", "x", takes=[socket("images", origin=origin)])


def numbers():
    """A subgraph that shows the width of a picture, and its height."""
    inner = node(
        5, "Picture", 1, "fixed", 16, 24, takes=[control("width", origin=-10), control("height", "INT", -10, 1)]
    )
    return subgraph("numbers", inner, takes=[("width", "INT"), ("height", "INT")], gives=[("IMAGE", 5, 0)])


def sizes(document):
    return [(found["width"], found["height"]) for found in inputs(document).values() if "width" in found]


def test_links_go_in_and_out():
    document = page(picture(), instance(12, "inverting", 1), save(9, 12), **within(inverting()))
    assert inputs(document) == {
        "1": {"seed": 1, "width": 16, "height": 16},
        "12:5": {"image": ["1", 0]},
        "9": {"filename_prefix": "x", "images": ["12:5", 0]},
    }


def test_every_instance_is_opened_by_itself():
    document = page(picture(), instance(2, "inverting", 1), instance(3, "inverting", 2), **within(inverting()))
    assert inputs(document)["3:5"] == {"image": ["2:5", 0]}


def test_nested_subgraphs():
    outer = subgraph("outer", instance(7, "inverting", -10), takes=ONE, gives=[("IMAGE", 7, 0)])
    document = page(picture(), instance(2, "outer", 1), save(9, 2), **within(outer, inverting()))
    assert inputs(document)["2:7:5"] == {"image": ["1", 0]}
    assert inputs(document)["9"]["images"] == ["2:7:5", 0]


def test_definitions_within_definitions():
    outer = subgraph("outer", instance(7, "inverting", -10), takes=ONE, gives=[("IMAGE", 7, 0)]) | within(inverting())
    assert "2:7:5" in converted(page(instance(2, "outer"), **within(outer)))


def test_an_open_input_is_open_inside():
    assert inputs(page(instance(2, "inverting"), **within(inverting()))) == {"2:5": {}}


def test_an_input_that_leads_straight_to_an_output():
    straight = subgraph("straight", takes=ONE, gives=[("IMAGE", -10, 0)])
    document = page(picture(), instance(2, "straight", 1), save(9, 2), **within(straight))
    assert inputs(document)["9"]["images"] == ["1", 0]


def test_links_that_the_slots_do_not_list():
    definition = inverting()
    for slot in (*definition["inputs"], *definition["outputs"]):
        del slot["linkIds"]
    document = page(picture(), instance(2, "inverting", 1), save(9, 2), **within(definition))
    assert inputs(document)["9"]["images"] == ["2:5", 0]


def test_muted_and_bypassed_instances():
    def images(mode):
        document = page(picture(), instance(2, "inverting", 1, mode=mode), save(9, 2), **within(inverting()))
        assert "2:5" not in converted(document)
        return inputs(document)["9"].get("images")

    assert images(2) is None
    assert images(4) == ["1", 0]


def test_nodes_bypassed_inside():
    document = page(picture(), instance(2, "inverting", 1), save(9, 2), **within(inverting(mode=4)))
    assert inputs(document)["9"]["images"] == ["1", 0]


def test_an_instance_bypassed_inside_is_opened_all_the_same():
    outer = subgraph("outer", instance(7, "inverting", -10, mode=4), takes=ONE, gives=[("IMAGE", 7, 0)])
    document = page(picture(), instance(2, "outer", 1), save(9, 2), **within(outer, inverting()))
    assert inputs(document)["9"]["images"] == ["1", 0]
    assert "2:7:5" in converted(document)


def test_an_instance_holds_values_for_what_it_shows():
    shown = [control("width"), control("height")]
    assert sizes(page(node(2, "numbers", 64, 72, takes=shown), **within(numbers()))) == [(64, 72)]
    assert sizes(page(node(2, "numbers", 64, takes=shown), **within(numbers()))) == [(64, 24)]
    assert sizes(page(node(2, "numbers", takes=shown), **within(numbers()))) == [(16, 24)]


def test_values_belong_to_the_inputs_that_show_a_control():
    inner = node(5, "Picture", 1, "fixed", 16, 24, takes=[control("height", "INT", -10, 1)])
    other = node(6, "Invert", takes=[socket("image", origin=-10)])
    definition = subgraph("both", inner, other, takes=[("image", "IMAGE"), ("height", "INT")])
    document = page(node(2, "both", 64, takes=[socket("image"), control("height")]), **within(definition))
    assert sizes(document) == [(16, 64)]


def test_values_by_name_when_the_names_were_saved():
    named = node(2, "numbers", 9, 64, 72, widgets_values_named={"gone": 9, "height": 64, "width": 72})
    assert sizes(page(named, **within(numbers()))) == [(72, 64)]


def test_a_link_from_outside_comes_before_the_value():
    fed = node(2, "numbers", 64, 72, takes=[control("width", origin=3), control("height")])
    assert sizes(page(fed, node(3, "Number", 5), **within(numbers()))) == [(["3", 0], 72)]


def test_values_of_nested_instances():
    inner = node(7, "numbers", 40, 48, takes=[control("width", "INT", -10), control("height")])
    outer = subgraph("outer", inner, takes=[("size", "INT")])
    document = page(node(2, "outer", 64), node(3, "outer"), **within(outer, numbers()))
    assert sizes(document) == [(64, 48), (40, 48)]


def test_one_input_may_show_several_controls():
    inner = node(5, "Picture", 1, "fixed", 16, 24, takes=[control("width", "INT", -10), control("height", "INT", -10)])
    definition = subgraph("square", inner, takes=[("size", "INT")])
    assert sizes(page(node(2, "square", 64), node(3, "square"), **within(definition))) == [(64, 64), (16, 16)]


def test_proxies_without_values_change_nothing():
    proxies = {"proxyWidgets": [["5", "width"], ["5", "seed"]]}
    assert sizes(page(node(2, "numbers", widgets_values=[], properties=proxies), **within(numbers()))) == [(16, 24)]


def test_proxies_with_values():
    proxies = {"proxyWidgets": [["5", "height"], ["-1", "width"], ["5", "seed"]]}
    document = page(node(2, "numbers", 64, 72, 9, properties=proxies), **within(numbers()))
    assert inputs(document)["2:5"] == {"seed": 9, "width": 72, "height": 64}


def test_values_that_the_page_could_not_place():
    kept = [{"originalEntry": ["-1", "width"], "hostValue": 88}]
    document = page(node(2, "numbers", 64, 72, properties={"proxyWidgetErrorQuarantine": kept}), **within(numbers()))
    assert sizes(document) == [(88, 72)]


def test_values_in_the_wrong_inputs_are_refused():
    with pytest.raises(WorkflowError, match=r"Picture \(node 2:5\): .*width: 'euler' is not a number"):
        converted(page(node(2, "numbers", "euler", 72), **within(numbers())))


def test_values_for_a_control_that_is_gone_are_refused_unless_names_tell_which_is_whose():
    inner = node(5, "Number", 1, takes=[control("value", origin=-10, slot=1)])
    changed = node(6, "Invert", takes=[control("strength", "FLOAT", -10)])
    definition = subgraph("changed", inner, changed, takes=[("strength", "FLOAT"), ("value", "INT")])
    with pytest.raises(WorkflowError, match=r"a value for strength of Invert \(node 6\), which has no such input"):
        converted(page(node(2, "changed", 3, 4), **within(definition)))
    named = node(2, "changed", 3, 4, widgets_values_named={"strength": 3, "value": 4})
    assert inputs(page(named, **within(definition)))["2:5"] == {"value": 4}


def test_a_text_that_an_instance_holds_is_sent_as_it_is():
    inner = node(5, "Text", "{inside}", takes=[control("text", "STRING", -10)])
    definition = subgraph("text", inner, takes=[("text", "STRING")])
    assert inputs(page(node(2, "text", "{outside}"), **within(definition)))["2:5"]["text"] == "{outside}"


def test_a_subgraph_that_is_not_there():
    with pytest.raises(WorkflowError, match="a subgraph whose definition the workflow does not have"):
        converted(page(node(2, "413f229b-9864-4092-ba66-647a39624c9a")))


def test_subgraphs_without_end():
    within_itself = subgraph("self", node(1, "self"))
    with pytest.raises(WorkflowError, match='the subgraph "self" contains itself'):
        converted(page(node(2, "self"), **within(within_itself)))
    ring = [subgraph("a", node(1, "b")), subgraph("b", node(1, "a"))]
    with pytest.raises(WorkflowError, match="contains itself"):
        converted(page(node(2, "a"), **within(*ring)))


def test_subgraphs_that_multiply():
    doubling = [subgraph(f"s{n}", node(1, f"s{n + 1}"), node(2, f"s{n + 1}")) for n in range(40)]
    with pytest.raises(WorkflowError, match="more than 100,000 nodes"):
        converted(page(node(2, "s0"), **within(*doubling)))


def test_subgraphs_that_are_too_deep():
    deep = [subgraph(f"s{n}", node(1, f"s{n + 1}")) for n in range(500)]
    with pytest.raises(WorkflowError, match="more than 100 deep"):
        converted(page(node(2, "s0"), **within(*deep)))


def test_two_nodes_that_get_one_id():
    document = page(instance("2:5", "Invert"), instance(2, "inverting"), **within(inverting()))
    with pytest.raises(WorkflowError, match="another node has this id"):
        converted(document)


def test_outputs_that_a_subgraph_does_not_have():
    document = page(instance(2, "inverting"), save(9, 2), **within(inverting()))
    document["links"][0][2] = 3
    with pytest.raises(WorkflowError, match="images: its link comes from output 3"):
        converted(document)

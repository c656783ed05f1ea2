import json

import pytest
from pages import control, converted, inputs, node, page, socket

from comfy_notebook import WorkflowError
from comfy_notebook.workflow.editor.widgets import default_value
from comfy_notebook.workflow.schema import read_node


def one(info, *values, **rest):
    """Return the inputs of a single node with these values."""
    return inputs(page(node(1, "One", *values, **rest)), One={"input": info})["1"]


def test_a_control_stands_after_a_seed():
    assert one({"required": {"seed": ["INT", {"control_after_generate": True}], "n": ["INT"]}}, 5, "randomize", 6) == {
        "seed": 5,
        "n": 6,
    }


@pytest.mark.parametrize("name", ["seed", "noise_seed"])
def test_an_input_called_seed_has_a_control_unless_the_server_denies_it(name):
    assert one({"required": {name: ["INT"], "n": ["INT"]}}, 5, "fixed", 6) == {name: 5, "n": 6}
    assert one({"required": {name: ["INT", {"control_after_generate": False}], "n": ["INT"]}}, 5, 6) == {
        name: 5,
        "n": 6,
    }


def test_a_combo_with_a_control_has_a_filter_too():
    info = {"required": {"model": [["a", "b"], {"control_after_generate": True}], "n": ["INT"]}}
    assert one(info, "b", "fixed", "", 6) == {"model": "b", "n": 6}


def test_combos_of_both_schemas_and_of_numbers():
    info = {"required": {"old": [["a", "b"]], "new": ["COMBO", {"options": ["c", "d"]}], "number": [[1, 2]]}}
    assert one(info, "b", "d", 2) == {"old": "b", "new": "d", "number": 2}


def test_lists_are_wrapped_so_that_no_server_takes_them_for_links():
    info = {"required": {"many": ["COMBO", {"options": ["p", "q"], "multi_select": True}]}}
    assert one(info, ["p", "q"]) == {"many": {"__value__": ["p", "q"]}}
    assert one(info) == {"many": {"__value__": []}}


def test_what_a_list_lacks_gets_the_default_and_what_it_has_too_much_is_ignored():
    info = {
        "required": {
            "whole": ["INT", {"default": 3}],
            "real": ["FLOAT"],
            "text": ["STRING"],
            "flag": ["BOOLEAN", {"default": True}],
            "choice": [["a", "b"], {"default": "b"}],
            "first": [["a", "b"]],
            "empty": [[]],
        }
    }
    rest = {"real": 0, "text": "", "flag": True, "choice": "b", "first": "a"}
    assert one(info, 9) == {"whole": 9, **rest}
    assert one(info) == one(info, widgets_values=None) == {"whole": 3, **rest}
    assert one({"required": {"whole": ["INT"]}}, 1, 2, "three") == {"whole": 1}


def test_nothing_stays_nothing_but_in_a_combo():
    info = {"required": {"whole": ["INT"], "choice": [["a", "b"]]}}
    assert one(info, widgets_values=[None, None]) == {"whole": None, "choice": "a"}


def test_whole_numbers_stay_exact():
    seed = 2**64 - 1
    assert one({"required": {"seed": ["INT"]}}, seed, "fixed")["seed"] == seed
    assert json.loads(json.dumps(one({"required": {"seed": ["INT"]}}, seed, "fixed")))["seed"] == seed


def test_values_keep_their_form():
    assert one({"required": {"n": ["INT"], "model": [["a.pt"]]}}, "4", "not-here.pt") == {
        "n": "4",
        "model": "not-here.pt",
    }


def test_the_order_is_the_one_that_the_server_gives():
    info = {"required": {"b": ["INT"], "a": ["INT"]}, "optional": {"c": ["INT"]}}
    ordered = {"input": info, "input_order": {"required": ["a", "b"], "optional": ["c"]}}
    assert inputs(page(node(1, "One", 1, 2, 3)), One=ordered)["1"] == {"a": 1, "b": 2, "c": 3}


def test_the_upload_button_stands_last_or_where_older_servers_put_it():
    info = {"required": {"image": [["a.png"], {"image_upload": True}]}, "optional": {"n": ["INT"]}}
    assert one(info, "a.png", "image", 7) == {"image": "a.png", "n": 7}
    order = {"required": ["image"], "optional": ["n"]}
    found = inputs(page(node(1, "One", "a.png", 7, "image")), One={"input": info, "input_order": order})
    assert found["1"] == {"image": "a.png", "n": 7}


def test_forced_sockets_have_no_value_and_old_pages_saved_one():
    info = {"required": {"a": ["INT"], "socket": ["INT", {"forceInput": True}], "b": ["INT"]}}
    assert one(info, 1, 2) == {"a": 1, "b": 2}
    assert one(info, 1, 99, 2) == {"a": 1, "b": 2}


def test_a_type_may_say_which_control_it_has():
    assert one({"required": {"either": ["STRING,INT", {"widgetType": "STRING"}]}}, "x") == {"either": "x"}


def test_values_by_name():
    info = {"required": {"a": ["INT", {"default": 1}], "b": ["INT", {"default": 2}]}}
    assert one(info, widgets_values={"b": 5}) == {"a": 1, "b": 5}
    assert one(info, widgets_values_named={"b": 5, "a": 4}) == {"a": 4, "b": 5}


def test_names_beside_a_list_say_what_is_where_when_the_node_has_changed():
    info = {"required": {"new": ["INT", {"default": 1}], "steps": ["INT"], "cfg": ["FLOAT"]}}
    names = {"steps": 20, "gone": 3, "cfg": 7.5}
    assert one(info, 20, 3, 7.5, widgets_values_named=names) == {"new": 1, "steps": 20, "cfg": 7.5}
    edited = one(info, 30, 3, 7.5, widgets_values_named=names)  # by a tool that knows of the list only
    assert edited == {"new": 1, "steps": 30, "cfg": 7.5}


def test_a_combo_decides_which_inputs_follow():
    cases = [
        {"key": "scale", "inputs": {"required": {"by": ["FLOAT", {"default": 2.0}]}}},
        {"key": "size", "inputs": {"required": {"width": ["INT"], "height": ["INT"]}, "optional": {"like": ["IMAGE"]}}},
    ]
    info = {"required": {"mode": ["COMFY_DYNAMICCOMBO_V3", {"options": cases}], "after": ["STRING"]}}
    assert one(info, "size", 8, 16, "x") == {"mode": "size", "mode.width": 8, "mode.height": 16, "after": "x"}
    assert one(info) == {"mode": "scale", "mode.by": 2.0, "after": ""}
    like = node(1, "One", "size", 8, 16, "x", takes=[socket("mode.like", origin=2)])
    found = inputs(page(like, node(2, "Picture")), One={"input": info})
    assert found["1"]["mode.like"] == ["2", 0]


def test_sockets_of_a_list_that_grows():
    info = {"required": {"images": ["COMFY_AUTOGROW_V3", {"template": {"input": {"required": {"image": ["IMAGE"]}}}}]}}
    grown = node(1, "One", takes=[socket("images.image0", origin=2), socket("images.image1")])
    assert inputs(page(grown, node(2, "Picture")), One={"input": info})["1"] == {"images.image0": ["2", 0]}


def test_what_only_a_browser_can_make_is_refused():
    with pytest.raises(WorkflowError, match="image is made in a browser"):
        one({"required": {"image": ["WEBCAM", {}]}}, "")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1, "fixed", 20, 8, "euler", 1], None),
        ([1, "fixed", 20, 8, "gone", 1], None),
        ([1, "fixed", 20, "euler", 8, 1], "cfg: 'euler' is not a number"),
        ([1, 20, 8, "euler", 1], "cfg: 'euler' is not a number"),
        ([1, "fixed", "fixed", 20, 8, 1], "steps: 'fixed' is not a number"),
        ([1, "fixed", 20, 8, 3, 1], "sampler: 3 is a number, its choices are words"),
        ([1, "fixed", 20, 8, "randomize", 1], "sampler: 'randomize' is not one of its choices"),
        ([1, "fixed", True, 8, "euler", 1], "steps: True is not a number"),
    ],
)
def test_values_that_landed_in_the_wrong_inputs_are_refused(values, said):
    document = page(node(1, "Sampler", *values))
    if said is None:
        assert converted(document)
    else:
        with pytest.raises(WorkflowError, match=said):
            converted(document)


def test_the_sockets_of_all_controls_tell_that_the_node_has_changed():
    sockets = [control("width"), control("height"), control("batch")]
    now = {"required": {"width": ["INT"], "length": ["INT"], "height": ["INT"], "batch": ["INT"]}}
    with pytest.raises(WorkflowError, match="length: when it was saved, height was in its place"):
        one(now, 64, 32, 1, takes=sockets)
    appended = {"required": {"width": ["INT"], "height": ["INT"], "batch": ["INT"], "length": ["INT", {"default": 5}]}}
    assert one(appended, 64, 32, 1, takes=sockets) == {"width": 64, "height": 32, "batch": 1, "length": 5}
    assert one(now, 64, 32, 1, takes=sockets[1:2]) == {"width": 64, "length": 32, "height": 1, "batch": 0}


def test_sockets_that_are_all_linked_may_be_in_any_order():
    info = {"required": {"a": ["INT"], "b": ["INT"]}}
    fed = node(1, "One", 1, 2, takes=[control("b", origin=2), control("a", origin=2)])
    assert inputs(page(fed, node(2, "Number")), One={"input": info})["1"] == {"a": ["2", 0], "b": ["2", 0]}


def test_values_that_a_script_saved_by_name_for_controls_of_its_own():
    saved = {"rate": 24, "crf": 19, "preview": {"hidden": False}}
    assert one({"required": {"rate": ["INT"]}}, widgets_values=saved) == {"rate": 24, "crf": 19}


def test_defaults_of_inputs_without_a_control_are_missing():
    schema = read_node(
        "One", {"input": {"required": {"image": ["IMAGE"], "far": ["COMBO", {"remote": {"route": "/x"}}]}}}
    )
    assert [type(default_value(spec)).__name__ for spec in schema.inputs.values()] == ["Missing", "Missing"]

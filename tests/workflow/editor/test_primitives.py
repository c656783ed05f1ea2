import pytest
from pages import control, inputs, node, page, subgraph, within

from comfy_notebook.workflow.editor.primitives import rounded
from comfy_notebook.workflow.schema import InputSpec


def primitive(number, *values, kind="INT", **rest):
    return node(number, "PrimitiveNode", *values, gives=(kind,), **rest)


def test_its_value_goes_to_every_control_that_it_is_linked_to():
    one = node(2, "Picture", 1, "fixed", 16, 16, takes=[control("width", origin=1)])
    two = node(3, "Picture", 2, "fixed", 16, 16, takes=[control("height", origin=1)])
    found = inputs(page(primitive(1, 64, "fixed"), one, two))
    assert found == {
        "2": {"seed": 1, "width": 64, "height": 16},
        "3": {"seed": 2, "width": 16, "height": 64},
    }


@pytest.mark.parametrize("mode", [2, 4])
def test_it_acts_when_it_is_muted_or_bypassed(mode):
    fed = node(2, "Number", 1, takes=[control("value", origin=1)])
    assert inputs(page(primitive(1, 64, mode=mode), fed)) == {"2": {"value": 64}}


def test_without_a_value_or_with_one_of_another_type_it_takes_over_that_of_its_first_target():
    targets = [node(2, "Number", 5, takes=[control("value", origin=1)])]
    targets += [node(3, "Number", 6, takes=[control("value", origin=1)])]
    assert inputs(page(primitive(1), *targets)) == {"2": {"value": 5}, "3": {"value": 5}}
    assert inputs(page(primitive(1, "x", kind="STRING"), *targets)) == {"2": {"value": 5}, "3": {"value": 5}}


def test_one_that_feeds_nothing_is_left_out():
    assert inputs(page(primitive(1, 5))) == {}


def test_it_reaches_into_a_subgraph():
    inner = subgraph("inner", node(7, "Number", 1, takes=[control("value", origin=-10)]), takes=[("value", "INT")])
    document = page(primitive(1, 64), node(2, "inner", 3, takes=[control("value", origin=1)]), **within(inner))
    assert inputs(document) == {"2:7": {"value": 64}}


@pytest.mark.parametrize(
    ("spec", "value", "found"),
    [
        (InputSpec("n", "INT"), 3.7, 4),
        (InputSpec("n", "INT"), 2**64 - 1, 2**64 - 1),
        (InputSpec("n", "INT", step=8), 30, 32),
        (InputSpec("n", "INT", step=8), 27, 24),
        (InputSpec("n", "INT", step=8, minimum=4), 30, 28),
        (InputSpec("n", "INT", step=0), 5, 5),
        (InputSpec("n", "FLOAT", step=0.01, minimum=0, maximum=1), 0.123456, 0.12),
        (InputSpec("n", "FLOAT", step=0.01, minimum=0, maximum=1), 7, 1),
        (InputSpec("n", "FLOAT", step=0.01, rounding=0.05, minimum=0, maximum=1), 0.12, 0.1),
        (InputSpec("n", "FLOAT", step=1), 0.123456, 0.123456),
        (InputSpec("n", "FLOAT", step=float("inf")), 0.5, 0.5),
        (InputSpec("n", "INT"), float("nan"), pytest.approx(float("nan"), nan_ok=True)),
        (InputSpec("n", "FLOAT"), 10**400, 10**400),
        (InputSpec("n", "STRING"), 0.5, 0.5),
        (InputSpec("n", "INT"), True, True),
    ],
)
def test_numbers_are_rounded_to_the_steps_of_the_control(spec, value, found):
    assert rounded(value, spec) == found

import pytest

from comfy_notebook import ParameterError
from comfy_notebook.experiments.sweeps.cells import Cell, Results
from comfy_notebook.experiments.sweeps.layout import arrange
from comfy_notebook.experiments.sweeps.plan import make_plan


def cells_of(plan):
    results = Results()
    return [Cell(number, plan, results) for number in range(len(plan))]


def laid_out(several, *axes, most=None, **options):
    plan = make_plan({}, several, **options)
    return arrange(cells_of(plan), plan, *axes, most=most)


def values(mappings):
    return [tuple(mapping.values()) for mapping in mappings]


def test_two_axes_are_rows_and_columns_in_natural_order():
    layout = laid_out({"cfg": [10, 4, 7.5], "sampler": ["heun", "euler"]})
    assert (layout.rows, layout.columns) == (("cfg",), ("sampler",))
    (section,) = layout.sections
    assert values(section.rows) == [(4,), (7.5,), (10,)]
    assert values(section.columns) == [("heun",), ("euler",)]
    assert section.places[1, 0][0].point == {"cfg": 7.5, "sampler": "heun"}


def test_more_axes_make_sections():
    layout = laid_out({"cfg": [4, 7], "steps": [1, 2], "seed": [9, 8], "prompt": ["a", "b"]})
    assert [tuple(section.values.items()) for section in layout.sections] == [
        (("seed", 8), ("prompt", "a")), (("seed", 8), ("prompt", "b")),
        (("seed", 9), ("prompt", "a")), (("seed", 9), ("prompt", "b")),
    ]  # fmt: skip
    assert all(len(section.places) == 4 for section in layout.sections)


def test_a_user_says_what_lies_where():
    several = {"cfg": [4, 7], "steps": [1, 2], "seed": [8, 9]}
    layout = laid_out(several, "seed", "cfg", ("steps",))
    assert (layout.rows, layout.columns) == (("seed",), ("cfg",))
    assert [section.values for section in layout.sections] == [{"steps": 1}, {"steps": 2}]
    layout = laid_out(several, None, "steps", ())
    assert (layout.rows, layout.columns) == (("cfg",), ("steps",))


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        (("cgf", None, ()), "cgf does not vary in this sweep. It varies cfg, steps"),
        (("cfg", "cfg", ()), "one axis only"),
    ],
)
def test_what_cannot_lie_there_is_told(axes, words):
    with pytest.raises(ParameterError, match=words):
        laid_out({"cfg": [4, 7], "steps": [1, 2]}, *axes)


def test_a_wide_axis_goes_downwards():
    layout = laid_out({"cfg": [4, 7], "seed": range(30)})
    assert (layout.rows, layout.columns) == (("seed",), ("cfg",))


def test_one_axis_flows_with_its_values_told():
    layout = laid_out({"seed": range(5)})
    assert layout.flows
    assert layout.own == ("seed",)
    assert [cell.number for cell in layout.cells()] == [0, 1, 2, 3, 4]


def test_values_that_change_together_are_one_axis():
    layout = laid_out({"prompt": ["a", "b"], "seed": [2, 1]}, together=True)
    assert layout.flows
    assert layout.own == ("prompt", "seed")


def test_a_thin_sample_flows():
    layout = laid_out({"cfg": range(50), "steps": range(50)}, sample=20)
    assert layout.flows
    assert len(list(layout.cells())) == 20


def test_rows_that_are_too_many_are_left_out():
    layout = laid_out({"cfg": range(100), "steps": range(5)}, most=42)
    assert layout.hidden == 500 - 42
    assert len(list(layout.cells())) == 42


def test_what_is_the_same_in_chosen_runs_is_no_axis():
    plan = make_plan({}, {"cfg": [4, 7], "steps": [1, 2]})
    layout = arrange(cells_of(plan)[:2], plan)
    assert layout.flows
    assert layout.own == ("steps",)


def test_true_and_one_are_not_the_same():
    layout = laid_out({"value": [True, 1, 0, False]}, "value", None, ())
    assert values(layout.sections[0].rows) == [(True,), (1,), (0,), (False,)]

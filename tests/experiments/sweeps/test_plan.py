import numpy as np
import pandas as pd
import pytest
from PIL import Image

from comfy_notebook import ParameterError, vary
from comfy_notebook.experiments.sweeps.plan import make_plan
from comfy_notebook.experiments.sweeps.varying import rows_of, values_of


def runs(plan):
    return [plan.values(number) for number in range(len(plan))]


@pytest.mark.parametrize(
    "given",
    [[4, 7], range(4, 10, 3), vary(4, 7), vary([4, 7]), vary(range(4, 10, 3)), np.array([4, 7]), pd.Series([4, 7]),
     (value for value in (4, 7)), {4: "a", 7: "b"}.keys(), [np.int64(4), np.int64(7)]],
)  # fmt: skip
def test_what_stands_for_several_values(given):
    values = values_of(given)
    assert values == [4, 7]
    assert [type(value) for value in values] == [int, int]


def test_what_is_one_value(tmp_path):
    photo = Image.new("RGB", (2, 2))
    (tmp_path / "a.png").write_bytes(b"x")
    with (tmp_path / "a.png").open("rb") as file:
        for value in ("a fox", 4, None, {"a": 1}, (photo, photo), photo, np.zeros((4, 4, 3)), b"ab", file):
            assert values_of(value) is None


def test_a_list_is_one_of_the_values_where_there_are_several_lists():
    assert values_of(vary(["a", "b"], ["a"])) == [["a", "b"], ["a"]]


def test_several_values_are_crossed_and_the_last_changes_first():
    plan = make_plan({"prompt": "a fox"}, {"cfg": [4, 7], "steps": [1, 2, 3]})
    assert len(plan) == 6
    assert runs(plan)[:4] == [
        {"cfg": 4, "steps": 1}, {"cfg": 4, "steps": 2}, {"cfg": 4, "steps": 3}, {"cfg": 7, "steps": 1}
    ]  # fmt: skip
    assert plan.fixed == {"prompt": "a fox"}


def test_zipped_values_change_together():
    plan = make_plan({}, {"cfg": [4, 7], "steps": [1, 2]}, together=True)
    assert runs(plan) == [{"cfg": 4, "steps": 1}, {"cfg": 7, "steps": 2}]


def test_zipped_values_must_be_as_many():
    with pytest.raises(ParameterError, match="cfg has 2, steps has 1"):
        make_plan({}, {"cfg": [4, 7], "steps": [1]}, together=True)


@pytest.mark.parametrize("form", [list, pd.DataFrame])
def test_the_values_of_each_run_are_listed_and_crossed_with_what_varies_beside_them(form):
    rows = form([{"prompt": "a fox", "cfg": 4.0}, {"prompt": "a cat", "cfg": 7.5}])
    plan = make_plan({}, {"seed": [1, 2]}, rows=rows)
    assert runs(plan)[1] == {"prompt": "a fox", "cfg": 4.0, "seed": 2}
    assert len(plan) == 4


def test_what_a_dataframe_leaves_open_is_not_given():
    frame = pd.DataFrame({"cfg": [4.0, None], "prompt": ["a fox", "a cat"], "steps": [1, 2]})
    assert rows_of(frame) == [{"cfg": 4.0, "prompt": "a fox", "steps": 1}, {"prompt": "a cat", "steps": 2}]
    assert type(rows_of(frame)[0]["steps"]) is int


def test_a_sample_is_drawn_once_and_the_same_again_however_many_combinations_there_are():
    several = {"cfg": range(10_000), "steps": range(10_000), "seed": range(10_000)}
    plan = make_plan({}, several, sample=20, sample_seed=1)
    again, other = (make_plan({}, several, sample=20, sample_seed=seed) for seed in (1, 2))
    assert len(plan) == len({tuple(run.values()) for run in runs(plan)}) == 20
    assert runs(plan) == runs(again) != runs(other)


def test_a_sample_of_more_than_there_are_is_all_of_them():
    assert len(make_plan({}, {"cfg": [4, 7]}, sample=20)) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (({"prompt": "a fox"}, {}), "Nothing varies"),
        (({}, {"cfg": []}), "cfg: it has no values"),
        (({}, {"cfg": [4]}, {"sample": 0}), "sample: 0 runs are none"),
        (({}, {}, {"rows": []}), "cells: it is empty"),
        (({}, {}, {"rows": ["a fox"]}), "a list is neither a list of dicts nor a DataFrame"),
        (({"cfg": 4}, {}, {"rows": [{"cfg": 7}]}), "cfg: it is given among the cells and beside them"),
        (({}, {}, {"rows": [{"cfg": vary(4, 7)}]}), "cfg: vary.* stands beside the cells"),
    ],
)
def test_what_cannot_be_planned_is_told(arguments, words):
    fixed, several, *options = arguments
    with pytest.raises(ParameterError, match=words):
        make_plan(fixed, several, **(options[0] if options else {}))

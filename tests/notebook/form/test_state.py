import pytest
from painting import INPUTS, SCHEMAS, workflow
from PIL import Image

from comfy_notebook import ParameterError
from comfy_notebook.notebook.form.state import FormState, same
from comfy_notebook.workflow.document import Workflow


@pytest.fixture
def state():
    return FormState(workflow())


def told(state):
    names = []
    state.watch(names.append)
    return names


def test_a_form_gives_back_exactly_the_workflows_values(state):
    assert state.values == INPUTS
    assert type(state.values["amount"]) is int
    assert state.changed() == {}
    assert not any(map(state.problem, state.fields))


def test_what_is_set_is_what_runs_and_seeds_always_go_along(state):
    state.set_checked("steps", "30")
    assert state.given() == {"steps": 30, "seed": 2**63}
    state.reset("steps")
    assert state.given() == {"seed": 2**63}


def test_who_watches_is_told_what_changes_and_only_that(state):
    names = told(state)
    state.set("steps", 30)
    state.set("steps", 30.0)
    state.reset("steps")
    assert names == ["steps", "steps"]


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("steps", 0, "0 is out of range: it must be between 1 and 10000."),
        ("amount", "much", "'much' is not a number."),
        ("sampler", "eular", "'eular' is not among the server's choices. Did you mean 'euler'?"),
        ("image", "b.png", "There is no file 'b.png', neither here nor among the server's inputs."),
        ("seed", "abc", "'abc' is not a whole number."),
    ],
)
def test_what_is_wrong_is_told_with_the_reason(state, name, value, why):
    state.set(name, value)
    assert state.problem(name).startswith(why)
    state.set(name, INPUTS[name])
    assert state.problem(name) == ""


def test_python_is_told_at_once_and_nothing_changes(state):
    with pytest.raises(ParameterError, match="steps: 0 is out of range"):
        state.set_checked("steps", 0)
    with pytest.raises(ParameterError, match=r"Did you mean steps\?"):
        state.set_checked("stepps", 5)
    assert state.values == INPUTS


def test_long_names_mean_the_same_fields(state):
    state.set_checked("Painter.steps", 7)
    state.set_checked("1.name", "pond")
    assert state.changed() == {"steps": 7, "name": "pond"}


def test_what_this_server_has_not_is_marked_although_it_is_the_workflows_own():
    state = FormState(workflow(sampler="dpm", image="gone.png"))
    assert "'dpm' is not among the server's choices" in state.problem("sampler")
    assert state.problem("image") == "The server has no file 'gone.png'."
    state.uploaded.append("new.png")
    state.set("image", "new.png")
    assert state.problem("image") == ""


def test_what_is_missing_is_told_when_a_run_was_tried():
    state = FormState(workflow(title="$name!"))
    names = told(state)
    assert (state.values["name"], state.complaint("name")) == (None, "")
    state.attempt()
    assert state.complaint("name") == "It is required."
    assert "name" in names
    state.set("name", "pond")
    assert state.complaint("name") == ""


def test_a_seed_that_the_workflow_leaves_open_is_drawn_for_every_run_and_then_shown():
    state = FormState(workflow(seed=0))
    assert state.loose == {"seed"}
    assert state.given() == {}
    drawn = []
    for _ in range(2):
        state.attempt()
        drawn.append(state.values["seed"])
    assert len({0, *drawn}) == 3
    assert state.given() == {"seed": drawn[1]}
    state.loosen("seed", loose=False)
    state.attempt()
    assert state.values["seed"] == drawn[1]
    state.reset("seed")
    assert (state.values["seed"], state.loose) == (0, {"seed"})


def test_a_seed_of_zero_that_is_kept_runs_as_zero():
    state = FormState(workflow(seed=0))
    state.set_checked("seed", 0)
    assert state.given() == {"seed": 0}
    state.set_checked("seed", "random")
    state.attempt()
    assert state.given()["seed"] != 0


def test_a_picture_from_memory_is_a_files_value(state):
    picture = Image.new("RGB", (8, 8))
    state.set_checked("image", picture)
    assert state.given()["image"] is picture
    with pytest.raises(ParameterError, match="neither a file"):
        state.set_checked("image", object())


def test_values_from_elsewhere_are_taken_as_far_as_a_control_can_show_them(state):
    state.take({"steps": "many", "name": ["a"], "tiled": 1, "amount": 0.25, "gone": 5}, loose=["seed"])
    assert state.changed() == {"amount": 0.25}
    assert state.loose == {"seed"}


def test_parameters_that_set_the_same_input_are_told_apart():
    graph = {"1": {"class_type": "Painter", "inputs": {"name": "a", "steps": ["2", 0]}}}
    state = FormState(Workflow(graph, schemas=SCHEMAS))
    with pytest.raises(ParameterError, match="it holds a link"):
        state.field("1.steps")


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [(1, 1.0, True), (1, True, False), ("1", 1, False), ([1], [1], True), (object(), object(), False)],
)
def test_values_are_the_same_if_a_node_takes_them_for_the_same(one, other, alike):
    assert same(one, other) is alike

import traceback

import pytest

from comfy_notebook.errors import ParameterError
from comfy_notebook.notebook.body import read_body

VARIABLES = {"animal": "fox", "seed": 1, "n": 3}


@pytest.mark.parametrize(
    ("body", "params"),
    [
        ('prompt = f"a {animal}"\nseed = 42', {"prompt": "a fox", "seed": 42}),
        ("seed = seed", {"seed": 1}),
        ("seed += 1", {"seed": 2}),
        ("steps: int = 5", {"steps": 5}),
        ("a = b = 1\nc, (d, *e) = 1, (2, 3, 4)", {"a": 1, "b": 1, "c": 1, "d": 2, "e": [3, 4]}),
        ("# only a comment\n", {}),
        ("_helper = 2\nsteps = _helper * 10", {"steps": 20}),
        ("import math\nx = math.floor(2.5)", {"x": 2}),
        ("words = [animal for _ in range(n)]\nprompt = ' '.join(w for w in words)", None),
        ("for i in range(3):\n    total = i", {"total": 2}),
        ("if n > 2:\n    steps = 30\nelse:\n    steps = 10", {"steps": 30}),
        ("if n > 9:\n    steps = 30", {}),
        ("def f():\n    inner = 1\n    return inner\nx = f()", {"x": 1}),
        ("try:\n    x = 1 / 0\nexcept ZeroDivisionError:\n    x = 7", {"x": 7}),
        ("with open(__import__('os').devnull) as f:\n    y = 1", {"y": 1}),
        ("match n:\n    case 3:\n        z = 1", {"z": 1}),
        ('{"6.text": "x", "seed": n}', {"6.text": "x", "seed": 3}),
        ("dict(seed=5)", {"seed": 5}),
        ('{"flag": true, "nothing": null}', {"flag": True, "nothing": None}),
        ("prompt: a fox in the snow\nseed: 42", {"prompt": "a fox in the snow", "seed": 42}),
        ("prompt: cat\nseed: 42", {"prompt": "cat", "seed": 42}),
        ("6.text: |\n  two\n  lines\n", {"6.text": "two\nlines\n"}),
        ("prompt: >-\n  one\n  line", {"prompt": "one line"}),
        ("prompt: 'a: b'", {"prompt": "a: b"}),
    ],
)
def test_a_body_gives_its_parameters(body, params):
    if params is None:
        params = {"words": ["fox"] * 3, "prompt": "fox fox fox"}
    assert read_body(body, VARIABLES) == params


def test_the_notebooks_variables_stay_as_they_are():
    variables = dict(VARIABLES)
    read_body("seed = 99\nnew = 1", variables)
    assert variables == VARIABLES


def test_a_variable_that_holds_the_parameters():
    assert read_body("params", {"params": {"seed": 3}}) == {"seed": 3}


class Thing:
    size = 3


@pytest.mark.parametrize(
    ("body", "values"),
    [
        ("upscale_model.scale_by = 2", {"upscale_model.scale_by": 2}),
        ("a.b = 1\na.c = a.b + 1\nd = a.c", {"a.b": 1, "a.c": 2, "d": 2}),
        ("node.model.size = 8", {"node.model.size": 8}),
        ("thing.b = thing.size", {"thing.b": 3}),
        ("a.b = 1\na.b += 1", {"a.b": 2}),
        ("for n in (1, 2):\n    a.b = n", {"a.b": 2}),
        ("_own = Thing()\n_own.size = 4\nx = _own.size", {"x": 4}),
        ("own = Thing()\nown.size = 4", {"own": "a Thing"}),
        ("if False:\n    a.b = 1\nc = 1", {"c": 1}),
    ],
)
def test_dotted_names_are_parameters_too(body, values):
    thing = Thing()
    found = read_body(body, {"thing": thing, "Thing": Thing})
    assert {name: "a Thing" if isinstance(value, Thing) else value for name, value in found.items()} == values
    assert vars(thing) == {}


def test_a_dotted_name_of_nothing_has_no_value():
    with pytest.raises(AttributeError, match="'a' has no value for 'c' yet"):
        read_body("a.b = a.c + 1", {})


@pytest.mark.parametrize(
    "body",
    [
        "prompt = 'unclosed",
        'prompt = "a: b',
        "x = {'a': 1",
        "just some words",
        "a fox: in: the snow",
        "42",
        "'text'",
    ],
)
def test_anything_else_gets_an_error_that_shows_both_forms(body):
    with pytest.raises(ParameterError) as caught:
        read_body(body, VARIABLES)
    assert 'prompt = "a fox in the snow"' in str(caught.value)
    assert "prompt: a fox in the snow" in str(caught.value)


def test_the_place_of_a_syntax_error_is_told():
    with pytest.raises(ParameterError, match=r"line 2"):
        read_body("a = 1\nb = = 2", {})


def test_an_error_in_the_body_is_pythons_own_and_shows_the_line():
    with pytest.raises(ZeroDivisionError) as caught:
        read_body("a = 1\nb = a / 0", {})
    assert "b = a / 0" in "".join(traceback.format_exception(caught.value))
    with pytest.raises(NameError):
        read_body("x = undefined_name", {})

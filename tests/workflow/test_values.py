import math

import numpy as np
import pytest

from comfy_notebook.workflow.schema import InputSpec
from comfy_notebook.workflow.values import UnfitError, fit

STEPS = InputSpec("steps", "INT", minimum=1, maximum=100)
CFG = InputSpec("cfg", "FLOAT", minimum=0.0, maximum=10.0)
TEXT = InputSpec("text", "STRING")
FLAG = InputSpec("flag", "BOOLEAN")
SAMPLER = InputSpec("sampler_name", "COMBO", choices=("euler", "dpmpp_2m", "ddim"))
NUMBERS = InputSpec("size", "COMBO", choices=(512, 1024))
MANY = InputSpec("many", "COMBO", choices=("p", "q"), multiple=True)
SEED = InputSpec("seed", "INT", minimum=0, maximum=2**64 - 1)


@pytest.mark.parametrize(
    ("value", "spec", "fitted"),
    [
        (20, STEPS, 20),
        (20.0, STEPS, 20),
        (" 20 ", STEPS, 20),
        (np.int64(20), STEPS, 20),
        (np.float32(2.5), CFG, 2.5),
        (2**64 - 1, SEED, 2**64 - 1),
        (7, CFG, 7),
        ("7.5", CFG, 7.5),
        ("a", TEXT, "a"),
        (3, TEXT, "3"),
        (True, FLAG, True),
        (0, FLAG, False),
        ("off", FLAG, False),
        ("True", FLAG, True),
        ("euler", SAMPLER, "euler"),
        ("1024", NUMBERS, 1024),
        (["p", "q"], MANY, {"__value__": ["p", "q"]}),
        (("4", 0), InputSpec("model", "MODEL"), ["4", 0]),
    ],
)
def test_a_value_that_fits(value, spec, fitted):
    result = fit(value, spec)
    assert result == fitted
    assert type(result) is type(fitted)


@pytest.mark.parametrize(
    ("value", "spec", "says"),
    [
        (0, STEPS, "between 1 and 100"),
        (101, STEPS, "out of range"),
        (20.5, STEPS, "not a whole number"),
        ("many", STEPS, "not a whole number"),
        (True, STEPS, "not a whole number"),
        (math.nan, CFG, "not a finite number"),
        ("x", CFG, "not a number"),
        (-1, InputSpec("x", "INT", minimum=0), "at least 0"),
        (9, InputSpec("x", "INT", maximum=5), "at most 5"),
        (["a"], TEXT, "not text"),
        ("maybe", FLAG, "neither True nor False"),
        (2, FLAG, "neither True nor False"),
        ("eular", SAMPLER, "Did you mean 'euler'"),
        ("zzz", SAMPLER, "Choose from 'euler', 'dpmpp_2m', 'ddim'"),
        (["euler"], SAMPLER, "takes one of its choices"),
        ("x", InputSpec("ckpt", "COMBO", choices=()), "offers no choice"),
        (None, TEXT, "None is no value"),
        (object(), InputSpec("model", "MODEL"), "input of type MODEL"),
    ],
)
def test_a_value_that_does_not_fit_is_told_why(value, spec, says):
    with pytest.raises(UnfitError) as caught:
        fit(value, spec)
    assert says in str(caught.value)


def test_unknown_choices_are_for_the_server_to_judge():
    assert fit("anything", InputSpec("remote", "COMBO", choices=None)) == "anything"


def test_a_long_list_of_choices_is_cut():
    spec = InputSpec("ckpt", "COMBO", choices=tuple(f"model-{i:04}.safetensors" for i in range(2000)))
    with pytest.raises(UnfitError) as caught:
        fit("zzz", spec)
    assert "and 1992 more" in str(caught.value)

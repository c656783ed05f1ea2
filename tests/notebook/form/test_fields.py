from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from painting import workflow

from comfy_notebook.notebook.form.fields import Kind, fields_of, find_fields, find_groups
from comfy_notebook.notebook.form.ranges import slider_range
from comfy_notebook.notebook.form.sizes import SHAPES, shape_of, shaped
from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.schema import InputSpec

KINDS = {
    "text": Kind.TEXT,
    "name": Kind.LINE,
    "amount": Kind.NUMBER,
    "steps": Kind.NUMBER,
    "open": Kind.NUMBER,
    "tiled": Kind.SWITCH,
    "sampler": Kind.CHOICE,
    "tags": Kind.CHOICES,
    "seed": Kind.SEED,
    "tint": Kind.COLOR,
    "image": Kind.FILE,
    "width": Kind.NUMBER,
    "height": Kind.NUMBER,
    "curve": Kind.JSON,
}


def test_each_input_has_the_control_that_suits_it():
    fields = find_fields(workflow())
    assert {name: field.kind for name, field in fields.items()} == KINDS
    assert fields["text"].about == "what to paint"
    assert fields["tiled"].spec.labels == ("whole", "tiles")


def test_without_a_server_values_tell_what_they_are():
    fields = find_fields(workflow(schemas={}, text="a text that is too long for a line, as most prompts are: a lake"))
    kinds = {name: field.kind for name, field in fields.items()}
    assert kinds == KINDS | {
        "sampler": Kind.LINE,
        "tags": Kind.JSON,
        "tint": Kind.NUMBER,
        "image": Kind.LINE,  # of a node that nobody knows
    }


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("steps", "20", Kind.LINE),  # kept as text, and given back as text
        ("steps", 2**60, Kind.LINE),  # larger than a browser's numbers
        ("amount", True, Kind.JSON),
        ("tiled", "yes", Kind.LINE),
        ("text", 5, Kind.LINE),
        ("sampler", ["euler"], Kind.JSON),
        ("name", "two\nlines", Kind.TEXT),
        ("image", {"file": "a.png"}, Kind.JSON),
    ],
)
def test_a_value_of_another_type_is_not_forced_into_a_control(name, value, kind):
    assert find_fields(workflow(**{name: value}))[name].kind is kind


def test_what_matters_comes_first_and_the_rest_is_folded_under_its_node():
    graph = {
        "1": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a lake", "clip": ["9", 0]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "blur", "clip": ["9", 0]}},
        "4": {
            "class_type": "KSampler",
            "_meta": {"title": "Sampler, $cfg: how strictly"},
            "inputs": {"seed": 1, "steps": 20, "cfg": 7.0, "positive": ["2", 0], "negative": ["3", 0]},
        },
        "5": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "6": {"class_type": "Scale", "_meta": {"title": "Twice"}, "inputs": {"width": 5, "height": 5, "crop": "no"}},
        "7": {"class_type": "Blur", "_meta": {"title": "Same"}, "inputs": {"radius": 1}},
        "8": {"class_type": "Sharpen", "_meta": {"title": "Same"}, "inputs": {"alpha": 1}},
    }
    made = Workflow(graph, "w")
    groups = find_groups(made, find_fields(made))
    first = [[field.name for field in fields_of(row)] for row in groups[0].rows]
    assert first == [["prompt"], ["negative_prompt"], ["image"], ["emptylatentimage.width", "emptylatentimage.height"],
                     ["seed"], ["cfg"]]  # fmt: skip
    assert [group.title for group in groups] == ["", "EmptyLatentImage", "Sampler", "Twice", "Same (7)", "Same (8)"]
    assert groups[3].names == ["twice.width", "twice.height", "crop"]


def spec(low, high, default, step=None, *rest):
    kind, display = (*rest, "FLOAT", "")[:2] if not rest[1:] else rest
    return InputSpec("x", kind, minimum=low, maximum=high, default=default, step=step, display=display)


@pytest.mark.parametrize(
    ("given", "value", "found"),
    [
        (spec(0.0, 1.0, 1.0, 0.01), 0.5, (0.0, 1.0)),
        (spec(1, 10000, 20, 1, "INT"), 20, (1, 100)),  # where people stay
        (spec(1, 10000, 20, 1, "INT"), 300, (1, 2000)),
        (spec(1, 10000, 20, 1, "INT", "slider"), 20, (1, 10000)),
        (spec(0.0, 100.0, 8.0, 0.1), 7.0, (0.0, 50)),
        (spec(1, 4096, 1, 1, "INT"), 1, (1, 20)),
        (spec(0, 2**64 - 1, 0, 1, "INT"), 0, None),
        (spec(-(2**63), 2**63, 0, 1, "INT"), 0, None),
        (spec(0, None, 0, 1, "INT"), 0, None),
        (spec(0, 10, 5, 1, "INT"), 11, None),  # out of range: told, and not pushed into it
        (None, 5, None),
    ],
)
def test_a_slider_goes_where_a_hand_finds_its_way(given, value, found):
    made = slider_range(given, value)
    assert (made and (made.low, made.high)) == found


@given(
    st.sampled_from(SHAPES),
    st.integers(64, 8192),
    st.integers(64, 8192),
    st.sampled_from([1, 8, 16, 64]),
)
def test_a_shape_keeps_the_number_of_pixels_and_the_grid(shape, width, height, step):
    limits = InputSpec("x", "INT", minimum=16, maximum=16384, step=step)
    wide, high = shaped(shape, width * height, limits, limits)
    unit = max(8, step)
    assert wide % unit == high % unit == 0
    assert 16 <= wide <= 16384
    assert 16 <= high <= 16384
    if min(wide, high) > 32 * unit and max(wide, high) < 16384:
        assert wide * high == pytest.approx(width * height, rel=unit / min(wide, high) * 1.2)
        assert wide / high == pytest.approx(shape[0] / shape[1], rel=unit / min(wide, high) * 1.2)
        assert shape_of(wide, high, limits, limits) == shape


def test_shape_after_shape_does_not_drift():
    sizes = [shaped(shape, 1024 * 1024, None, None) for shape in SHAPES]
    assert sizes[0] == (1024, 1024)
    assert all(earlier != later for earlier, later in pairwise(sizes))
    assert [shape_of(*size, None, None) for size in sizes] == list(SHAPES)
    assert shape_of(1000, 300, None, None) is None

import pytest

from comfy_notebook.workflow.markers import output_name, parameter_markers, plain_title

# ComfyKit's grammar as a table: title, output, [(name, field, upload, required)]
GRAMMAR = [
    ("$a", None, [("a", "a", False, False)]),
    ("$a!", None, [("a", "a", False, True)]),
    ("$~a", None, [("a", "a", True, False)]),
    ("$~a!", None, [("a", "a", True, True)]),
    ("$a.b", None, [("a", "b", False, False)]),
    ("$a.b!", None, [("a", "b", False, True)]),
    ("$a.~b!", None, [("a", "b", True, True)]),
    ("$~a.b", None, [("a", "b", True, False)]),
    ("$a.b.c", None, [("a", "b.c", False, False)]),
    ("$a.b!:desc", None, [("a", "b", False, True)]),
    ("$a.b:desc!", None, [("a", "b", False, False)]),
    ("$a!:x, $b!", None, [("a", "a", False, True), ("b", "b", False, True)]),
    ("$a.b!:x, y", None, [("a", "b", False, True)]),
    ("$a!.b", None, [("a!", "b", False, False)]),
    ("$a!!", None, [("a!", "a!", False, True)]),
    ("Text, $p1!, $p2", None, [("p1", "p1", False, True), ("p2", "p2", False, False)]),
    ("text $p1", None, []),
    ("$p1 text", None, [("p1 text", "p1 text", False, False)]),
    ("$a.b ,$c!", None, [("a", "b", False, False), ("c", "c", False, True)]),
    ("$ a!", None, [(" a", " a", False, True)]),
    ("$", None, [("", "", False, False)]),
    ("$.text!", None, [("", "text", False, True)]),
    ("$output.x", "x", []),
    ("$output.x!", "x!", []),
    ("$output.x, $y", "x, $y", []),
    ("$output.x:d", "x:d", []),
    (" $output.x ", None, [("output", "x", False, False)]),
    ("Text, $output.x", None, [("output", "x", False, False)]),
    ("$output", None, [("output", "output", False, False)]),
    ("$output.", None, [("output", "", False, False)]),
    ("$提示.text!", None, [("提示", "text", False, True)]),
    ("", None, []),
    ("Load Image", None, []),
]


@pytest.mark.parametrize(("title", "output", "parameters"), GRAMMAR)
def test_a_title_means_what_comfykit_says(title, output, parameters):
    assert output_name(title) == output
    found = [(m.name, m.field, m.upload, m.required) for m in parameter_markers(title)]
    assert found == parameters


def test_a_description_is_kept():
    assert parameter_markers("$a.b!: how many ")[0].description == "how many"


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("Canvas, $width!, $height", "Canvas"),
        ("$prompt.text!", ""),
        ("$output.cover", ""),
        ("A, B", "A, B"),
        ("", ""),
    ],
)
def test_people_read_titles_without_markers(title, plain):
    assert plain_title(title) == plain

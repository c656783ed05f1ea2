import random
from datetime import UTC, datetime

import pytest
from pages import inputs, node, page

from comfy_notebook import WorkflowError
from comfy_notebook.workflow.editor.texts import format_date, replace_fields, resolve_prompt

NOW = datetime(2026, 3, 7, 9, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a cat", "a cat"),
        ("a {single} choice, {nested {one}}", "a single choice, nested one"),
        (r"escaped \{not\} and \|", "escaped {not} and |"),
        (r"a \n b", r"a \n b"),
        ("one // two\nthree /* four\nfive */six", "one \nthree six"),
        ("http://x", "http:"),
        ("{a", "a"),
        ("a}", "a}"),
        ("{}", ""),
        ("ends with \\", "ends with \\"),
        ("", ""),
    ],
)
def test_a_prompt_without_a_choice(text, found):
    assert resolve_prompt(text) == found


def test_a_choice_is_taken_at_random():
    random.seed(1)
    found = {resolve_prompt("a {red|blue|{dark|pale} green} cat") for _ in range(200)}
    assert found == {f"a {color} cat" for color in ("red", "blue", "dark green", "pale green")}


def test_the_last_of_each_choice():
    assert resolve_prompt("{a|b{c|d}}-{x|}", choose=lambda options: options[-1]) == "bd-"


def test_choices_nest_only_so_far():
    with pytest.raises(WorkflowError, match=r"Text \(node 1\): text: its braces"):
        inputs(page(node(1, "Text", "{" * 1000)))


def test_only_what_the_server_says_is_a_dynamic_prompt():
    assert inputs(page(node(1, "Text", "{a} // b", "{a} // b")))["1"] == {"text": "a ", "plain": "{a} // b"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("%date:yyyy-MM-dd%", "2026-03-07"),
        ("%date:yy M d h m s hhmmss%", "26 3 7 9 5 4 090504"),
        ("%date:yyy%", "yyy"),
        ("%width%", "%width%"),
        ("%One.a%_%One.b%", "7_%One.b%"),
        ("%One.path%", "a_b_c"),
        ("%One.flag% %One.whole% %One.none% %One.many%", "true 8  %One.many%"),
        ("100%", "100%"),
        ("%a.b.c%", "%a.b.c%"),
    ],
)
def test_fields(text, found):
    values = {"a": 7, "path": "a/b:c", "flag": True, "whole": 8.0, "none": None, "many": [1]}
    assert replace_fields(text, NOW, lambda _, name: values[name]) == found


def test_a_date_of_one_digit():
    assert format_date("d/M", NOW) == "7/3"


def test_file_names_take_values_from_other_nodes():
    sampler = node(1, "Sampler", 42, "fixed", 20, 7.5, "euler", 1, properties={"Node name for S&R": "KS"})
    named = node(2, "Number", 5, title="My Number")
    primitive = node(6, "PrimitiveNode", 9, "fixed", title="P")
    by_alias = node(3, "SaveImage", "%KS.seed%/%KS.sampler%-%My Number.value%-%Gone.x%-%KS.gone%")
    by_class = node(4, "SaveImage", "%Number.value% %P.value%")
    elsewhere = node(5, "Text", "", "%KS.seed%")
    found = inputs(page(sampler, named, primitive, by_alias, by_class, elsewhere))
    assert found["3"]["filename_prefix"] == "42/euler-5-%Gone.x%-%KS.gone%"
    assert found["4"]["filename_prefix"] == "5 9"
    assert found["5"]["plain"] == "%KS.seed%"

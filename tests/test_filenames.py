import itertools
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from comfy_notebook import ParameterError
from comfy_notebook.filenames import LONGEST, fill, numbered, portable, same, suffix_of

# What Windows, macOS and Linux refuse, written down apart from the code under test.
DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
DEVICES |= {f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789\u00b9\u00b2\u00b3"}
NASTY = [
    "", ".", "..", "../../x", "/etc/passwd", "\\\\server\\share\\x", "C:\\x.png", "c:x.png", "x:stream", "CON",
    "nul.txt", "con .txt", "COM\u00b9.png", "LPT9", "conin$", "a" * 300 + ".png", "\u732b" * 99 + ".webp",
    "e\u0301" * 99,
    "a\nb\r\tc", "a\x00b", "a\x1b[31mb", "a\u202egnp.exe", "\u200b\ufeff", "x. . ", ". .x", ".bashrc", " ",
    "\ud800.png", "\uffff", 'a<>:"|?*b', "x." + "y" * 200, "~", "-rf", "a\u2028b", "%00", "x.png ", "a..png", "\u037e",
    "CON\u200b.png",
]  # fmt: skip
names = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=400),
    st.text(st.sampled_from("./\\: \x00CONcon1\u0301\u200b\u00b9e"), max_size=20),
    st.lists(st.sampled_from(NASTY), max_size=3).map("".join),
)


def check(name, longest=LONGEST):
    """Assert that every system takes a file name, and that it names a file in the folder and is seen there."""
    assert name
    assert not set(name) & set('<>:"/\\|?*')
    assert not [c for c in name if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")]
    assert name[0] not in ". "
    assert name[-1] not in ". "
    assert name.partition(".")[0].rstrip(" ").upper() not in DEVICES
    assert len(name.encode()) <= longest
    assert unicodedata.is_normalized("NFC", name)


@given(names)
def test_any_name_becomes_one_that_every_system_takes(name):
    made = portable(name)
    check(made)
    assert portable(made) == made


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("ComfyUI_00001_.png", "ComfyUI_00001_.png"),
        ("\u00fc x (1) & co, 猫.png", "\u00fc x (1) & co, 猫.png"),
        ("../../x", "x"),
        ("C:\\Users\\x.png", "x.png"),
        ("c:x.png", "c_x.png"),
        ("CON", "_CON"),
        ("NUL.txt", "_NUL.txt"),
        ("console.png", "console.png"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("a\nb.png", "a b.png"),
        ("u\u0308.png", "\u00fc.png"),
        (".bashrc", "bashrc"),
        ("what?.png. ", "what_.png"),
        ("", "file"),
        ("..", "file"),
        ("a" * 300 + ".png", "a" * 126 + ".png"),
    ],
)
def test_a_name_stays_as_like_itself_as_can_be(name, made):
    assert portable(name) == made


@given(names)
def test_numbers_make_other_names_of_the_same_suffix(name):
    made = list(itertools.islice(numbered(portable(name)), 12))
    assert len({same(name) for name in made}) == 12
    assert {suffix_of(name) for name in made} == {suffix_of(made[0])}
    for one in made:
        assert len(one.encode()) <= 143
        check(one, 143)


@given(names, names, names, st.integers(0, 10_000))
@example("{", "", "", 0)
def test_whatever_a_pattern_and_its_values_are_the_path_stays_inside(literal, var, filename, index):
    fields = {"var": var, "filename": filename, "index": index}
    for pattern in (literal, "{var}/{filename}_{index:03}", f"{literal.replace('{', '').replace('}', '')}{{var}}"):
        try:
            parts = fill(pattern, fields)
        except ParameterError:
            assert pattern == literal
            continue
        assert parts
        for part in parts:
            check(part)


def test_a_pattern_makes_names_and_folders():
    fields = {"var": "a/b", "index": 7, "node.seed": 3, "text": "x" * 500}
    assert fill("{var}_{index:03}", fields) == ["a_b_007"]
    assert fill("../{var}//{index}", fields) == ["a_b", "7"]
    assert fill("C:\\{node.seed}", fields) == ["C_", "3"]
    assert fill("{{{index}}}", fields) == ["{7}"]
    assert fill("{text}_{index}", fields) == ["x" * 80 + "_7"]
    assert fill("{text:.5}", fields) == ["xxxxx"]


@pytest.mark.parametrize("pattern", ["{nobody}", "{var.__class__}", "{var[0]}", "{}", "{0}"])
def test_a_field_that_there_is_not_is_told_with_those_that_there_are(pattern):
    with pytest.raises(ParameterError, match=r"no field .*\. It has: var, index\."):
        fill(pattern, {"var": "x", "index": 1})


@pytest.mark.parametrize("pattern", ["{var", "{index:q}", "{var!z}", "{index:{var}}", "}"])
def test_a_pattern_that_cannot_be_read_is_told_so(pattern):
    with pytest.raises(ParameterError, match="cannot be"):
        fill(pattern, {"var": "x", "index": 1})

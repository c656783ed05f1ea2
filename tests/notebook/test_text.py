"""Results as text: what a terminal of 80 columns, a log and a hostile name make of it."""

import io
import re
import subprocess
import sys

import pytest

from comfy_notebook import ExecuteResult, Media, ParameterError
from comfy_notebook.errors import Problem
from comfy_notebook.media import MediaList
from comfy_notebook.notebook.show import text
from comfy_notebook.servers.outputs import view_url

NEAR, FAR = "http://h:1", "https://jupyter.example.org/user/someone/proxy/8188"


def media(name, var="cover", base=NEAR):
    url = view_url(base, name.replace("\ud800", ""), "", "temp")
    return Media(url, filename=name, var=var)


def result(names, var="cover", base=NEAR, **attributes):
    return ExecuteResult(
        "completed",
        duration=1.234,
        server=base,
        images=MediaList(media(name, var, base) for name in names),
        **attributes,
    )


def width(lines):
    return max(len(line) for line in lines.splitlines())


def test_a_result_is_told_with_its_urls():
    assert text(result(["a.png", "bc.png"], texts=["hello"], texts_by_var={"words": ["hello"]})).splitlines() == [
        "Completed in 1.23 s on http://h:1: 2 images, 1 text",
        "  cover",
        "    image  a.png   http://h:1/view?filename=a.png&type=temp",
        "    image  bc.png  http://h:1/view?filename=bc.png&type=temp",
        "  words",
        "    hello",
    ]


def test_a_url_that_does_not_fit_has_a_line_of_its_own_where_there_are_few():
    few, many = text(result(["a.png"], base=FAR)), text(result([f"{n}.png" for n in range(5)], base=FAR))
    assert many.splitlines()[:2] == ["Completed in 1.23 s: 5 images", f"  on {FAR}"]
    assert few.splitlines()[-2:] == ["    image  a.png", f"           {media('a.png', base=FAR)}"]
    assert "filename=" not in many
    assert width(many) <= 80


@pytest.mark.parametrize(
    ("count", "lines", "rest"), [(9, 11, None), (10, 11, "    … and 2 more"), (100, 11, "    … and 92 more")]
)
def test_many_are_a_number(count, lines, rest):
    shown = text(result([f"{number}.png" for number in range(count)])).splitlines()
    assert len(shown) == lines
    assert rest in (shown[-1], None)
    assert len(text(result([f"{number}.png" for number in range(count)]).images).splitlines()) == 9


def test_many_outputs_are_a_number_too():
    images = MediaList(media("a.png", f"output {number}") for number in range(100))
    shown = text(ExecuteResult("completed", images=images)).splitlines()
    assert len(shown) == 42
    assert shown[-1] == "  … and 80 more outputs"


def test_long_texts_are_folded_and_fit():
    for long in ("word " * 2_000, "\n".join(map(str, range(99))), "x" * 10**6):
        shown = text(ExecuteResult("completed", texts=[long], texts_by_var={"words": [long]}))
        assert len(shown.splitlines()) == 23
        assert width(shown) <= 80
        assert shown.endswith(f"… {len(long):,} characters in all")
    assert "    a\n      b" in text(ExecuteResult("completed", texts_by_var={"words": ["a\n  b"]}))


def test_sentences_fit_and_addresses_stay_whole():
    url = f"https://example.org/{'x' * 90}"
    problem = Problem("it is larger than what the node takes, which is at most 10000, and no less than one", "steps")
    failed = text(ExecuteResult.failure(ParameterError("No.", problems=[problem], hint=f"Look at {url}")))
    assert url in failed.splitlines()[-1]
    assert width(failed.replace(url, "")) <= 80
    assert width(text(ExecuteResult("completed", warnings=["so and so " * 20]))) <= 80


def test_nothing_hostile_reaches_the_terminal():
    evil = "a\x1b[2J\x1b]0;title\x07\x9b31m\r\n\x00\u202egnp\ud800.png"
    page = text(
        result(
            [evil], evil, evil, warnings=[evil], texts=[evil], texts_by_var={evil: [evil]},
            error=ParameterError(evil, problems=[Problem(evil, evil)], hint=evil),
        )
    )  # fmt: skip
    page.encode()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", page)
    assert "␛[2J" in page
    assert "  a␛[2J␛]0;title␇\ufffd31m␍␊␀\ufffdgnp\ufffd.png" in page.splitlines()


def test_names_are_shortened_in_the_middle_and_wide_ones_line_up():
    shown = text(MediaList([media("\u732b.png"), media("abcd.png"), media("x" * 300 + ".png")])).splitlines()
    assert [line for line in shown if "…" in line] == [f"image  {'x' * 24}…{'x' * 8}.png"]
    shown = text(MediaList([media("\u732b.png"), media("abcd.png")])).splitlines()
    assert shown[0].index("http") + 1 == shown[1].index("http")


def test_a_terminal_that_lacks_characters_gets_others(monkeypatch):
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    assert text(result([f"{number}.png" for number in range(100)])).endswith("? and 92 more")


def test_a_plain_python_prints_it(tmp_path):
    script = (
        "import sys\n"
        "from comfy_notebook import ExecuteResult\n"
        "result = ExecuteResult('completed', duration=1.0, texts=['hello'], texts_by_var={'words': ['hello']})\n"
        "print(repr(result)); print(result)\n"
        "print([name for name in ('IPython', 'ipywidgets', 'PIL', 'numpy', 'tqdm', 'httpx') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "<ExecuteResult completed: 1 text, 1.00 s>",
        "Completed in 1.00 s: 1 text",
        "  words",
        "    hello",
        "[]",
    ]

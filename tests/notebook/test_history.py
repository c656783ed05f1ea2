"""The history as it shows itself, and as %comfy asks for it."""

import time
import unicodedata
from html.parser import HTMLParser

import pytest
from graphs import picture, sampled
from IPython.core.completer import provisionalcompleter
from past import fill
from waiting import wait_for

from comfy_notebook import ComfyKit, HistoryError, history
from comfy_notebook.experiments.history.store import default_store
from comfy_notebook.notebook.show import html, text

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m&amp;\u202e"


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(tmp_path / "data"))
    yield tmp_path / "data"
    default_store().close()


@pytest.fixture
def kit(data_folder, embedded_comfyui):
    return ComfyKit(embedded_comfyui)


@pytest.fixture
def ip(shell, data_folder):
    shell.run_line_magic("load_ext", "comfy_notebook")
    return shell


class Elements(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def of(self, tag):
        return [attrs for name, attrs in self.found if name == tag]


def thumbnails():
    return default_store().read("SELECT count(*) FROM thumbnails")[0][0]


def test_runs_show_what_they_made_and_what_with(kit):
    kit.run(sampled(), {"prompt": "a fox in the snow", "seed": 5, "steps": 3})
    kit.run(sampled(), {"prompt": "an owl", "stepz": 3})
    wait_for(lambda: thumbnails() == 1)
    shown = Elements(html(history))
    [image] = shown.of("img")
    assert image["src"].startswith("data:image/webp;base64,")
    assert (image["width"], image["height"], image["alt"]) == ("56", "56", "a fox in the snow")
    for words in (
        "2 runs",
        "a fox in the snow",
        "seed 5",
        "steps 3",
        "✓ completed",
        "an owl",
        "✗ failed",
        "One thing is",
    ):
        assert words in shown.text, words
    assert shown.text.index("an owl") < shown.text.index("a fox")  # the newest first
    lines = text(history).splitlines()
    assert lines[0] == "2 runs"
    assert "an owl" in lines[2]
    assert all(words in lines[3] for words in ("[-2]", "a fox in the snow", "seed 5 · steps 3", "completed"))


def test_a_run_and_a_search_show_themselves_alike(kit):
    kit.run(sampled(), {"prompt": "a fox"})
    for shown in (history[-1], history.search("fox"), history[-1:]):
        assert "a fox" in shown._repr_html_()
        assert "a fox" in text(shown)
    assert "0 runs" in history.search("owl")._repr_html_()


def test_what_is_hostile_is_shown_and_not_obeyed(kit):
    kit.run(sampled(steps=1), {"prompt": HOSTILE})
    kit.run(sampled(), {HOSTILE: HOSTILE})
    history[-1].tag(HOSTILE)
    shown = Elements(html(history))
    assert {tag for tag, _ in shown.found} <= {
        "div",
        "style",
        "strong",
        "table",
        "tr",
        "th",
        "td",
        "code",
        "span",
        "wbr",
        "img",
    }
    assert all(attrs["src"].startswith("data:image/webp") for attrs in shown.of("img"))
    assert not [name for _, attrs in shown.found for name in attrs if name.startswith("on") or name == "id"]
    sent = {mark for mark in text(history) if unicodedata.category(mark) == "Cc"}
    assert sent <= {"\n"}


def test_a_long_past_is_shown_in_part_and_small(data_folder):
    fill(data_folder / "history.sqlite", 3_000)
    rows = [(f"{run:064x}", bytes(6_000), 128, 96) for run in range(2_900, 3_001)]
    store = default_store()

    def write(writing):
        writing.connection.executemany("INSERT INTO thumbnails VALUES (?, ?, ?, ?)", rows)
        writing.connection.execute("UPDATE files SET digest = printf('%064x', run)")

    store.write(write).result()
    page = html(history)
    shown = Elements(page)
    assert "3,000 runs, the newest 50 of them here" in shown.text
    assert len(shown.of("tr")) == 51
    assert 10 < len(shown.of("img")) < 50
    assert len(page) < 450_000
    assert len(text(history).splitlines()) == 52


def test_a_thumbnail_that_is_missing_is_made_for_the_next_look(kit):
    kit.run(picture()).images[0].bytes()
    wait_for(lambda: thumbnails() == 1)
    default_store().write(lambda writing: writing.connection.execute("DELETE FROM thumbnails")).result()
    assert Elements(html(history)).of("img") == []
    wait_for(lambda: thumbnails() == 1)
    assert len(Elements(html(history)).of("img")) == 1


def test_the_magic_shows_and_searches(ip, kit, capsys):
    kit.run(sampled(), {"prompt": "a fox", "seed": 3})
    kit.run(sampled(), {"prompt": "an owl", "seed": 4})
    assert len(ip.run_line_magic("comfy", "history")) == 2
    found = ip.run_line_magic("comfy", 'history prompt:fox -status:failed --since yesterday --until "1 day ago"')
    assert found == []
    found = ip.run_line_magic("comfy", 'history "a fox" --since yesterday')
    assert [record.seeds["seed"] for record in found] == [3]
    ip.run_cell("%comfy history seed:4")
    assert "an owl" in capsys.readouterr().out
    with pytest.raises(HistoryError, match="no such status"):
        ip.run_line_magic("comfy", "history status:odd")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("%comfy his", ["history"]),
        ("%comfy history pro", ["prompt:"]),
        ("%comfy history fox -stat", ["-status:"]),
        ("%comfy history status:f", ["status:failed"]),
        ("%comfy history -status:f", ["-status:failed"]),
        ("%comfy history ckpt", ["ckpt_name:"]),
        ("%comfy history fox --si", ["--since"]),
    ],
)
def test_fields_are_completed(ip, kit, text, found):
    kit.run(sampled(steps=1))
    with provisionalcompleter():
        completions = [*ip.Completer.completions(text, len(text))]
    assert [text[: each.start] + each.text for each in completions] == [
        text[: text.rindex(" ") + 1] + end for end in found
    ]


def test_the_history_is_shown_quickly(data_folder):
    fill(data_folder / "history.sqlite", 10_000)
    html(history)
    began = time.perf_counter()
    html(history)
    assert time.perf_counter() - began < 0.5  # a fifth of that on a machine with nothing else to do

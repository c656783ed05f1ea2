"""How a sweep looks: as HTML, as text, as a picture, as a page and as a table."""

import re
import sys

import pytest
from graphs import blended, node, picture
from PIL import Image

from comfy_notebook import MissingExtraError, ParameterError, sweep

HOSTILE = '<script>alert("x")</script>\x1b[31m'


@pytest.fixture
def colors(embedded_comfyui):
    return sweep(picture(), color=[0xFF0000, 0x00FF00], width=[8, 32, 16], server=embedded_comfyui)


def test_a_grid_has_its_labels_and_pictures(colors):
    html = colors._repr_html_()
    heads = re.findall(r'<th scope="(\w+)" title="(\w+)"', html)
    assert heads == [("col", "8"), ("col", "16"), ("col", "32"), ("row", "65280"), ("row", "16711680")]
    assert html.count('class="cnb-look') == 6
    assert "completed</strong>" in html


def test_text_says_the_same(colors):
    text = colors._repr_mimebundle_()["text/plain"]
    assert text.splitlines()[0].startswith("✓ completed, 6 runs, ")
    assert [line.split() for line in text.splitlines()[1:]] == [
        ["width"], ["color", "8", "16", "32"], ["65280", "✓", "✓", "✓"], ["16711680", "✓", "✓", "✓"]
    ]  # fmt: skip


def test_values_from_anywhere_are_only_text(embedded_comfyui):
    graph = {"1": node("PrimitiveString", "$words.value", value="x"), "2": node("PreviewAny", source=["1", 0])}
    s = sweep(graph, words=[HOSTILE, "b"], server=embedded_comfyui)
    bundle = s._repr_mimebundle_()
    assert "<script>" not in bundle["text/html"]
    assert "&lt;script&gt;" in bundle["text/html"]
    assert "\x1b" not in bundle["text/plain"]


def test_a_failed_run_is_told_in_its_place_and_below(embedded_comfyui):
    s = sweep(blended(), photo=[b"no picture"], blur_radius=[1, 2], server=embedded_comfyui)
    html = s._repr_html_()
    assert html.count('class="cnb-failed"') == 2
    assert "2 runs failed" in html
    assert "LoadImage" in s._repr_mimebundle_()["text/plain"]


def test_all_pictures_share_one_budget(embedded_comfyui, monkeypatch):
    monkeypatch.setenv("COMFY_NOTEBOOK_PICTURES_KB", "60")
    noise = Image.effect_noise((256, 256), 90)
    s = sweep(blended(), blur_radius=range(1, 9), blend_factor=[0.1, 0.9], photo=noise, server=embedded_comfyui)
    html = s._repr_html_()
    assert len(html) < 60_000 + 40_000  # and what is no picture
    assert html.count('class="cnb-look') == 16


def test_a_grid_shows_the_output_that_is_asked_for(embedded_comfyui):
    graph = picture() | {"3": node("ImageInvert", image=["1", 0]), "4": node("PreviewImage", "$output.turned")}
    graph["4"]["inputs"]["images"] = ["3", 0]
    s = sweep(graph, color=[0xFFFFFF, 0x000000], server=embedded_comfyui)
    assert s.grid().output == "cover"
    assert "grid(output=...) shows turned" in s._repr_html_()
    grid = s.grid(output="turned")
    assert [media.var for media in grid.shown(s[0].result)] == ["turned"]
    with pytest.raises(ParameterError, match=r"no output 'front'\. It has cover, turned"):
        s.grid(output="front")


def test_one_picture_has_all_of_them_and_their_labels(colors, tmp_path):
    path = colors.to_image(tmp_path / "grid.png")
    whole = Image.open(path).convert("RGB")
    counts = {color: count for count, color in whole.getcolors(1 << 20)}
    assert counts[255, 0, 0] == counts[0, 255, 0] == (8 + 16 + 32) * 16
    words = colors.where(color=0xFF0000).grid(columns="width").to_image(tmp_path / "row.jpg", size=8)
    assert Image.open(words).width < whole.width


def test_one_picture_tells_failures_and_sections(embedded_comfyui, tmp_path):
    photo = Image.new("RGB", (640, 480), "teal")
    s = sweep(
        blended(),
        blur_radius=[1, 2],
        blend_factor=[0.1, 0.9],
        sigma=[1, 9],
        photo=[b"x", photo],
        server=embedded_comfyui,
    )
    grid = s.grid(rows="photo", columns="sigma", by=["blur_radius", "blend_factor"])
    assert max(Image.open(grid.to_image(tmp_path / "grid.png", size=96)).size) < 1600
    assert max(Image.open(grid.to_image(tmp_path / "large.png")).size) <= 9000


def test_a_page_needs_nothing_else(colors, tmp_path):
    page = colors.to_html(tmp_path / "grid.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert page.count('class="cnb-look') == 6


def test_a_table_has_a_row_a_run(colors):
    frame = colors.to_dataframe()
    assert list(frame["width"]) == [8, 32, 16] * 2
    assert set(frame["status"]) == {"completed"}
    assert frame["images"][0] == [str(colors[0].result.images[0])]
    assert {"seconds", "error", "prompt_id", "server"} <= set(frame.columns)


def test_without_pandas_it_is_told_how_to_get_it(colors, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        colors.to_dataframe()

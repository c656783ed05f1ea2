import re
import subprocess
import sys

import numpy as np
import pytest
from graphs import node, picture
from PIL import Image

from comfy_notebook import ComfyKit, ExecuteResult, Media, ParameterError, compare
from comfy_notebook.errors import MediaError
from comfy_notebook.experiments.comparison import NOT_GIVEN
from comfy_notebook.media import MediaList
from comfy_notebook.results import ResultList


@pytest.fixture
def kit(embedded_comfyui):
    return ComfyKit(embedded_comfyui)


def shade(level, size=(32, 16)):
    return Image.new("RGB", size, (level, level, level))


def html(comparison):
    return comparison._repr_html_()


def test_two_results_are_compared_by_what_differs(kit):
    a, b = kit.run(picture(), {"color": 0x000000}), kit.run(picture(), {"color": 0x333333})
    told = compare(a, b)
    assert told.differences == {"color": (0x000000, 0x333333)}
    assert [pair.name for pair in told.pairs] == ["cover"]
    assert told.metrics.mean_absolute_difference == pytest.approx(0.2)
    assert (told.a, told.b) == (a, b)
    assert repr(told) == "<Comparison: 1 pair, 1 parameter differs>"
    text = str(told)
    assert re.search(r"color +0 +3355443\n", text)
    assert re.search(r"time +\d+\.\d\d s +\d+\.\d\d s\n", text)
    assert "cover: mean absolute difference 20 %" in text


def test_a_parameter_that_one_has_not_and_a_number_that_is_no_truth_differ():
    a = ExecuteResult("completed", params={"steps": 1, "same": [1, 2], "prompt": "x"})
    b = ExecuteResult("completed", params={"steps": True, "same": [1, 2], "cfg": 7})
    told = compare(a, b)
    assert told.differences == {"steps": (1, True), "prompt": ("x", NOT_GIVEN), "cfg": (NOT_GIVEN, 7)}
    assert "no pictures" in str(told.metrics)
    assert "no pictures" in html(told)


def test_pictures_are_paired_by_output_and_place(kit):
    two = picture(color=1, batch_size=2) | {"3": node("PreviewImage", "$output.other", images=["1", 0])}
    one = picture(color=2)
    told = compare(kit.run(two), kit.run(one))
    assert [(pair.name, pair.a is None, pair.b is None) for pair in told.pairs] == [
        ("cover", False, False),
        ("cover 2", False, True),
        ("other", False, True),
        ("other 2", False, True),
    ]
    assert str(told.pairs[1].metrics) == "only A has this picture"
    shown = html(told)
    assert shown.count("B: no such picture") == 3
    assert shown.count('<details class="cnb-choice"') == 0  # 32 pixels are nothing to drag an edge over


def test_single_pictures_are_paired_whatever_they_are_called(kit):
    other = picture(color=1)
    other["2"]["_meta"]["title"] = "$output.elsewhere"
    (pair,) = compare(kit.run(picture(color=1)), kit.run(other)).pairs
    assert (pair.name, str(pair.metrics)) == ("", "the same, pixel by pixel")


def test_whatever_is_a_picture_is_taken(kit, tmp_path):
    shade(51).save(tmp_path / "a.png")
    shade(51).save(tmp_path / "nameless", "PNG")
    result = kit.run(picture(color=0x333333))
    media = result.images[0]
    same = [shade(51), np.asarray(shade(51)), np.full((16, 32, 3), 0.2), tmp_path / "a.png", str(tmp_path / "a.png"),
            tmp_path / "nameless", (tmp_path / "a.png").read_bytes(), media, str(media), result.images,
            [shade(51)]]  # fmt: skip
    for each in same:
        told = compare(shade(0), each)
        assert (told.a, told.b, told.differences) == (None, None, {})
        assert told.metrics.mean_absolute_difference == pytest.approx(0.2), each


def test_lists_of_results_are_compared_as_one(kit):
    runs = [ResultList([kit.run(picture(color=color)) for color in colors]) for colors in ((0, 1), (0, 0xFFFFFF))]
    told = compare(*runs)
    assert [pair.name for pair in told.pairs] == ["cover", "cover 2"]
    assert str(told.pairs[0].metrics) == "the same, pixel by pixel"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (7, "a int is neither a file"),
        ("nowhere.png", "there is no file nowhere.png"),
        (Media("http://x/a.mp4", filename="a.mp4"), "a.mp4 is video/mp4"),
        ([(shade(0), shade(1))], "a picture with its mask is two"),
    ],
)
def test_what_is_no_picture_is_refused(given, says):
    with pytest.raises(ParameterError, match=says):
        compare(shade(0), given)


class Gone:
    def read(self, media):
        raise MediaError("The server no longer has it.")


def test_a_picture_that_is_gone_or_none_is_told():
    gone = Media("http://x/a.png", filename="a.png", origin=Gone())
    told = compare(gone, shade(0))
    assert str(told.metrics) == "The server no longer has it."
    assert "A: The server no longer has it." in html(told)
    told = compare(b"nonsense", shade(0))
    assert "no picture that Pillow reads" in str(told.metrics)
    assert "A: picture.png" in html(told)


def test_it_shows_both_and_where_they_differ_without_script():
    a, b = shade(10, (300, 200)), shade(10, (300, 200))
    b.putpixel((5, 5), (20, 10, 10))
    shown = html(compare(a, b))
    assert shown.count("<figure") == 2
    assert shown.count("data:image/") == 3
    assert "Where they differ, 25 times as strong" in shown
    assert not re.search(r"<script|<svg| id=| on\w+=|<iframe", shown)
    assert re.search(r'<details class="cnb-choice" style="display:none;', shown)  # which only the style sheet shows


def test_the_same_pictures_have_no_difference_to_show():
    shown = html(compare(shade(1, (300, 200)), shade(1, (300, 200))))
    assert "the same, pixel by pixel" in shown
    assert "Where they differ" not in shown


def test_a_failed_result_shows_why(kit):
    failed, done = kit.run(picture(), {"width": 0}), kit.run(picture())
    told = compare(failed, done)
    assert "status" in str(told)
    shown = html(told)
    assert 'role="alert"' in shown
    assert "A: no such picture" in shown


def test_a_page_of_its_own_has_the_originals(tmp_path):
    picture = Image.effect_noise((1400, 900), 80)
    path = compare(picture, shade(3, (1400, 900))).to_html(tmp_path / "page.html")
    assert path.read_text(encoding="utf-8").count("data:image/png") == 2
    assert path.stat().st_size > 1_000_000


def test_media_lists_without_outputs_are_paired_in_their_order():
    one = MediaList(Media(f"http://x/{n}.png", filename=f"{n}.png") for n in range(2))
    told = compare(one, [shade(1), shade(2)])
    assert [pair.name for pair in told.pairs] == ["", "2"]


def test_it_works_in_a_plain_script():
    code = (
        "import sys; from PIL import Image; from comfy_notebook import compare\n"
        "print(compare(Image.new('L', (9, 9)), Image.new('L', (9, 9), 51)))\n"
        "print({'IPython', 'ipywidgets'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "mean absolute difference 20 %" in said
    assert said.rstrip().endswith("set()")

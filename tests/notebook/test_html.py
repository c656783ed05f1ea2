import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from clips import clip
from PIL import Image

from comfy_notebook import ExecuteResult, Media, MediaError, NodeError, ParameterError
from comfy_notebook.errors import Problem
from comfy_notebook.media import MediaList
from comfy_notebook.notebook.html.result import error_html, media_html, result_html
from comfy_notebook.notebook.html.workflow import workflow_html
from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.schema import read_node

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"
VOID = {"img", "br", "hr", "input", "meta", "link", "source"}


class Checker(HTMLParser):
    """Collects elements, and fails on what is not balanced."""

    def __init__(self):
        super().__init__()
        self.open, self.elements, self.text, self.goes_on = [], [], [], False

    def handle_starttag(self, tag, attrs):
        self.goes_on = tag == "wbr"
        if self.goes_on:
            return
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.goes_on:
            self.text[-1] += data
        else:
            self.text.append(data)


def read(html):
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


class Store:
    def __init__(self, contents):
        self.contents = contents

    def read(self, media):
        if media.filename not in self.contents:
            raise MediaError(f"{media.filename} cannot be fetched: the server no longer has it")
        return self.contents[media.filename]

    def write(self, media, file):
        file.write(self.read(media))


def png(width=64, height=48, mode="RGB", color=0):
    out = io.BytesIO()
    Image.new(mode, (width, height), color).save(out, "PNG")
    return out.getvalue()


def photo(width=1024, height=1024, seed=0):
    """Make a picture as hard to compress as a photograph: smooth shapes and fine noise."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 255, (16, 16, 3), np.uint8)).resize((width, height))
    noise = generator.normal(0, 6, (height, width, 3))
    out = io.BytesIO()
    Image.fromarray((np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def media(name, contents, var="cover", node_id="9"):
    return Media(f"http://127.0.0.1:8188/view?filename={name}", filename=name, var=var, node_id=node_id,
                 origin=Store(contents))  # fmt: skip


def result(contents, var="cover", **attributes):
    items = [media(name, contents, var) for name in contents]
    lists = {f"{kind}s": MediaList(item for item in items if item.kind == kind)
             for kind in ("image", "video", "audio", "file")}  # fmt: skip
    return ExecuteResult("completed", **{"duration": 1.5, "server": "http://127.0.0.1:8188"} | lists | attributes)


def test_a_result_shows_its_pictures_its_groups_and_its_footer():
    page = read(result_html(result({"a.png": png(), "b.png": png()}, params={"seed": 42})))
    images = [attrs for tag, attrs in page.elements if tag == "img"]
    assert [(image["width"], image["height"], image["src"][:22]) for image in images] == [
        ("64", "48", "data:image/png;base64,")
    ] * 2
    text = " ".join(page.text)
    assert "cover" in text
    assert "2 images" in text
    assert "1.50 s · http://127.0.0.1:8188 · seed 42" in text


def test_a_large_picture_is_a_thumbnail_that_opens():
    page = read(result_html(result({"a.png": photo(1600, 900)})))
    assert "details" in [tag for tag, _ in page.elements]
    small, large = (attrs for tag, attrs in page.elements if tag == "img")
    assert (small["width"], small["height"]) == ("560", "315")
    assert (large["width"], large["height"]) == ("1280", "720")
    assert small["alt"] == "cover · a.png · 1600\u00d7900"


def test_a_few_pictures_say_their_size_and_seed_and_many_do_not():
    note = '<small class="cnb-note">64\u00d748 · seed 42</small>'
    assert result_html(result({f"{n}.png": png() for n in range(12)}, params={"seed": 42})).count(note) == 12
    assert note not in result_html(result({f"{n}.png": png() for n in range(13)}, params={"seed": 42}))


def test_a_file_says_its_type_and_size():
    html = result_html(result({"mesh.glb": bytes(2_000), "gone.zip": b""} | {"more.bin": bytes(12)}))
    text = " ".join(read(html).text)
    assert "mesh.glb · model/gltf-binary ·  original , 2.0 KB" in text
    assert "more.bin · application/octet-stream ·  original , 12 bytes" in text


def test_a_video_leaves_its_poster_where_players_are_taken_out():
    page = read(result_html(result({"a.mp4": clip()})))
    assert [tag for tag, _ in page.elements if tag in ("video", "img")] == ["video", "img"]
    (image,) = (attrs for tag, attrs in page.elements if tag == "img")
    assert image["alt"] == "A frame of a.mp4"


def test_a_thin_picture_is_not_stretched():
    html = result_html(result({"thin.png": png(12, 2400), "wide.png": png(3000, 1500), "a.png": png(640, 480)}))
    assert html.count("--cnb-as-it-is:1") == 1


def test_nothing_but_data_is_in_it():
    contents = {"a.png": png(), "b.mp4": b"\0\0\0\x18ftypmp42", "c.wav": b"RIFF", "d.svg": b"<svg/>", "e.glb": b"x"}
    html = result_html(result(contents, params={"x": "http://elsewhere"}))
    page = read(html)
    names = {tag for tag, _ in page.elements}
    assert not names & {"script", "source", "svg", "iframe", "object", "link", "form", "input"}
    for _, attrs in page.elements:
        assert not [name for name in attrs if name.startswith("on") or name == "id"]
        assert attrs.get("src", "data:").startswith("data:")
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    style = style.replace("@container (max-width: 560px) {", "")
    assert all(
        re.match(r"(?:(?:html|body)\S* )?\.cnb", rule.strip())
        for rule in re.findall(r"^[^{}\n]+(?=\{)", style, re.MULTILINE)
    )


@pytest.mark.parametrize("kind", ["images", "videos", "audios", "files"])
def test_whatever_came_from_elsewhere_is_data(kind):
    name = {"images": ".png", "videos": ".mp4", "audios": ".wav", "files": ".glb"}[kind]
    error = NodeError.from_message({"node_id": HOSTILE, "node_type": HOSTILE, "exception_message": HOSTILE,
                                    "exception_type": HOSTILE, "traceback": [HOSTILE]}, HOSTILE)  # fmt: skip
    shown = result(
        {HOSTILE + name: png()},
        var=HOSTILE,
        error=error,
        msg=HOSTILE,
        warnings=[HOSTILE],
        server=HOSTILE,
        texts=[HOSTILE],
        texts_by_var={HOSTILE: [HOSTILE], "9": [HOSTILE]},
        params={HOSTILE: HOSTILE, "other": [HOSTILE]},
        workflow={"9": {"class_type": HOSTILE, "_meta": {"title": HOSTILE}}},
    )
    shown.status = "failed"
    page = read(result_html(shown))
    assert "script" not in [tag for tag, _ in page.elements]
    assert all("onerror" not in attrs for _, attrs in page.elements)
    assert "".join(page.text).count("<script>alert(1)</script>") >= 6


def test_a_single_unnamed_output_has_no_heading():
    shown = result({"a.png": png()}, var="9", workflow={"9": {"class_type": "SaveImage"}})
    assert "h4" not in [tag for tag, _ in read(result_html(shown)).elements]


def test_an_unnamed_group_is_called_by_its_nodes_title_without_markers():
    shown = result(
        {"a.png": png()},
        var="9",
        texts=["x"],
        texts_by_var={"5": ["x"]},
        workflow={"9": {"class_type": "SaveImage", "_meta": {"title": "My pictures, $p.filename_prefix"}},
                  "5": {"class_type": "PreviewAny"}},
    )  # fmt: skip
    headings = re.findall(r"<h4[^>]*>(.*?) <small>", result_html(shown))
    assert headings == ["My pictures", "PreviewAny"]


def test_players():
    page = read(result_html(result({"a.mp4": clip(), "b.flac": b"fLaC", "c.mkv": clip("matroska", "ffv1")})))
    video = next(attrs for tag, attrs in page.elements if tag == "video")
    audio = next(attrs for tag, attrs in page.elements if tag == "audio")
    assert video["src"].startswith("data:video/mp4;base64,")
    assert {"controls", "muted", "loop"} <= set(video)
    assert audio["src"].startswith("data:audio/flac;base64,")
    assert [attrs["href"] for tag, attrs in page.elements if tag == "a"] == [
        f"http://127.0.0.1:8188/view?filename={name}" for name in ("a.mp4", "c.mkv", "b.flac")
    ]


def test_texts_are_readable_long_ones_folded_json_laid_out():
    said = ["short", '{"a": [1]}', "word " * 400, "<b>no markup</b>"]
    page = read(result_html(result({}, texts=said, texts_by_var={"notes": said})))
    blocks = [text for text in page.text if text in {"short", '{\n  "a": [\n    1\n  ]\n}', "<b>no markup</b>"}]
    assert len(blocks) == 3
    assert any(text.endswith("… · 2,000 characters") for text in page.text)


def test_outputs_come_in_the_workflows_order_and_raw_outputs_are_folded():
    graph = {f"1{name}": {"class_type": "P", "inputs": {}, "_meta": {"title": f"$output.{name}"}} for name in "ba"}
    shown = result({"x.png": png()}, var="a", workflow=graph, texts=["t"], texts_by_var={"b": ["t"]},
                   outputs={"9": {"images": []}})  # fmt: skip
    text = [" ".join(part.split()) for part in read(result_html(shown)).text]
    assert [part for part in text if part in ("a", "b")] == ["b", "a"]
    assert "Raw outputs" in text


def test_columns_and_sizes_are_the_users_if_wanted():
    shown = result({f"{number}.png": png(900, 900, color=number) for number in range(4)})
    images = [attrs for tag, attrs in read(result_html(shown, columns=4, side=120)).elements if tag == "img"]
    assert {(image["width"], image["height"]) for image in images[::2]} == {("120", "120")}
    assert "width:508px;" in result_html(shown, columns=4, side=120)


def test_a_page_of_its_own_has_the_originals_inside(tmp_path):
    contents = {"a.png": photo(1600, 900), "b.wav": b"RIFF\0\0\0\0WAVE", "c.glb": b"glTF"}
    path = result(contents, params={"prompt": HOSTILE}).to_html(tmp_path / "page.html")
    html = path.read_text(encoding="utf-8")
    for content in contents.values():
        assert base64.b64encode(content).decode() in html
    assert "<script" not in html
    assert read(html.removeprefix("<!doctype html>"))


def test_shown_in_a_plain_python_it_is_text(capsys):
    result({"a.png": png()}).show(columns=2)
    assert "a.png" in capsys.readouterr().out


def test_what_is_gone_or_no_picture_says_so_and_the_rest_shows():
    contents = {"good.png": png(), "page.png": b"<html>", "cut.png": png()[:60]}
    items = [media(name, contents) for name in [*contents, "gone.png"]]
    page = read(media_html(items))
    text = " ".join(page.text)
    assert len([1 for tag, _ in page.elements if tag == "img"]) == 1
    assert "page.png: it is not a picture, but a web page" in text
    assert "cut.png: it cannot be decoded" in text
    assert "gone.png cannot be fetched: the server no longer has it" in text


def test_four_photographs_stay_small_and_forty_stay_within_the_budget():
    contents = {f"{number}.png": photo(seed=number) for number in range(4)}
    assert len(result_html(result(contents))) < 700_000
    many = {f"{number}.png": contents[f"{number % 4}.png"] for number in range(40)}
    html = result_html(result(many))
    assert len(html) < 4_000_000
    assert html.count("<img") == 80


def test_what_does_not_fit_is_said(monkeypatch):
    contents = {f"{number}.png": photo(seed=number) for number in range(3)}
    monkeypatch.setenv("COMFY_NOTEBOOK_PICTURES_KB", "1")
    html = result_html(result(contents))
    assert html.count("<img") == 0
    assert "To keep the notebook small, 3 pictures are not shown." in html
    assert "2.png is not shown here" in html


def test_an_error_card_says_all_of_it():
    error = ParameterError("2 things are wrong.", hint="Do this.", problems=[Problem("bad", "seed"), Problem("worse")])
    page = read(error_html(error))
    assert [text for text in page.text if text.strip()][1:] == ["2 things are wrong.", "seed: bad", "worse", "Do this."]
    assert ("div", "alert") in [(tag, attrs.get("role")) for tag, attrs in page.elements]


def test_a_result_without_outputs_says_so():
    assert "no outputs" in result_html(ExecuteResult("completed"))


def workflow(**schemas):
    return Workflow(
        {
            "1": {"class_type": "KSampler", "inputs": {"seed": 3, "steps": 20, "sampler": "euler", "on": True}},
            "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}, "_meta": {"title": "$output.cover"}},
        },
        "w.json",
        schemas=schemas,
        server="http://box:8188",
    )


def test_a_workflow_shows_its_parameters_its_outputs_and_what_the_server_lacks():
    declared = {
        "seed": ["INT", {"min": 0, "max": 2**64 - 1}],
        "steps": ["INT", {"min": 1, "max": 100}],
        "sampler": [["ddim", "heun", "lms", "eulerx"]],
        "on": ["BOOLEAN"],
    }
    schema = read_node("KSampler", {"input": {"required": declared}})
    page = read(workflow_html(workflow(KSampler=schema, Save=None)))
    text = " ".join(" ".join(page.text).split())
    assert "w.json 2 nodes, checked with http://box:8188" in text
    for row in (
        "seed 3 whole number from 0 KSampler (node 1)",
        "steps 20 whole number 1 to 100 KSampler (node 1)",
        "sampler euler ddim, heun, lms, 1 more ddim, heun, lms, eulerx KSampler (node 1)",
        "on True True or False KSampler (node 1)",
        "cover Save (node 2)",
        "Save (node 2): the server does not have this node",
        "sampler: the server does not have 'euler'. Did you mean 'eulerx'?",
    ):
        assert row in text


def test_two_hundred_parameters_and_two_thousand_choices_stay_readable():
    graph = {"1": {"class_type": "A", "inputs": {f"x{number}": "m0" for number in range(200)}}}
    declared = {name: [[f"m{number}" for number in range(2000)]] for name in graph["1"]["inputs"]}
    flow = Workflow(graph, schemas={"A": read_node("A", {"input": {"required": declared}})})
    html = workflow_html(flow)
    page = read(html)
    assert "160 more parameters" in page.text
    assert len(html) < 500_000


def test_a_workflow_from_elsewhere_is_data():
    graph = {
        HOSTILE: {"class_type": HOSTILE, "inputs": {HOSTILE: HOSTILE}, "_meta": {"title": f"$output.{HOSTILE}"}},
        "2": {"class_type": HOSTILE, "inputs": {"x": HOSTILE * 9}, "_meta": {"title": HOSTILE}},
    }
    for schemas in ({}, {HOSTILE: None}):
        page = read(workflow_html(Workflow(graph, HOSTILE, schemas=schemas, server=HOSTILE)))
        assert {tag for tag, _ in page.elements}.isdisjoint({"script", "img"})


def test_a_workflow_in_a_shell_shows_itself():
    bundle = workflow()._repr_mimebundle_()
    assert "checked with http://box:8188" in bundle["text/plain"]
    assert "<table" in bundle["text/html"]
    assert repr(workflow()) == "Workflow('w.json', 2 nodes, 4 parameters)"

from urllib.parse import parse_qs, urlsplit

import pytest

from comfy_notebook.media import Media, MediaList
from comfy_notebook.servers.outputs import Source, collect, view_url

BASE = "http://127.0.0.1:8188"


def file(name, subfolder="", folder="output", **more):
    return {"filename": name, "subfolder": subfolder, "type": folder} | more


def collected(outputs, names=None, display=None):
    return collect(outputs, Source(BASE, None, names or {}, display or {}))


def names(media):
    return [item.filename for item in media]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "images"),
        ("a.JPG", "images"),
        ("a.webp", "images"),
        ("a.gif", "images"),
        ("a.avif", "images"),
        ("a.tif", "images"),
        ("a.svg", "images"),
        ("a.mp4", "videos"),
        ("a.webm", "videos"),
        ("a.mkv", "videos"),
        ("a.mov", "videos"),
        ("a.flac", "audios"),
        ("a.mp3", "audios"),
        ("a.opus", "audios"),
        ("a.wav", "audios"),
        ("a.glb", "files"),
        ("a.latent", "files"),
        ("a.exr", "files"),
        ("noext", "files"),
        (".png", "images"),
    ],
)
def test_every_file_is_in_exactly_one_list_by_its_suffix(name, kind):
    lists = collected({"9": {"whatever": [file(name)]}})
    for other in ("images", "videos", "audios", "files"):
        assert names(lists[other]) == ([name] if other == kind else [])
        assert lists[f"{other}_by_var"] == ({"9": [str(lists[kind][0])]} if other == kind else {})


def test_outputs_are_grouped_by_name_else_by_node_and_nothing_is_overwritten():
    outputs = {"1": {"images": [file("a.png")]}, "2": {"images": [file("b.png")]}, "3": {"images": [file("c.png")]}}
    lists = collected(outputs, names={"1": "cover", "2": "cover"})
    assert names(lists["images"]) == ["a.png", "b.png", "c.png"]
    assert {var: names(media) for var, media in lists["images_by_var"].items()} == {
        "cover": ["a.png", "b.png"],
        "3": ["c.png"],
    }
    assert isinstance(lists["images_by_var"]["cover"], MediaList)


def test_an_expanded_node_counts_as_the_node_it_came_from():
    lists = collected({"1.0.0.2": {"images": [file("a.png")]}}, names={"1": "cover"}, display={"1.0.0.2": "1"})
    assert lists["images"][0].node_id == "1"
    assert list(lists["images_by_var"]) == ["cover"]


def test_shapes_of_custom_nodes():
    lists = collected(
        {
            "1": {"gifs": [file("v.mp4", fullpath="/secret/v.mp4", format="video/h264-mp4")]},
            "2": {"a_images": [file("a.png", folder="temp")], "b_images": [file("b.png", folder="temp")]},
            "3": {"result": ["3d/model.glb", None, {"camera": 1}]},
            "4": {"result": ["model.obj [temp]"]},
            "5": {"images": [file("same.png")], "previews": [file("same.png")]},
            "6": {"images": file("alone.png")},
            "7": {"numbers": [1.5, None, True], "data": [{"nested": {"filename": 3}}], "images": []},
            "8": "not a mapping",
        }
    )
    assert names(lists["videos"]) == ["v.mp4"]
    assert names(lists["images"]) == ["a.png", "b.png", "same.png", "alone.png"]
    assert [(m.filename, m.subfolder, m.type) for m in lists["files"]] == [
        ("model.glb", "3d", "output"),
        ("model.obj", "", "temp"),
    ]


def test_texts():
    lists = collected({"1": {"text": ["a", 2, None]}, "2": {"text": "b"}, "3": {"text": None}}, names={"1": "t"})
    assert lists["texts"] == ["a", "2", "None", "b"]
    assert lists["texts_by_var"] == {"t": ["a", "2", "None"], "2": ["b"]}


@pytest.mark.parametrize(
    "name", ["a b.png", "a&b=c#d.png", "100%.png", "ü 日本.png", "a+b.png", 'q"uote.png', "a?.png"]
)
def test_urls_say_the_name_whatever_it_is(name):
    url = view_url(BASE, name, "sub dir/ü&", "temp")
    assert url.isascii()
    query = parse_qs(urlsplit(url).query, strict_parsing=True)
    assert query == {"filename": [name], "subfolder": ["sub dir/ü&"], "type": ["temp"]}


def test_media_are_urls_that_know_their_file():
    media = collected({"9": {"images": [file("a.PNG", "sub")]}}, names={"9": "cover"})["images"][0]
    assert isinstance(media, Media)
    assert media == f"{BASE}/view?filename=a.PNG&subfolder=sub&type=output"
    assert (media.filename, media.subfolder, media.type, media.kind) == ("a.PNG", "sub", "output", "image")
    assert (media.mime, media.var, media.node_id) == ("image/png", "cover", "9")

"""How saved files are named, and where they may not go."""

from datetime import datetime

import pytest

from .conformance_kit import node


def saved_as(server, prefix, **size):
    graph = {
        "1": node("EmptyImage", **{"width": 16, "height": 12, "batch_size": 2, "color": 5} | size),
        "2": node("SaveImage", images=["1", 0], filename_prefix=prefix),
    }
    history, _ = server.run(graph)
    return history


@pytest.mark.parametrize(
    ("prefix", "subfolder", "names"),
    [
        ("plain", "", ["plain_00001_.png", "plain_00002_.png"]),
        ("a/b/c", "/a/b", ["c_00001_.png", "c_00002_.png"]),
        ("a/../b", "", ["b_00001_.png", "b_00002_.png"]),
        ("x/", "", ["x_00001_.png", "x_00002_.png"]),
        ("ü 日本", "", ["ü 日本_00001_.png", "ü 日本_00002_.png"]),
        ("%width%x%height%", "", ["16x12_00001_.png", "16x12_00002_.png"]),
        ("%batch_num%_b", "", ["0_b_00001_.png", "1_b_00002_.png"]),
        ("%date:yyyy%", "", ["%date:yyyy%_00001_.png", "%date:yyyy%_00002_.png"]),
        ("%nope%", "", ["%nope%_00001_.png", "%nope%_00002_.png"]),
    ],
)
def test_names_of_saved_files(server, unique, prefix, subfolder, names):
    history = saved_as(server, f"{unique}/{prefix}")
    images = history["outputs"]["2"]["images"]
    assert [image["filename"] for image in images] == names
    assert {image["subfolder"] for image in images} == {unique + subfolder}


def test_dates_in_names(server, unique):
    before = datetime.now().replace(microsecond=0)  # noqa: DTZ005 - names have local time
    history = saved_as(server, f"{unique}/%year%-%month%-%day%_%hour%-%minute%-%second%")
    name = history["outputs"]["2"]["images"][0]["filename"]
    written = datetime.strptime(name.removesuffix("_00001_.png"), "%Y-%m-%d_%H-%M-%S")  # noqa: DTZ007
    assert 0 <= (written - before).total_seconds() < 10


def test_numbers_go_on_whatever_the_suffix(server, unique):
    for number, color in ((1, 1), (2, 2)):
        (image,) = saved_as(server, f"{unique}/p", batch_size=1, color=color)["outputs"]["2"]["images"]
        assert image["filename"] == f"p_{number:05}_.png"
    graph = {
        "1": node("EmptyImage", width=16, height=12, batch_size=2, color=3),
        "2": node(
            "SaveAnimatedWEBP", images=["1", 0], filename_prefix=f"{unique}/p",
            fps=6, lossless=True, quality=80, method="default",
        ),
    }  # fmt: skip
    assert server.outputs(graph)["2"]["images"][0]["filename"] == "p_00003_.webp"


@pytest.mark.parametrize("prefix", ["../out", "a/../../out", "/out", "x\0y"])
def test_names_outside_the_output_folder_fail(server, prefix):
    history = saved_as(server, prefix)
    assert history["status"]["status_str"] == "error"
    kind, error = history["status"]["messages"][-1]
    assert (kind, error["node_id"], error["node_type"]) == ("execution_error", "2", "SaveImage")

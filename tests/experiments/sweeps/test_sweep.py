"""Sweeps on a server: what runs, what comes back, what goes on after an end."""

import asyncio
import threading
import uuid

import httpx
import pytest
from graphs import blended, node, picture, sampled
from sent import submitted
from waiting import wait_for

from comfy_notebook import ComfyKit, ParameterError, SweepResult, sweep, vary
from comfy_notebook.experiments.sweeps import preparing

pytestmark = pytest.mark.usefixtures("nothing_goes_on")
LONG = 9_000  # steps: minutes


def colors(result):
    return [cell.result.images[0].pil().getpixel((0, 0)) for cell in result]


def test_every_combination_runs_with_its_values(comfyui):
    s = sweep(picture(), color=[0xFF0000, 0x00FF00], width=[8, 16, 24], height=4, server=comfyui)
    assert isinstance(s, SweepResult)
    assert s.status == "completed"
    assert [cell.result.images[0].pil().size for cell in s] == [(8, 4), (16, 4), (24, 4)] * 2
    assert colors(s) == [(255, 0, 0)] * 3 + [(0, 255, 0)] * 3
    assert s.axes == {"color": [0xFF0000, 0x00FF00], "width": [8, 16, 24]}
    assert s.params == {"height": 4}
    assert s[4].params == {"color": 0x00FF00, "width": 16, "height": 4}
    assert s[4].result.params["width"] == 16
    assert len(s.images) == len(s.results) == 6
    assert "2 color \u00d7 3 width" in repr(s)


def test_a_kit_sweeps_on_its_own_server(comfyui):
    s = ComfyKit(comfyui).sweep(picture(), {"height": [8, 16]}, width=8)
    assert {cell.result.server for cell in s} == {ComfyKit(comfyui).run(picture()).server}
    assert [cell.result.images[0].pil().size for cell in s] == [(8, 8), (8, 16)]


def test_runs_are_sent_in_their_order_so_that_files_are_numbered_so(comfyui):
    graph = picture()
    graph["2"] = node("SaveImage", "$output.cover", images=["1", 0], filename_prefix=f"order/{uuid.uuid4().hex}")
    s = sweep(graph, width=range(8, 48), server=comfyui)
    names = [image.filename for image in s.images]
    assert names == sorted(names)


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_kits_sweep_and_so_do_mappings_with_any_names(comfyui):
    kit = ComfyKit(comfyui)
    s = sweep(picture(), {"1.width": vary(8, 16)}, height=4, server=kit)
    assert [image.pil().width for image in s.images] == [8, 16]
    assert s.where({"1.width": 16})[0] is s[1]


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_queued(comfyui):
    before = submitted(comfyui)
    with pytest.raises(ParameterError) as caught:
        sweep(sampled(), steps=[4, -1, 0], sampler_name=["euler", "oiler"], cgf=[1], seed=[1, 2**70], server=comfyui)
    problems = str(caught.value)
    for words in ("-1 is out of range", "0 is out of range", "'oiler'", "cgf: there is no such parameter", str(2**70)):
        assert problems.count(words) == 1, problems
    assert submitted(comfyui) == before


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_a_large_sweep_is_to_be_confirmed_before_anything_is_queued(comfyui, monkeypatch):
    before = submitted(comfyui)
    with pytest.raises(ParameterError, match=r"It would be 102 runs; nothing was queued\.\n.*confirm=True"):
        sweep(picture(), color=range(51), width=[8, 16], server=comfyui)
    with pytest.raises(ParameterError, match="1,000,000,000 runs"):
        sweep(picture(), color=range(1000), width=range(1000), height=range(1000), server=comfyui)
    assert submitted(comfyui) == before
    monkeypatch.setattr(preparing, "MANY", 1)
    assert len(sweep(picture(), color=[1, 2], server=comfyui, confirm=True)) == 2


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_a_long_sweep_is_to_be_confirmed_once_the_history_knows_how_long_it_takes(comfyui, monkeypatch):
    graph = picture()
    sweep(graph, color=[1, 2], server=comfyui)
    monkeypatch.setattr(preparing, "LONG_MINUTES", 0)
    with pytest.raises(ParameterError, match="and take about 0 minutes"):
        sweep(graph, color=[3, 4], server=comfyui)


@pytest.mark.parametrize(("name", "value"), [("background", ["a.png", "b.png"]), ("zip", 7)])
def test_a_parameter_named_as_an_option_is_told_where_it_goes(name, value):
    with pytest.raises(ParameterError, match=rf"{name} is an option of sweep.*\n.*mapping"):
        sweep(picture(), color=[1, 2], **{name: value})


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_all_runs_share_one_seed_unless_it_is_given(comfyui):
    s = sweep(sampled(seed=0, steps=1), cfg=[4, 7, 9], server=comfyui)
    seeds = {cell.result.params["seed"] for cell in s}
    assert seeds == {s.params["seed"]} != {0}
    assert f"seed {s.params['seed']} in all" in s._repr_mimebundle_()["text/plain"]
    given = sweep(sampled(seed=0, steps=1), cfg=[4, 7], seed=5, server=comfyui)
    assert {cell.result.params["seed"] for cell in given} == {5}
    varied = sweep(sampled(seed=0, steps=1), seed=vary("random", "random", 3), server=comfyui)
    assert len({cell.result.params["seed"] for cell in varied}) == 3
    assert varied[2].point == {"seed": 3}


def test_a_failed_run_is_a_cell_with_its_error_and_retry_runs_it_again(comfyui, tmp_path):
    s = sweep(blended(), photo=[b"no picture", _photo(tmp_path)], server=comfyui)
    assert [cell.status for cell in s] == ["failed", "completed"]
    assert s.status == "failed"
    assert s.failed == [s[0]]
    assert s.error is s[0].result.error
    first, kept = s[0].result.prompt_id, s[1].result.prompt_id
    assert s.retry() is s
    assert s[0].status == "failed"
    assert s[0].result.prompt_id != first
    assert s[1].result.prompt_id == kept


def _photo(folder):
    from PIL import Image

    Image.new("RGB", (32, 32), "teal").save(folder / "photo.png")
    return folder / "photo.png"


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_cells_are_chosen_by_their_values(comfyui):
    s = sweep(picture(), color=[1, 2, 3], width=[8, 16], server=comfyui)
    assert [cell.point["width"] for cell in s.where(color=2)] == [8, 16]
    assert len(s.where(color=[1, 3], width=8)) == 2
    assert len(s.where(status="completed")) == 6
    assert len(s.where(status="failed")) == 0
    assert len(s[:2].where(width=8)) == 1
    with pytest.raises(ParameterError, match=r"No run has color = 9. It has 1, 2, 3."):
        s.where(color=9)
    with pytest.raises(ParameterError, match=r"colour does not vary in this sweep. Did you mean color\?"):
        s.where(colour=1)


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_in_the_background_it_is_waited_for_awaited_and_stopped(comfyui):
    s = sweep(sampled(), steps=[LONG, LONG + 1, LONG + 2], server=comfyui, background=True)
    assert not s.done
    assert s.status == "running"
    with pytest.raises(TimeoutError, match="it goes on"):
        s.wait(0.1)
    wait_for(lambda: s.counts()["running"] == 1)
    s.where(steps=[LONG + 2]).cancel()
    wait_for(lambda: s[2].done)
    assert not s[0].done
    s.cancel()
    assert s.wait(10).status == "cancelled"
    assert {cell.status for cell in s} == {"cancelled"}
    assert {cell.result.status for cell in s} == {"cancelled"}


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
async def test_it_is_awaited_on_any_loop(comfyui):
    s = sweep(picture(), color=[1, 2], server=comfyui, background=True)
    assert await s is s
    assert s.done
    there = []
    thread = threading.Thread(target=lambda: there.append(asyncio.run(_awaited(s))))
    thread.start()
    thread.join(10)
    assert there == [s]


async def _awaited(s):
    return await s


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_it_is_sent_ahead_but_not_all_at_once(comfyui):
    s = sweep(sampled(), steps=range(LONG, LONG + 80), server=comfyui, background=True)
    wait_for(lambda: s.counts()["queued"] >= 20)
    queue = httpx.get(f"{comfyui}/queue").json()
    assert 20 <= len(queue["queue_pending"]) <= 32
    assert s.counts()["waiting"] >= 48
    s.cancel()
    s.wait(20)
    wait_for(lambda: not httpx.get(f"{comfyui}/queue").json()["queue_pending"])


def test_the_same_sweep_takes_from_the_history_what_ran_well(comfyui):
    graph = sampled(seed=0, steps=1)
    first = sweep(graph, cfg=[4, 7], server=comfyui)
    before = submitted(comfyui)
    again = sweep(graph, cfg=[4.0, 7.0], server=comfyui)
    assert submitted(comfyui) == before
    assert [cell.kept for cell in again] == [True, True]
    assert again.params == first.params
    assert [cell.result.prompt_id for cell in again] == [cell.result.prompt_id for cell in first]
    assert again[1].result.images[0].bytes() == first[1].result.images[0].bytes()
    assert "2 of 2 taken from the history; fresh=True runs all anew." in again._repr_mimebundle_()["text/plain"]
    wider = sweep(graph, cfg=[4, 7, 9], server=comfyui)
    assert [cell.kept for cell in wider] == [True, True, False]
    assert wider[2].result.params["seed"] == first.params["seed"]
    other = sweep(graph, cfg=[4, 7], prompt="a dog", server=comfyui)
    assert not any(cell.kept for cell in other)


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_a_fresh_one_runs_all_anew_with_a_seed_of_its_own(comfyui):
    graph = sampled(seed=0, steps=1)
    first = sweep(graph, cfg=[4, 7], server=comfyui)
    fresh = sweep(graph, cfg=[4, 7], server=comfyui, fresh=True)
    assert not any(cell.kept for cell in fresh)
    assert fresh.params["seed"] != first.params["seed"]
    again = sweep(graph, cfg=[4, 7], server=comfyui)
    assert again.params == fresh.params
    assert [cell.result.prompt_id for cell in again] == [cell.result.prompt_id for cell in fresh]


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_files_are_known_by_their_content(comfyui, tmp_path):
    photo = _photo(tmp_path)
    first = sweep(blended(), blur_radius=[1, 2], photo=photo, server=comfyui)
    moved = photo.rename(tmp_path / "moved.png")
    again = sweep(blended(), blur_radius=[1, 2], photo=moved, server=comfyui)
    assert [cell.result.prompt_id for cell in again] == [cell.result.prompt_id for cell in first]
    moved.write_bytes(moved.read_bytes() + b"\0")
    assert not any(cell.kept for cell in sweep(blended(), blur_radius=[1, 2], photo=moved, server=comfyui))


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_runs_that_are_sent_together_upload_a_file_once(comfyui):
    from PIL import Image

    s = sweep(blended(), blur_radius=range(1, 13), photo=Image.effect_noise((64, 64), 50), server=comfyui)
    assert len({cell.result.workflow["1"]["inputs"]["image"] for cell in s}) == 1


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_without_a_history_all_of_it_runs(comfyui, monkeypatch):
    monkeypatch.setenv("COMFY_NOTEBOOK_HISTORY", "off")
    graph = picture()
    sweep(graph, width=[8, 16], server=comfyui)
    assert not any(cell.kept for cell in sweep(graph, width=[8, 16], server=comfyui))


@pytest.mark.parametrize("comfyui", ["embedded"], indirect=True)
def test_results_are_packed_and_come_back_whole(comfyui, monkeypatch):
    monkeypatch.setattr("comfy_notebook.experiments.sweeps.cells._AT_HAND", 1)
    s = sweep(picture(), color=[0xFF0000, 0x00FF00, 0x0000FF], server=comfyui)
    assert colors(s) == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    for cell in s:
        assert cell.result.workflow["1"]["inputs"]["color"] == cell.point["color"]
        assert cell.result.workflow["1"]["class_type"] == "EmptyImage"
        assert cell.result.outputs
    assert len(s._course.cells[0]._results._at_hand) == 1


def test_texts_are_results_too(comfyui):
    graph = {"1": node("PrimitiveString", "$words.value", value="x"), "2": node("PreviewAny", source=["1", 0])}
    s = sweep(graph, words=["a fox", "a cat"], server=comfyui)
    assert s.texts == ["a fox", "a cat"]
    assert "a cat" in s._repr_html_()

"""Runs in the background: waited for, watched, stopped, and picked up again."""

import asyncio
import json
import subprocess
import sys
import threading
import time

import httpx
import pytest
from graphs import lasting, node, picture, sampled
from proxy import Proxy
from waiting import wait_for

from comfy_notebook import ComfyKit, RunLostError, RunTimeoutError
from comfy_notebook.jobs import Attempt, Turn, underway
from comfy_notebook.notebook.html.live import Moment, live_text
from comfy_notebook.servers.events import (
    Executed,
    Executing,
    NodeProgress,
    NodeStates,
    Preview,
    QueueStatus,
    Started,
    Succeeded,
)

pytestmark = pytest.mark.usefixtures("nothing_goes_on")
LONG = 10_000  # steps: minutes


@pytest.fixture
def kit(comfyui):
    return ComfyKit(comfyui)


def long_run(steps=LONG):
    early = {
        "90": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 2, "color": 255}},
        "91": {"class_type": "SaveImage", "inputs": {"images": ["90", 0], "filename_prefix": "early"}},
    }
    return early | sampled(steps=steps, seed=time.time_ns() % 2**32)


def test_a_job_runs_while_we_do_something_else(kit):
    job = kit.submit(picture(), {"color": time.time_ns() % 2**24})
    assert job.result().status == "completed"
    assert (job.status, job.progress, job.done) == ("completed", 1.0, True)
    assert job.prompt_id == job.result().prompt_id
    assert "completed, 100%" in repr(job)


async def test_a_job_is_awaited_on_any_loop(kit):
    job = kit.submit(picture())
    assert (await job).status == "completed"
    assert (await job) is job.result()
    there = []
    thread = threading.Thread(target=lambda: there.append(asyncio.run(_awaited(job))))
    thread.start()
    thread.join(10)
    assert there == [await job]


async def _awaited(job):
    return await job


async def test_its_events_are_typed_and_come_from_the_beginning(kit):
    job = kit.submit(sampled(steps=4, seed=time.time_ns() % 2**32))
    await asyncio.sleep(0.2)
    events = [event async for event in job]
    kinds = [type(event) for event in events]
    assert kinds.index(Started) < kinds.index(Executing) < kinds.index(Executed) < kinds.index(Succeeded)
    assert {event.prompt_id for event in events if event.prompt_id} == {job.prompt_id}


async def test_who_listens_late_hears_what_happened_and_how_far_it_is_now(kit):
    job = kit.submit(sampled(steps=40))
    heard = []
    job.on_event(heard.append)
    await job
    late = [event async for event in job]
    once = [event for event in heard if not isinstance(event, NodeProgress | NodeStates | QueueStatus | Preview)]
    assert [event for event in late if event in once] == once
    assert [type(event) for event in late].count(NodeStates) == 1
    steps = [event.value for event in late if isinstance(event, NodeProgress) and event.maximum == 40]
    assert steps == [40]
    assert len(heard) > 80  # and what is kept does not grow with the steps
    assert len(late) < 40


@pytest.mark.real
def test_a_branch_that_was_not_taken_is_counted_as_skipped(real_comfyui):
    graph = {
        "1": node("EmptyImage", width=8, height=8, batch_size=1, color=time.time_ns() % 2**24),
        "2": node("EmptyImage", width=8, height=8, batch_size=1, color=1),
        "3": node("ImageInvert", image=["2", 0]),
        "4": node("TestLazy", which="a", a=["1", 0], b=["3", 0]),
        "5": node("PreviewImage", images=["4", 0]),
    }
    job = ComfyKit(real_comfyui).submit(graph)
    assert job.result(30).status == "completed"
    assert (job.run.skipped, job.run.cached, job.run.progress) == ({"2", "3"}, set(), 1.0)
    assert "5 of 5 nodes, 2 skipped" in live_text(Moment(job.run, 1.0))


def test_who_asks_is_called_back(kit):
    seen, ended = [], []
    job = kit.submit(sampled(steps=4, seed=time.time_ns() % 2**32))
    job.on_event(seen.append)
    job.on_event(lambda _: 1 / 0)  # its own affair
    job.on_done(ended.append)
    result = job.result()
    wait_for(lambda: ended)
    assert ended == [result]
    assert any(isinstance(event, Succeeded) for event in seen)
    job.on_done(ended.append)
    assert ended == [result, result]


def test_the_time_in_the_queue_is_told_apart(kit):
    first = kit.submit(long_run())
    wait_for(lambda: first.status == "running")
    second, third = kit.submit(sampled()), kit.submit(sampled())
    wait_for(lambda: third.ahead is not None)
    time.sleep(1)
    for job in (third, first):
        job.cancel()
    assert first.result().seconds > 1
    waited = second.result().duration - second.result().seconds
    assert waited > 1
    assert f"{waited:.2f} of them in the queue" in second.result().timing()
    assert (third.result().status, third.result().seconds) == ("cancelled", None)


def test_a_cancelled_job_keeps_what_it_had(kit, comfyui):
    job = kit.submit(long_run())
    wait_for(lambda: job.media)
    assert job.status == "running"
    began = time.monotonic()
    job.cancel()
    result = job.result(5)
    assert time.monotonic() - began < 2  # at once; the rest is for a busy machine
    assert (result.status, len(result.images)) == ("cancelled", 2)
    assert result.msg == "The run was cancelled."
    assert result.duration > 0
    assert result.images[0].pil().size == (64, 64)
    wait_for(lambda: not httpx.get(f"{comfyui}/queue").json()["queue_running"])


def test_a_queued_job_says_how_many_are_before_it_and_leaves_the_queue(kit, comfyui):
    first, second, third = (kit.submit(long_run()) for _ in range(3))
    wait_for(lambda: sorted(str(job.ahead) for job in (first, second, third)) == ["1", "2", "None"])
    assert set(underway()) >= {first, second, third}
    waiting = [job for job in (first, second, third) if job.status == "queued"]
    assert [job.progress for job in waiting] == [0.0, 0.0]
    for job in waiting:
        job.cancel()
        assert job.result(5).status == "cancelled"
    running = httpx.get(f"{comfyui}/queue").json()
    wait_for(lambda: not httpx.get(f"{comfyui}/queue").json()["queue_pending"])
    assert [item[1] for item in running["queue_running"]] == [
        job.prompt_id for job in (first, second, third) if job not in waiting
    ]
    for job in (first, second, third):
        job.cancel()
        job.result(5)
    wait_for(lambda: not httpx.get(f"{comfyui}/queue").json()["queue_running"])


def test_a_queue_that_changes_while_it_is_asked_for_is_asked_for_again(embedded_comfyui):
    asked, changed, told = threading.Event(), threading.Event(), []

    async def late(request, answer):
        if request.path == "/queue" and not asked.is_set():
            asked.set()
            await asyncio.to_thread(changed.wait, 10)
        return answer

    with Proxy(embedded_comfyui) as proxy:
        kit = ComfyKit(proxy.url)
        first = kit.submit(long_run())
        proxy.reply = late
        second = kit.submit(long_run())
        second.on_event(told.append)
        assert asked.wait(10)
        third = kit.submit(long_run())
        wait_for(lambda: any(isinstance(event, QueueStatus) and event.remaining == 3 for event in told))
        changed.set()
        wait_for(lambda: (second.ahead, third.ahead) == (1, 2), 5)
        for job in (third, second, first):
            job.cancel()
            assert job.result(10).status == "cancelled"
        wait_for(lambda: not any(httpx.get(f"{embedded_comfyui}/queue").json().values()))


def test_waiting_may_end_before_the_run_does(kit):
    job = kit.submit(long_run())
    with pytest.raises(TimeoutError, match="it goes on"):
        job.result(0.3)
    assert not job.done
    job.cancel()
    assert job.result(5).status == "cancelled"


@pytest.mark.parametrize("way", ["run", "execute", "submit"])
def test_a_run_that_takes_too_long_fails_with_what_it_had(kit, comfyui, way):
    if way == "run":
        result = kit.run(long_run(), timeout=1.5)
    elif way == "execute":
        result = asyncio.run(kit.execute(long_run(), timeout=1.5))
    else:
        result = kit.submit(long_run(), timeout=1.5).result()
    assert result.status == "failed"
    assert isinstance(result.error, RunTimeoutError)
    assert "not over after 1.5 s" in result.msg
    assert len(result.images) == 2
    wait_for(lambda: not httpx.get(f"{comfyui}/queue").json()["queue_running"])


def test_nothing_is_kept_of_runs_that_are_over(embedded_comfyui):
    job = ComfyKit(embedded_comfyui).submit(long_run())
    wait_for(lambda: job.status == "running")
    server = job._attempt.server
    assert job.prompt_id in server.mine
    job.cancel()
    job.result(5)
    assert job.prompt_id not in server.mine


def test_a_hundred_jobs_at_once(kit):
    jobs = [kit.submit(picture(), {"color": number}) for number in range(100)]
    results = [job.result(120) for job in jobs]
    assert {result.status for result in results} == {"completed"}
    assert len({result.prompt_id for result in results}) == 100
    assert [result.params["color"] for result in results] == list(range(100))


def test_a_run_of_another_life_is_picked_up_again(kit, comfyui):
    graph = long_run(steps=40)
    body = {"prompt": graph, "client_id": "another-life"}
    prompt_id = httpx.post(f"{comfyui}/prompt", json=body).json()["prompt_id"]
    job = kit.attach(prompt_id)
    result = job.result(60)
    assert (result.status, result.prompt_id, len(result.images)) == ("completed", prompt_id, 3)
    assert result.duration > 0
    assert result.workflow == graph
    again = kit.attach(prompt_id).result(10)
    assert again.images == result.images


@pytest.fixture
def lasting_run(request):
    return lasting(*([64] if request.node.callspec.params["comfyui"] == "real" else []))


def test_a_run_that_is_picked_up_is_known_to_run(kit, comfyui, lasting_run):
    body = {"prompt": lasting_run, "client_id": "another-life"}
    job = kit.attach(httpx.post(f"{comfyui}/prompt", json=body).json()["prompt_id"])
    wait_for(lambda: job.status == "running")  # nobody tells it so: it asks
    job.cancel()
    assert job.result(5).status == "cancelled"


def test_a_run_that_the_server_does_not_have_is_not_waited_for(kit):
    result = kit.attach("00000000-0000-4000-8000-000000000000").result(10)
    assert isinstance(result.error, RunLostError)
    assert "neither queued nor in its history" in result.msg


ENDING = """
import json, sys, time
from comfy_notebook import ComfyKit
job = ComfyKit(sys.argv[1]).submit(json.load(sys.stdin))
while job.status != "running":
    time.sleep(0.01)
"""


def test_a_program_that_ends_leaves_its_runs_to_the_server_and_says_nothing(comfyui, lasting_run):
    graph = json.dumps(lasting_run)
    command = [sys.executable, "-c", ENDING, comfyui]
    ended = subprocess.run(command, input=graph, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    (run,) = httpx.get(f"{comfyui}/queue").json()["queue_running"]
    httpx.post(f"{comfyui}/interrupt", json={"prompt_id": run[1]})


async def _everything(kit):
    result = await kit.execute(picture())
    job = kit.submit(picture())
    events = [event async for event in job]
    return result.status, (await job).status, len(events) > 3, len(await result.images[0].abytes()) > 0


def test_another_kind_of_event_loop(kit):
    uvloop = pytest.importorskip("uvloop")
    assert uvloop.run(_everything(kit)) == ("completed", "completed", True, True)


def test_two_event_loops_in_two_threads(kit):
    ends = []
    threads = [threading.Thread(target=lambda: ends.append(asyncio.run(_everything(kit)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert ends == [("completed", "completed", True, True)] * 2


def test_a_run_is_told_in_one_line_of_the_log(kit, caplog):
    with caplog.at_level("INFO", "comfy_notebook"):
        kit.run(picture())
        kit.run({"1": {"class_type": "NoSuchNode", "inputs": {}}})
    said = [record.getMessage() for record in caplog.records if record.name == "comfy_notebook"]
    assert [line.split(" on ")[0] for line in said] == ["completed", "failed"]
    assert said[0].endswith(": 1 image")
    assert "\n" not in "".join(said)


def test_several_runs_have_seeds_of_their_own(kit):
    batch = kit.submit_many(sampled(steps=1), {"seed": 5}, 3)
    results = batch.result(60)
    assert [result.params["seed"] for result in results] == [5, 6, 7]
    names = [media.filename for media in results.images]
    assert names == sorted(names)  # they were sent in this order
    assert (batch.done, batch.progress) == (True, 1.0)
    assert len(results.images) == 3
    assert results.error is None
    drawn = kit.submit_many(sampled(steps=1), None, 3).result(60)
    assert len({result.params["seed"] for result in drawn}) == 3
    whole = drawn.joined()
    assert (whole.status, len(whole.images), "seed" in whole.params) == ("completed", 3, False)


async def test_several_runs_are_stopped_together(kit):
    batch = kit.submit_many(long_run(), None, 3)
    await asyncio.sleep(1)
    batch.cancel()
    assert [result.status for result in await batch] == ["cancelled"] * 3


def test_what_cannot_be_read_is_a_failed_job(kit):
    result = kit.submit({"1": {"class_type": "NoSuchNode", "inputs": {}}}).result(10)
    assert (result.status, result.prompt_id) == ("failed", None)
    assert "NoSuchNode" in result.msg


def test_an_attempt_without_a_server_still_has_a_result():
    result = Attempt().ended(RunLostError("gone"))
    assert (result.status, result.server, result.msg) == ("failed", "", "gone")


@pytest.mark.parametrize("steps", range(4))
async def test_what_waits_for_its_turn_can_be_cancelled_just_as_that_comes(steps):
    first = Turn()
    waiting = asyncio.ensure_future(Turn(first).come())
    await asyncio.sleep(0.01)
    first.pass_on()
    for _ in range(steps):
        await asyncio.sleep(0)
    if waiting.cancel():
        with pytest.raises(asyncio.CancelledError):
            await waiting

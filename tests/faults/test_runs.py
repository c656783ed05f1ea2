"""Servers that restart, forget, or are used by others; runs that end before they are known to have begun."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest
from aiohttp import web
from graphs import node, picture, sampled

from comfy_notebook import ComfyKit, NoServerError, RunLostError
from comfy_notebook.errors import RunCancelledError
from comfy_notebook.servers import patience
from comfy_notebook.servers.embedded import Engine

from .test_sockets import completed
from .trial import is_submit, kind, wait_until

LONG = 10_000  # steps, which no test waits for
NOBODY = "http://127.0.0.1:1"
ENGINE = """
import sys
from comfy_notebook.servers.embedded import Engine
engine = Engine.start()
print(engine.url, flush=True)
sys.stdin.read()
engine.stop()
"""


def become(trial, upstream):
    """Put another server in the place of the one behind the proxy, as if that had died."""
    before = trial.upstream
    trial.proxy.upstream = upstream
    trial.proxy.cut_sockets()
    return before


def test_a_server_that_restarts_in_mid_run_and_comes_back_empty(trial, tmp_path):
    run = trial.begin(sampled(steps=LONG))
    prompt_id = trial.await_running(run)
    with Engine.start(tmp_path) as second:
        before = become(trial, second.url)
        result = trial.end(run)
        completed(trial.run())
        become(trial, before)
        trial.cut_off = True
    trial.post("/interrupt", {"prompt_id": prompt_id})
    assert isinstance(result.error, RunLostError)
    assert "restarted" in result.msg
    assert "not sent again" in result.msg
    assert result.prompt_id == prompt_id


def test_a_server_that_does_not_come_back(trial):
    run = trial.begin(sampled(steps=LONG))
    prompt_id = trial.await_running(run)
    before = become(trial, NOBODY)
    trial.cut_off = True
    result = trial.end(run)
    become(trial, before)
    trial.post("/interrupt", {"prompt_id": prompt_id})
    assert isinstance(result.error, RunLostError)
    assert "stopped answering" in result.msg
    assert result.prompt_id == prompt_id


@pytest.mark.parametrize("orderly", [True, False])
def test_a_server_that_ends_or_is_killed_in_mid_run(engine_trial, orderly):
    """Without a proxy that answers for it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", ENGINE], **pipes) as engine:
        url = engine.stdout.readline().strip()
        engine_trial.kit = ComfyKit(url)
        engine_trial.proxy.upstream = url
        run = engine_trial.begin(sampled(steps=LONG))
        wait_until(lambda: engine_trial.ask("/queue")["queue_running"])
        before = time.monotonic()
        engine.stdin.close() if orderly else engine.kill()
        result = engine_trial.end(run)
        assert time.monotonic() - before < 5
        assert isinstance(result.error, RunCancelledError if orderly else RunLostError)
        assert isinstance(engine_trial.end(engine_trial.begin(picture())).error, NoServerError)
    engine_trial.gone = True


def test_a_server_that_is_away_for_a_moment_loses_nothing(trial):
    run = trial.begin(sampled(steps=20))
    trial.await_running(run)
    trial.proxy.answer = lambda request: web.Response(status=502)
    trial.proxy.cut_sockets()
    time.sleep(1)
    trial.proxy.answer = lambda request: None
    completed(trial.end(run), 64)


def test_a_run_that_someone_else_takes_out_of_the_queue(trial):
    first = trial.begin(sampled(steps=LONG))
    running = trial.await_running(first)
    second = trial.begin(picture())
    wait_until(lambda: len(trial.proxy.accepted) == 2)
    trial.post("/queue", {"delete": [trial.proxy.accepted[1]["prompt_id"]]})
    result = trial.end(second)
    assert isinstance(result.error, RunLostError)
    assert "took the run out of the queue" in result.msg
    trial.post("/interrupt", {"prompt_id": running})
    assert isinstance(trial.end(first).error, RunCancelledError)


def test_a_run_that_someone_else_takes_out_of_the_queue_is_missed_as_soon_as_the_queue_is_empty(trial, monkeypatch):
    monkeypatch.setattr("comfy_notebook.servers.following.QUIET_SECONDS", 60.0)
    first = trial.begin(sampled(steps=LONG))
    running = trial.await_running(first)
    second = trial.begin(picture())
    wait_until(lambda: len(trial.proxy.accepted) == 2)
    trial.post("/queue", {"clear": True})
    trial.post("/interrupt", {"prompt_id": running})
    assert isinstance(trial.end(first).error, RunCancelledError)
    assert isinstance(trial.end(second, 5).error, RunLostError)


def test_a_run_that_someone_else_interrupts_says_so_also_without_a_websocket(trial):
    trial.proxy.answer = lambda request: web.Response(status=403) if request.path == "/ws" else None
    run = trial.begin(sampled(steps=LONG))
    trial.await_running(run)
    trial.post("/interrupt", {})
    result = trial.end(run)
    assert result.status == "cancelled"
    assert "interrupted" in result.msg


def forgetful(request):
    return web.json_response({}) if request.path.startswith("/history") else None


@pytest.mark.parametrize("moment", [None, "executed", "execution_success", "end"])
def test_a_history_that_someone_cleared_loses_nothing_that_was_told(trial, moment):
    """Nor is what was told lost where an event is missing, too; and what is doubtful is said to be."""
    trial.proxy.answer = forgetful
    trial.proxy.frame = lambda frame: None if kind(frame) == moment else frame
    result = trial.run()
    trial.cut_off = moment == "executed"  # in its name, the history is gone
    if moment == "executed":
        assert result.status == "completed"
        assert "may be missing" in result.warnings[0]
    elif moment == "execution_success":
        assert isinstance(result.error, RunLostError)
        assert len(result.images) == 1
        assert result.prompt_id
    else:
        assert completed(result).warnings == []


def test_a_history_that_is_really_cleared_while_nobody_listens_is_told(trial):
    trial.proxy.answer = lambda request: web.Response(status=503) if request.path.startswith("/history") else None
    trial.proxy.frame = lambda frame: frame if kind(frame) == "status" and not trial.proxy.accepted else None
    run = trial.begin(picture())
    wait_until(lambda: trial.proxy.accepted)
    wait_until(lambda: trial.proxy.accepted[0]["prompt_id"] in trial.ask("/history?max_items=5"))
    trial.post("/history", {"delete": [trial.proxy.accepted[0]["prompt_id"]]})
    trial.proxy.answer = lambda request: None
    result = trial.end(run)
    assert isinstance(result.error, RunLostError)
    assert "cleared the history" in result.msg


@pytest.mark.parametrize("moment", ["execution_start", "execution_success", "executed"])
def test_a_history_that_is_written_a_moment_after_the_end_is_waited_for(trial, moment):
    asked = []

    def later(request):
        if request.path.startswith("/history/"):
            asked.append(request.path)
            return web.json_response({}) if len(asked) < 3 else None
        return None

    trial.proxy.answer = later
    trial.proxy.frame = lambda frame: None if kind(frame) == moment else frame
    completed(trial.run())
    assert len(asked) == 3


def test_a_history_that_cannot_be_read_costs_no_output_that_was_told(trial):
    trial.proxy.answer = lambda request: web.Response(status=500) if request.path.startswith("/history") else None
    trial.proxy.frame = lambda frame: None if kind(frame) == "execution_start" else frame
    result = completed(trial.run())
    assert "500" in result.warnings[0]


def test_a_history_that_cannot_be_read_for_a_while_is_waited_for_if_it_has_an_output_that_was_not_told(trial):
    asked = []

    def away(request):
        if request.path.startswith("/history/"):
            asked.append(time.monotonic())
            return web.Response(status=500) if asked[-1] - asked[0] < 0.7 else None
        return None

    trial.proxy.answer = away
    trial.proxy.frame = lambda frame: None if kind(frame) == "executed" else frame
    assert completed(trial.run()).warnings == []


def test_the_end_of_a_cached_run_may_come_before_the_answer_to_its_submit(trial):
    graph = picture()
    completed(trial.run(graph))

    async def late(request, answer):
        if is_submit(request):
            await asyncio.sleep(0.5)
        return answer

    trial.proxy.reply = late
    completed(trial.run(graph))
    completed(trial.run())


def test_the_end_may_come_before_the_answer_of_a_server_that_chooses_ids_itself(engine_trial):
    async def late(request, answer):
        if is_submit(request):
            await asyncio.sleep(0.5)
        return answer

    engine_trial.proxy.reply = late
    engine_trial.proxy.body = lambda body: {name: value for name, value in body.items() if name != "prompt_id"}
    result = engine_trial.run()
    assert (result.status, len(result.images)) == ("completed", 1)
    # the proxy saw the submit without an id; the server's history has the one that it chose
    engine_trial.proxy.accepted.clear()


def test_what_is_invalid_is_left_out_and_named_and_the_rest_runs(trial):
    graph = picture() | {
        "7": node("LoadImage", image="no such file.png"),
        "8": node("PreviewImage", "The other", images=["7", 0]),
    }
    result = completed(trial.run(graph))
    assert 'PreviewImage "The other" (node 8) did not run' in result.warnings[0]
    assert "no such file.png" in result.warnings[0]


def test_a_hundred_runs_at_once_lose_nothing(trial, monkeypatch):
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 30.0)  # with all of them in line for a connection
    results = trial.run_all([picture(width=100 + number) for number in range(100)], within=60)
    assert [result.msg for result in results] == 100 * [""]
    assert [result.images[0].pil().width for result in results] == [100 + number for number in range(100)]


def test_a_hundred_runs_at_once_survive_the_loss_of_the_socket(trial, monkeypatch):
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 30.0)
    runs = [trial.begin(picture(width=100 + number)) for number in range(100)]
    wait_until(lambda: len(trial.proxy.accepted) > 20, 30)
    trial.proxy.cut_sockets()
    results = [trial.end(run, 60) for run in runs]
    assert [result.msg for result in results] == 100 * [""]
    assert all(len(result.images) == 1 for result in results)


def test_runs_of_several_kits_and_threads_keep_apart(trial):
    results = {}

    def run(number):
        results[number] = trial.run(picture(width=200 + number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: result.images[0].pil().width for number, result in results.items()} == {
        number: 200 + number for number in range(8)
    }

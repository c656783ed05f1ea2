"""A WebSocket that does not open, does not last, or says nothing, or the wrong things."""

import asyncio
import json
import struct
import time

import pytest
from aiohttp import web
from graphs import picture, sampled
from proxy import Proxy, cut

from comfy_notebook.servers import following

from .trial import is_submit, kind, wait_until


def completed(result, width=32):
    assert (result.status, result.msg) == ("completed", "")
    assert [len(files) for files in result.images_by_var.values()] == [1]
    assert result.images_by_var["cover"][0].pil().size[0] == width
    return result


def once(act):
    """Act on the first frame or request for which it returns true."""
    done = []

    def check(thing):
        if not done and act(thing):
            done.append(thing)
            return True
        return False

    check.done = done
    return check


@pytest.mark.parametrize("status", [403, 404, 502, 200])
def test_a_websocket_that_is_refused_is_said_once_and_done_without(trial, status):
    trial.proxy.answer = lambda request: web.Response(status=status) if request.path == "/ws" else None
    for _ in range(2):
        result = completed(trial.run())
        assert len([warning for warning in result.warnings if "WebSocket" in warning]) == 1
    assert trial.proxy.paths().count("/ws") == 1


def test_a_websocket_that_is_reset_instead_of_opened_is_done_without(trial):
    def reset(request):
        if request.path == "/ws":
            cut(request)
            return web.Response()
        return None

    trial.proxy.answer = reset
    assert "WebSocket does not open" in completed(trial.run()).warnings[0]


def test_a_websocket_that_opens_and_says_nothing_is_done_without(trial):
    trial.proxy.frame = lambda frame: None
    assert "WebSocket does not open" in completed(trial.run()).warnings[0]


def test_a_websocket_does_not_follow_a_redirect_with_credentials(engine_trial, embedded_comfyui):
    with Proxy(embedded_comfyui) as elsewhere:
        location = {"Location": f"{elsewhere.url}/ws"}
        engine_trial.proxy.answer = lambda request: (
            web.Response(status=302, headers=location) if request.path == "/ws" else None
        )
        completed(engine_trial.run())
        assert elsewhere.seen == []


@pytest.mark.parametrize("moment", ["status", "execution_start", "progress", "executed", "execution_success", "end"])
def test_a_websocket_that_is_reset_in_mid_run_loses_nothing(trial, moment):
    first = once(lambda frame: kind(frame) == moment and trial.submits())  # whose answer may come after it

    def reset(frame):
        if first(frame):
            trial.proxy.cut_sockets()
            raise Proxy.Close
        return frame

    trial.proxy.frame = reset
    completed(trial.run(sampled()), 64)
    assert first.done
    completed(trial.run())


def test_a_websocket_that_is_closed_right_after_the_submit_loses_nothing(trial):
    def close(request, answer):
        if is_submit(request):
            trial.proxy.cut_sockets()
        return answer

    trial.proxy.reply = close
    completed(trial.run(sampled()), 64)


def test_a_websocket_that_never_opens_again_loses_nothing(trial):
    def close(request, answer):
        if is_submit(request):
            trial.proxy.answer = lambda request: web.Response(status=503) if request.path == "/ws" else None
            trial.proxy.cut_sockets()
        return answer

    trial.proxy.reply = close
    completed(trial.run(sampled(steps=10)), 64)


def test_silence_in_mid_run_is_settled_by_asking(trial):
    trial.proxy.frame = lambda frame: frame if kind(frame) == "status" and not trial.proxy.accepted else None
    began = time.monotonic()
    completed(trial.run(sampled()), 64)
    assert time.monotonic() - began > 0.6
    assert "/queue" in trial.proxy.paths()


def test_a_frame_that_is_cut_in_the_middle_closes_the_socket_and_loses_nothing(trial):
    first = once(lambda frame: kind(frame) == "executed")

    def truncate(frame):
        if first(frame):
            for here in trial.proxy._sockets:
                here._req.transport.write(b"\x81\x7e\x10\x00{half a frame")
            raise Proxy.Close
        return frame

    trial.proxy.frame = truncate
    completed(trial.run())
    assert first.done


@pytest.mark.parametrize("moment", ["execution_start", "executing", "executed", "execution_success", "end"])
@pytest.mark.parametrize("way", ["truncated", "missing", "twice", "not text"])
def test_a_frame_that_is_garbled_missing_or_doubled_loses_nothing(engine_trial, moment, way):
    ways = {
        "truncated": lambda frame: frame[: len(frame) // 2],
        "missing": lambda frame: None,
        "twice": lambda frame: [frame, frame],
        "not text": lambda frame: frame.encode(),
    }
    engine_trial.proxy.frame = lambda frame: ways[way](frame) if kind(frame) == moment else frame
    completed(engine_trial.run())


def test_outputs_of_which_no_frame_told_are_taken_from_the_history(trial):
    trial.proxy.frame = lambda frame: None if kind(frame) == "executed" else frame
    completed(trial.run())


def test_an_output_that_is_told_after_the_end_is_not_lost(trial):
    late = []

    def delay(frame):
        if kind(frame) == "executed":
            late.append(frame)
            return None
        return [frame, *late] if kind(frame) == "end" else frame

    trial.proxy.frame = delay
    for _ in range(2):
        completed(trial.run())


STRANGE = [
    "",
    "{not json",
    "[]",
    '"status"',
    "null",
    '{"type": "status"}',
    '{"type": "status", "data": {"status": {"exec_info": {"queue_remaining": Infinity}}}}',
    '{"type": "progress", "data": {"node": "1", "value": 1' + 400 * "0" + ', "max": 2, "prompt_id": "RUN"}}',
    '{"type": "progress", "data": {"node": "1", "value": NaN, "max": 0, "prompt_id": "RUN"}}',
    '{"type": "progress", "data": {"node": ["1"], "value": -5, "max": -1, "prompt_id": "RUN"}}',
    '{"type": "progress_state", "data": {"nodes": [], "prompt_id": "RUN"}}',
    '{"type": "executed", "data": {"node": "2", "output": null, "prompt_id": "RUN"}}',
    '{"type": "execution_cached", "data": {"nodes": [[1], null], "prompt_id": "RUN"}}',
    '{"type": ["list"], "data": {}}',
    '{"type": "crystools.monitor", "data": {"cpu": 1}}',
    '{"type": "executing", "data": {"node": null, "prompt_id": "someone-elses"}}',
    '{"type": "execution_error", "data": {"prompt_id": "someone-elses", "node_id": "1"}}',
    '{"type": "execution_interrupted", "data": {"prompt_id": null}}',
    "[" * 100_000,
    b"",
    b"\0\0",
    struct.pack(">II", 1, 1),
    struct.pack(">II", 4, 2**32 - 1) + b"{}",
    struct.pack(">II", 4, 4) + b"\xff\xfe\xfd\xfc",
    struct.pack(">II", 4, 2) + b"[]",
    struct.pack(">II", 99, 0) + b"custom",
]


@pytest.mark.parametrize("number", range(len(STRANGE)))
def test_a_strange_frame_does_not_disturb_a_run(engine_trial, number):
    def insert(frame):
        strange = STRANGE[number]
        if isinstance(strange, str) and engine_trial.proxy.accepted:
            strange = strange.replace("RUN", engine_trial.proxy.accepted[-1]["prompt_id"])
        return [strange, frame] if kind(frame) in ("executing", "executed") else frame

    engine_trial.proxy.frame = insert
    completed(engine_trial.run())
    assert engine_trial.proxy.paths().count("/ws") == 1  # the reader has lived through it


def test_strange_frames_do_not_disturb_a_real_servers_run(trial):
    trial.proxy.frame = lambda frame: [*STRANGE, frame] if kind(frame) in ("executing", "executed") else frame
    completed(trial.run(sampled()), 64)
    assert trial.proxy.paths().count("/ws") == 1


def test_a_preview_of_twenty_megabytes_is_taken_like_any_other(trial):
    seen = []

    def enlarge(frame):
        if kind(frame) == "executing" and not seen:
            metadata = json.dumps({"node_id": "3", "prompt_id": json.loads(frame)["data"]["prompt_id"]}).encode()
            seen.append(struct.pack(">II", 4, len(metadata)) + metadata + b"\xff\xd8\xff" + bytes(20_000_000))
            return [seen[0], frame]
        return frame

    trial.proxy.frame = enlarge
    completed(trial.run(sampled()), 64)
    assert seen
    assert trial.proxy.paths().count("/ws") == 1


def test_frames_after_the_end_are_kept_within_bounds_and_harm_no_later_run(engine_trial):
    trial, frames = engine_trial, []
    trial.proxy.frame = lambda frame: frames.append(frame) or frame
    completed(trial.run())
    for frame in 30 * [frame for frame in frames if kind(frame) != "status"]:
        trial.proxy.say(frame)
    completed(trial.run())


def test_two_clients_with_one_id_go_deaf_and_still_end(trial, monkeypatch):
    """Of two sockets with one id the server hears the later one; when it closes, nobody."""
    monkeypatch.setattr(following, "QUIET_SECONDS", 0.5)
    completed(trial.run())
    client_id = trial.proxy.accepted[0]["client_id"]

    async def take_over():
        import aiohttp

        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"{trial.upstream}/ws?clientId={client_id}") as there:
                await there.receive()
                run = trial.begin(sampled())
                await asyncio.to_thread(wait_until, lambda: run.done() or trial.proxy.accepted[1:])
            return await asyncio.to_thread(trial.end, run)

    completed(asyncio.run(take_over()), 64)
    completed(trial.run())


def test_the_loss_of_the_socket_between_two_runs_is_made_good(trial):
    completed(trial.run())
    trial.proxy.cut_sockets()
    wait_until(lambda: not trial.proxy._sockets)
    result = completed(trial.run(picture(width=40)), 40)
    assert result.warnings == []

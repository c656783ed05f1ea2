"""HTTP answers that are late, wrong, cut off, or of somebody else."""

import asyncio
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from graphs import loaded, picture, sampled
from PIL import Image
from proxy import Proxy, cut

from comfy_notebook import NodeError, ParameterError, ServerError
from comfy_notebook.errors import MediaError
from comfy_notebook.servers import following, patience

from .test_sockets import completed
from .trial import is_submit, wait_until

HTML = "<html><form>Please log in</form></html>"


def times(number, answer, applies):
    """Answer so many requests in place of the server."""
    left = [number]

    def act(request):
        if left[0] and applies(request):
            left[0] -= 1
            return answer(request)
        return None

    act.left = left
    return act


def reset(request):
    cut(request)
    return web.Response()


async def belated(trial, request, seconds):
    """Cut the connection of a submit, and pass it on much later."""
    content = await request.read()
    cut(request)
    passing_on = asyncio.create_task(pass_on(trial, content, seconds))
    await asyncio.shield(passing_on)
    return web.Response()


async def pass_on(trial, content, seconds):
    await asyncio.sleep(seconds)
    async with trial.proxy._session.post(f"{trial.upstream}/prompt", data=content) as answer:
        if answer.status == 200:
            trial.proxy.accepted.append(json.loads(content))


def picture_bytes(color=None):
    return Image.new("RGB", (32, 16), color or uuid.uuid4().int % 2**24)


ANSWERS = {
    "429 with Retry-After": lambda request: web.Response(status=429, headers={"Retry-After": "1"}),
    "503 with a date": lambda request: web.Response(
        status=503,
        headers={
            "Retry-After": format_datetime(datetime.now(UTC) + timedelta(days=1, seconds=1), usegmt=True),
            "Date": format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True),  # another clock than ours
        },
    ),
    "503": lambda request: web.Response(status=503),
    "502": lambda request: web.Response(status=502),
    "504": lambda request: web.Response(status=504),
    "reset": reset,
}


def by_asking(proxy, path, answers):
    """Answer requests below a path, and close the WebSocket, so that the server is asked."""
    proxy.answer = lambda request: (
        web.Response(status=403) if request.path == "/ws" else answers(request) if path in request.path else None
    )


@pytest.mark.parametrize(
    ("path", "answer"),
    [("/object_info/", answer) for answer in ANSWERS]
    + [(path, answer) for path in ("/queue", "/history/", "/view") for answer in ("503", "reset")],
)
def test_a_question_is_asked_again(engine_trial, path, answer):
    act = times(1 if "with" in answer else 2, ANSWERS[answer], lambda request: path in request.path)
    by_asking(engine_trial.proxy, path, act)
    began = time.monotonic()
    completed(engine_trial.run())
    assert act.left == [0]
    if "with" in answer:
        assert time.monotonic() - began >= 0.9


@pytest.mark.parametrize("answer", ["429 with Retry-After", "503", "reset"])
def test_a_real_server_is_asked_again(trial, answer):
    act = times(3 if "with" not in answer else 1, ANSWERS[answer], lambda request: "/object_info/" in request.path)
    trial.proxy.answer = act
    completed(trial.run())
    assert act.left == [0]


@pytest.mark.parametrize("answer", ["429 with Retry-After", "503 with a date", "503"])
def test_a_submit_that_was_declined_is_sent_again_once_the_server_says_that_it_has_no_such_run(trial, answer):
    act = times(1 if "with" in answer else 2, ANSWERS[answer], is_submit)
    trial.proxy.answer = act
    began = time.monotonic()
    completed(trial.run())
    assert act.left == [0]
    assert time.monotonic() - began >= (0.9 if "with" in answer else 0.1)
    seen = [(method, path.partition("/history")[1] or path) for method, path, _ in trial.proxy.seen]
    first = seen.index(("POST", "/prompt"))
    assert seen[first + 1 : first + 4] == [("GET", "/queue"), ("GET", "/history"), ("POST", "/prompt")]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_submit_that_came_though_something_in_between_says_otherwise_runs_once(trial, status):
    trial.proxy.reply = lambda request, answer: web.Response(status=status) if is_submit(request) else answer
    completed(trial.run())
    assert len(trial.proxy.accepted) == trial.submits() == 1


def test_a_submit_whose_answer_is_cut_off_runs_once(trial):
    trial.proxy.reply = lambda request, answer: reset(request) if is_submit(request) else answer
    completed(trial.run(sampled()), 64)
    assert len(trial.proxy.accepted) == trial.submits() == 1


def test_a_submit_whose_answer_is_a_page_runs_once(trial):
    trial.proxy.reply = lambda request, answer: (
        web.Response(text=HTML, content_type="text/html") if is_submit(request) else answer
    )
    completed(trial.run())
    assert trial.submits() == 1


def test_a_submit_whose_answer_does_not_come_runs_once(trial, monkeypatch):
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 1.0)

    async def keep(request, answer):
        if is_submit(request):
            await asyncio.sleep(4)
        return answer

    trial.proxy.reply = keep
    completed(trial.run())
    assert trial.submits() == 1


def test_a_submit_that_arrives_when_it_was_given_up_does_not_run_unseen(trial):
    trial.proxy.answer = lambda request: belated(trial, request, 0.5) if is_submit(request) else None
    completed(trial.run(sampled()), 64)
    assert trial.submits() == 1


def test_a_submit_that_arrives_long_after_it_was_given_up_does_not_run(trial):
    trial.proxy.answer = lambda request: belated(trial, request, 1.5) if is_submit(request) else None
    trial.cut_off = True
    result = trial.run(sampled(steps=10_000))
    assert "broke" in result.msg
    wait_until(lambda: trial.proxy.accepted)
    prompt_id = trial.proxy.accepted[0]["prompt_id"]
    wait_until(lambda: prompt_id not in str(trial.ask("/queue")))


def test_a_run_that_is_cancelled_while_its_submit_is_on_the_way_does_not_stay(trial):
    trial.proxy.answer = lambda request: belated(trial, request, 0.3) if is_submit(request) else None
    run = trial.begin(sampled(steps=10_000))
    wait_until(trial.submits)
    run.cancel()
    wait_until(lambda: trial.proxy.accepted)
    prompt_id = trial.proxy.accepted[0]["prompt_id"]
    wait_until(lambda: prompt_id not in str(trial.ask("/queue")))


@pytest.mark.parametrize("status", [429, 503])
def test_a_submit_that_is_declined_for_long_is_told_and_not_sent_for_ever(trial, status):
    trial.proxy.answer = lambda request: web.Response(status=status) if is_submit(request) else None
    result = trial.run()
    assert isinstance(result.error, ServerError)
    assert result.error.status == status
    assert "busy" in result.msg
    assert 2 < trial.submits() < 12


def test_a_pause_that_is_longer_than_patience_is_told_at_once(trial):
    answer = web.Response(status=503, headers={"Retry-After": "3600"})
    trial.proxy.answer = lambda request: answer if is_submit(request) else None
    began = time.monotonic()
    result = trial.run()
    assert result.error.status == 503
    assert time.monotonic() - began < 2
    assert trial.submits() == 1


def test_a_submit_of_which_nothing_can_be_found_out_is_told_and_not_repeated(trial):
    def act(request):
        if is_submit(request):
            return reset(request)
        return web.Response(status=503) if request.path == "/queue" else None

    trial.proxy.answer = act
    result = trial.run()
    assert isinstance(result.error, ServerError)
    assert "cannot be found out" in result.msg
    assert trial.submits() == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 500])
def test_a_submit_that_is_refused_is_told_and_not_repeated(engine_trial, status):
    engine_trial.proxy.answer = lambda request: web.Response(status=status) if is_submit(request) else None
    result = engine_trial.run()
    assert isinstance(result.error, ServerError)
    assert str(status) in result.msg
    assert engine_trial.submits() == 1


STRANGE = [None, [[]], 5, {}, {"exec_info": None, "queue_running": [[]], "queue_pending": 3}]


@pytest.mark.parametrize("path", ["/prompt", "/queue", "/history/", "/object_info/", "/upload/image"])
@pytest.mark.parametrize("number", range(len(STRANGE)))
def test_json_that_is_not_comfyuis_is_a_failure_with_a_name_or_none(engine_trial, path, number, monkeypatch):
    monkeypatch.setattr(following, "AWAY_SECONDS", 0.2)

    def act(request):
        if request.path == "/ws":
            return web.Response(status=403)
        return web.json_response(STRANGE[number]) if path in request.path else None

    engine_trial.proxy.answer = act
    engine_trial.cut_off = True
    result = engine_trial.run(loaded() | {"7": picture()["1"]}, {"photo": picture_bytes()})
    assert result.status in ("failed", "completed")


HISTORIES = [
    {"outputs": None},
    {"outputs": [], "status": 3, "meta": []},
    {"outputs": {"2": None}, "status": {"messages": 5}},
    {"outputs": {"2": {"images": [None, 5, {"filename": None}]}}, "status": {"messages": [None, [], ["a", "b", "c"]]}},
    {"outputs": {"2": {"images": {}}}, "meta": {"2": None}, "status": {"messages": [["execution_error", None]]}},
]


@pytest.mark.parametrize("number", range(len(HISTORIES)))
def test_a_history_entry_that_is_not_comfyuis_is_a_result_all_the_same(engine_trial, number):
    def act(request):
        if request.path.startswith("/history/"):
            return web.json_response({request.path.rpartition("/")[2]: HISTORIES[number]})
        return web.Response(status=403) if request.path == "/ws" else None

    engine_trial.proxy.answer = act
    engine_trial.cut_off = True
    assert engine_trial.run().status in ("failed", "completed")


def login(request):
    return web.Response(text=HTML, content_type="text/html")


@pytest.mark.parametrize("path", ["/object_info/", "/queue", "/prompt", "/upload/image"])
def test_a_login_page_is_told_and_what_it_hides_is_not_waited_for(trial, path):
    trial.proxy.answer = lambda request: (
        web.Response(status=403) if request.path == "/ws" else login(request) if path in request.path else None
    )
    trial.cut_off = True
    result = trial.run(loaded(), {"photo": picture_bytes()})
    assert "login page" in result.msg


def test_a_login_page_is_not_taken_for_a_picture(trial):
    trial.proxy.answer = lambda request: login(request) if request.path == "/view" else None
    result = trial.run()
    with pytest.raises(MediaError, match="with a page"):
        result.images[0].bytes()
    assert "data:image" not in result._repr_html_()


def test_a_login_that_expires_in_mid_run_is_told(trial):
    run = trial.begin(sampled(steps=30))
    trial.await_running(run)
    trial.proxy.answer = lambda request: web.Response(status=302, headers={"Location": "/login"})
    trial.proxy.cut_sockets()
    trial.cut_off = True
    result = trial.end(run)
    assert "302" in result.msg
    assert result.prompt_id


@pytest.mark.parametrize("path", ["/object_info/", "/prompt", "/queue", "/upload/image", "/view"])
def test_a_redirect_to_another_host_is_not_followed(engine_trial, embedded_comfyui, path):
    with Proxy(embedded_comfyui) as elsewhere:

        def act(request):
            if request.path == "/ws":
                return web.Response(status=403)
            location = {"Location": elsewhere.url + request.path_qs}
            return web.Response(status=307, headers=location) if path in request.path else None

        engine_trial.proxy.answer = act
        engine_trial.cut_off = True
        result = engine_trial.run(loaded(), {"photo": picture_bytes()})
        if path == "/view":
            with pytest.raises(MediaError, match="307"):
                result.images[0].bytes()
        else:
            assert "307" in result.msg
        assert elsewhere.seen == []


async def drip(request):
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(200):
        await response.write(b" ")
        await asyncio.sleep(0.05)
    return response


@pytest.mark.parametrize("path", ["/object_info/", "/queue", "/history/", "/prompt", "/upload/image"])
def test_an_answer_that_drips_is_not_waited_for_for_ever(engine_trial, path, monkeypatch):
    monkeypatch.setattr(following, "AWAY_SECONDS", 0.2)
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 0.5)

    def act(request):
        if request.path == "/ws" and path in ("/queue", "/history/"):
            return web.Response(status=403)
        return drip(request) if path in request.path and (path != "/prompt" or is_submit(request)) else None

    engine_trial.proxy.answer = act
    engine_trial.cut_off = True
    result = engine_trial.run(loaded(), {"photo": picture_bytes()})
    assert isinstance(result.error, ServerError) or "too slowly" in result.msg


def test_a_file_that_drips_is_given_up(engine_trial, monkeypatch):
    monkeypatch.setattr(patience, "ANSWER_SECONDS", 0.5)
    engine_trial.proxy.answer = lambda request: drip(request) if request.path == "/view" else None
    result = engine_trial.run()
    began = time.monotonic()
    with pytest.raises(MediaError, match="too slowly"):
        result.images[0].bytes()
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("reads", [0, 100_000])
def test_an_upload_that_is_reset_is_sent_again(trial, reads):
    async def read_some_and_reset(request):
        await request.content.read(reads)
        return reset(request)

    act = times(2, read_some_and_reset, lambda request: request.path == "/upload/image")
    trial.proxy.answer = act
    noise = Image.effect_noise((900, 900), uuid.uuid4().int % 100 + 50)
    result = trial.run(loaded(), {"photo": noise})
    assert (result.status, result.msg) == ("completed", "")
    assert act.left == [0]


def test_an_upload_that_is_too_large_is_told(trial):
    trial.proxy.answer = lambda request: web.Response(status=413) if request.path == "/upload/image" else None
    result = trial.run(loaded(), {"photo": picture_bytes()})
    assert "max-upload-size" in result.msg
    assert trial.proxy.paths().count("/upload/image") == 1


@pytest.mark.parametrize("size", [100_000, 12_000_000])
@pytest.mark.parametrize("breaks", [1, 3])
def test_a_download_that_is_reset_goes_on(engine_trial, size, breaks):
    content, left = uuid.uuid4().bytes * (size // 16), [breaks]

    async def serve(request):
        response = web.StreamResponse(headers={"Content-Length": str(len(content)), "ETag": '"1"'})
        await response.prepare(request)
        if left[0]:
            left[0] -= 1
            await response.write(content[: len(content) // 2])
            await asyncio.sleep(0.05)
            return reset(request)
        await response.write(content)
        return response

    engine_trial.proxy.answer = lambda request: serve(request) if request.path == "/view" else None
    result = engine_trial.run()
    assert result.images[0].bytes() == content
    assert left == [0]


def test_a_download_that_goes_on_as_another_file_is_none(engine_trial):
    count = [0]

    async def serve(request):
        count[0] += 1
        response = web.StreamResponse(headers={"Content-Length": "10000000", "ETag": f'"{count[0]}"'})
        await response.prepare(request)
        await response.write(bytes(1_000_000))
        await asyncio.sleep(0.05)
        return reset(request)

    engine_trial.proxy.answer = lambda request: serve(request) if request.path == "/view" else None
    result = engine_trial.run()
    with pytest.raises(MediaError, match="has changed"):
        result.images[0].bytes()


def test_a_download_that_always_breaks_is_told_and_the_result_still_shows(trial):
    trial.proxy.answer = lambda request: reset(request) if request.path == "/view" else None
    result = trial.run()
    with pytest.raises(MediaError, match="broke"):
        result.images[0].bytes()
    assert "cannot be fetched" in result._repr_html_()


def test_a_file_that_a_node_cannot_read_fails_that_node_and_no_request_is_repeated(trial):
    result = trial.run(loaded(), {"photo": b"\x89PNG\r\n\x1a\n broken"})
    assert isinstance(result.error, NodeError | ParameterError)
    assert trial.submits() == 1

"""Servers as they are deployed: behind prefixes, logins and proxies, old and new, and with trouble on the line."""

import asyncio
import io
import json
import logging
import pickle
import time

import pytest
from aiohttp import web
from graphs import loaded, picture
from PIL import Image
from proxy import Proxy

from comfy_notebook import ComfyKit, NoServerError, ParameterError, RunLostError, ServerError
from comfy_notebook.servers import following, patience
from comfy_notebook.servers.portal import portal


def completed(result):
    assert (result.status, result.msg) == ("completed", "")
    assert result.images_by_var["cover"][0].pil().size == (32, 16)
    return result


def test_a_prefix_in_the_url_holds_for_everything(embedded_comfyui):
    with Proxy(embedded_comfyui, prefix="/proxy/8188") as proxy:
        result = completed(ComfyKit(f"{proxy.url}/").run(picture()))
        assert result.images[0].startswith(f"{proxy.url}/view?")
        assert all(path.startswith("/proxy/8188/") for path in proxy.paths())
        assert any(path.endswith("/ws") for path in proxy.paths())


def test_a_prefix_left_out_is_guessed_at(embedded_comfyui):
    with Proxy(embedded_comfyui, prefix="/proxy/8188") as proxy:
        result = ComfyKit(proxy.url.removesuffix("/proxy/8188")).run(picture())
        assert isinstance(result.error, ServerError)
        assert "prefix" in result.msg


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"api_key": "sesame"}, ("Authorization", "Bearer sesame")),
        ({"cookies": "session=sesame"}, ("Cookie", "session=sesame")),
        ({"cookies": '{"session": "sesame"}'}, ("Cookie", "session=sesame")),
        ({"user": "ann:sesame@"}, ("Authorization", "Basic YW5uOnNlc2FtZQ==")),
    ],
)
def test_credentials_go_with_every_request_and_are_shown_nowhere(proxy, caplog, options, wanted):
    name, value = wanted
    proxy.answer = lambda request: None if request.headers.get(name) == value else web.Response(status=401)
    caplog.set_level(logging.DEBUG)
    url = proxy.url.replace("http://", f"http://{options.pop('user', '')}")
    kit = ComfyKit(url, **options)
    result = completed(kit.run(picture()))
    assert all(headers.get(name) == value for _, _, headers in proxy.seen)
    shown = f"{kit!r}{result!r}{result.images}{result.server}{result._repr_html_()}{vars(result)}{caplog.text}"
    assert "sesame" not in shown
    assert "sesame" not in pickle.dumps(result).decode("latin-1")


def test_a_login_is_asked_for_by_name(proxy):
    proxy.answer = lambda request: web.Response(status=401)
    result = ComfyKit(proxy.url, api_key="wrong-sesame").run(picture())
    assert "COMFYUI_API_KEY" in result.msg
    assert "sesame" not in result.msg


def test_a_redirect_is_not_followed_with_credentials(proxy, embedded_comfyui):
    with Proxy(embedded_comfyui) as elsewhere:
        proxy.answer = lambda request: web.Response(status=302, headers={"Location": elsewhere.url + request.path})
        result = ComfyKit(proxy.url, api_key="sesame").run(picture())
        assert isinstance(result.error, ServerError)
        assert elsewhere.seen == []


def test_a_page_instead_of_an_answer_is_told(proxy):
    proxy.answer = lambda request: web.Response(text="<html>Please log in</html>", content_type="text/html")
    result = ComfyKit(proxy.url).run(picture())
    assert "text/html, not with JSON" in result.msg
    assert "login page" in result.msg


def test_the_partners_key_travels_in_extra_data_alone(proxy):
    bodies = []
    proxy.body = lambda body: bodies.append(body) or body
    completed(ComfyKit(proxy.url, api_key="server-key", comfy_org_api_key="partner-key").run(picture()))
    assert bodies[0]["extra_data"] == {"api_key_comfy_org": "partner-key"}
    assert "server-key" not in json.dumps(bodies)
    assert all("partner-key" not in json.dumps(headers) for _, _, headers in proxy.seen)


def test_a_server_that_chooses_the_prompts_id_itself(proxy):
    proxy.body = lambda body: {name: value for name, value in body.items() if name != "prompt_id"}
    result = completed(ComfyKit(proxy.url).run(picture()))
    assert len(result.prompt_id) == 36


def test_without_a_websocket_a_run_completes_and_says_so(proxy):
    proxy.answer = lambda request: web.Response(status=403) if request.path == "/ws" else None
    result = completed(ComfyKit(proxy.url).run(picture()))
    assert "WebSocket does not open" in result.warnings[0]
    completed(ComfyKit(proxy.url).run(picture(color=1)))
    again = completed(ComfyKit(proxy.url).run(picture(color=1)))  # cached: its outputs need a client id to be told
    assert len(again.images) == 1


@pytest.mark.parametrize("kind", ["execution_start", "executing", "executed", "execution_success"])
def test_a_socket_closed_in_mid_run_loses_nothing(proxy, kind):
    closed = []

    def close_once(frame):
        if isinstance(frame, str) and json.loads(frame)["type"] == kind and not closed:
            closed.append(frame)
            raise Proxy.Close
        return frame

    proxy.frame = close_once
    kit = ComfyKit(proxy.url)
    completed(kit.run(picture()))
    assert closed
    completed(kit.run(picture()))


def test_a_socket_that_says_nothing_loses_nothing(proxy, monkeypatch):
    monkeypatch.setattr(following, "QUIET_SECONDS", 0.5)
    proxy.frame = lambda frame: frame if isinstance(frame, str) and json.loads(frame)["type"] == "status" else None
    completed(ComfyKit(proxy.url).run(picture()))


def test_a_restarted_server_is_asked_and_sent_anew(embedded_comfyui, tmp_path):
    from comfy_notebook.servers.embedded import Engine

    photo = Image.new("RGB", (5, 5), time.time_ns() % 256)
    with Engine.start(tmp_path / "first") as first, Proxy(first.url) as proxy:
        kit = ComfyKit(proxy.url)
        assert kit.run(loaded(), {"photo": photo}).status == "completed"
        first.stop()
        with Engine.start(tmp_path / "second") as second:
            proxy.upstream = second.url
            time.sleep(0.2)  # for the loss of the connection to be noticed
            assert kit.run(loaded(), {"photo": photo}).msg == ""
        assert proxy.paths().count("/upload/image") == 2


def test_a_websocket_that_hangs_does_not_hang_every_run(proxy, monkeypatch):
    monkeypatch.setattr("comfy_notebook.servers.socket._OPEN_SECONDS", 2.0)
    original = proxy._socket

    async def hang(request, url):
        await asyncio.sleep(30)
        return await original(request, url)

    proxy._socket = hang
    kit = ComfyKit(proxy.url)
    completed(kit.run(picture()))
    began = time.monotonic()
    completed(kit.run(picture()))
    assert time.monotonic() - began < 2


def test_a_failure_without_a_reason_is_a_failure(proxy):
    def without_reason(request):
        if request.path.startswith("/history/"):
            entry = {"outputs": {}, "status": {"status_str": "error", "completed": False, "messages": []}}
            return web.json_response({request.path.rpartition("/")[2]: entry})
        return web.Response(status=403) if request.path == "/ws" else None

    proxy.answer = without_reason
    result = ComfyKit(proxy.url).run(picture())
    assert result.status == "failed"
    assert "does not say why" in result.msg


def test_an_end_that_is_never_announced_is_found(proxy, monkeypatch):
    monkeypatch.setattr(following, "GRACE_SECONDS", 0.3)

    def drop_end(frame):
        message = json.loads(frame) if isinstance(frame, str) else {}
        end = message.get("type") == "executing" and message["data"]["node"] is None
        return None if end else frame

    proxy.frame = drop_end
    completed(ComfyKit(proxy.url).run(picture()))


def test_frames_that_nobody_understands_are_passed_over(proxy):
    def disturb(frame):
        proxy.extra = getattr(proxy, "extra", 0) + 1
        return "{not json" if proxy.extra == 3 else b"\0\0" if proxy.extra == 4 else frame

    seen = []
    proxy.frame = lambda frame: seen.append(frame) or frame
    completed(ComfyKit(proxy.url).run(picture()))
    assert seen
    monkey = {"type": "crystools.monitor", "data": {"cpu": 1}}
    proxy.frame = lambda frame: json.dumps(monkey) if isinstance(frame, str) and "progress_state" in frame else frame
    completed(ComfyKit(proxy.url).run(picture()))


def test_a_run_that_the_server_forgot_is_lost_and_not_sent_again(proxy, monkeypatch):
    monkeypatch.setattr(following, "QUIET_SECONDS", 0.3)
    proxy.frame = lambda frame: frame if isinstance(frame, str) and json.loads(frame)["type"] == "status" else None

    def forgetful(request):
        if request.path.startswith("/history/"):
            return web.json_response({})
        if request.path == "/queue":
            return web.json_response({"queue_running": [], "queue_pending": []})
        return None

    proxy.answer = forgetful
    result = ComfyKit(proxy.url).run(picture())
    assert isinstance(result.error, RunLostError)
    assert proxy.paths().count("/prompt") == 1


def test_an_answer_that_is_lost_does_not_lose_the_run_nor_run_it_twice(proxy):
    submits = []
    original = proxy._request

    async def lose_answer(request, url):
        answer = await original(request, url)
        if request.path == "/prompt" and request.method == "POST":
            submits.append(request.path)
            request.transport.close()
        return answer

    proxy._request = lose_answer
    completed(ComfyKit(proxy.url).run(picture()))
    assert len(submits) == 1


def test_a_submit_that_never_arrived_is_told(proxy):
    def cut(request):
        if request.path == "/prompt" and request.method == "POST":
            request.transport.close()
            return web.Response()
        return None

    proxy.answer = cut
    result = ComfyKit(proxy.url).run(picture())
    assert isinstance(result.error, ServerError)
    assert "broke" in result.msg
    assert proxy.paths().count("/prompt") == 1


def test_a_server_that_goes_away_for_good_is_told_within_a_bounded_time(proxy, monkeypatch):
    monkeypatch.setattr(following, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(following, "AWAY_SECONDS", 1.0)
    monkeypatch.setattr(patience, "AGAIN_SECONDS", 0.5)
    proxy.frame = lambda frame: frame if isinstance(frame, str) and json.loads(frame)["type"] == "status" else None
    proxy.answer = lambda request: web.Response(status=502) if request.path == "/queue" else None
    result = ComfyKit(proxy.url).run(picture())
    assert isinstance(result.error, RunLostError)
    assert "stopped answering" in result.msg


@pytest.mark.parametrize(("status", "says"), [(413, "max-upload-size"), (502, "has it been started"), (500, "500")])
def test_errors_of_the_server_are_sentences(proxy, status, says):
    proxy.answer = lambda request: web.Response(status=status) if request.path == "/prompt" else None
    result = ComfyKit(proxy.url).run(picture())
    assert isinstance(result.error, ServerError)
    assert result.error.status == status
    assert says in result.msg


def test_a_newer_servers_refusals_are_read(proxy):
    error = {"type": "dependency_cycle", "message": "Dependency cycle detected", "details": "1 -> 2 -> 1"}
    answer = {"error": error | {"extra_info": {"cycle_nodes": ["1", "2"]}}, "node_errors": {}}
    proxy.answer = lambda request: web.json_response(answer, status=400) if request.path == "/prompt" else None
    result = ComfyKit(proxy.url).run(picture())
    assert isinstance(result.error, ParameterError)
    assert "Dependency cycle detected" in result.msg
    assert "1 -> 2 -> 1" in result.msg


def test_a_file_that_is_gone_says_so_and_the_result_still_shows(proxy):
    proxy.answer = lambda request: web.Response(status=404) if request.path == "/view" else None
    result = ComfyKit(proxy.url).run(picture())
    assert result.status == "completed"
    assert "the server no longer has it" in result._repr_html_()


def test_what_was_fetched_outlives_its_server(embedded_comfyui):
    with Proxy(embedded_comfyui) as proxy:
        result = ComfyKit(proxy.url).run(picture())
        content = result.images[0].bytes()
    assert result.images[0].bytes() == content
    assert "data:image/png" in result._repr_html_()


def test_a_cell_fetches_its_files_while_the_rest_runs(proxy):
    kit = ComfyKit(proxy.url)
    result = portal.wait(kit.runner.perform(picture(), {}, prefetch=lambda files: None))
    deadline = time.monotonic() + 5
    while "/view" not in proxy.paths():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    result.images[0].bytes()
    result.images[0].bytes()
    assert proxy.paths().count("/view") == 1


def test_uploads_are_sent_once_per_content(proxy):
    kit = ComfyKit(proxy.url)
    photo = Image.new("RGB", (5, 5), time.time_ns() % 256)
    for _ in range(3):
        assert kit.run(loaded(), {"photo": photo}).status == "completed"
    assert proxy.paths().count("/upload/image") == 1


def test_files_elsewhere_are_fetched_without_credentials(proxy, embedded_comfyui):
    content = io.BytesIO()
    Image.new("RGB", (7, 5)).save(content, "PNG")
    with Proxy(embedded_comfyui) as elsewhere:
        elsewhere.answer = lambda request: web.Response(body=content.getvalue(), content_type="image/png")
        kit = ComfyKit(proxy.url, api_key="sesame", cookies="a=sesame")
        result = kit.run(loaded(), {"photo": f"{elsewhere.url}/photo.png"})
        assert result.images[0].pil().size == (7, 5)
        assert "sesame" not in json.dumps([headers for _, _, headers in elsewhere.seen])


def test_a_stale_list_of_choices_is_asked_for_again(proxy):
    choices = ["old.safetensors"]
    node = {"input": {"required": {"name": [choices, {}]}}, "output_node": False}
    graph = picture() | {"9": {"class_type": "Loader", "inputs": {"name": "old.safetensors"}}}

    def info(request):
        return web.json_response({"Loader": node}) if request.path == "/object_info/Loader" else None

    proxy.answer = info
    kit = ComfyKit(proxy.url)
    assert "'new.safetensors' is not among" in kit.run(graph, {"name": "new.safetensors"}).msg
    choices.append("new.safetensors")
    assert "is not among" not in kit.run(graph, {"name": "new.safetensors"}).msg


def test_nobody_there_is_told_at_once():
    began = time.monotonic()
    assert isinstance(ComfyKit("http://127.0.0.1:1").run(picture()).error, NoServerError)
    assert time.monotonic() - began < 3

"""Runs on several servers: shared, sent where all is that they need, and moved when a server dies."""

import json
import logging
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiohttp import web
from benchmarks import scale
from engines import engines
from graphs import CHECKPOINT, lasting, loaded, picture, sampled
from PIL import Image
from proxy import Proxy
from waiting import wait_for

from comfy_notebook import ComfyKit, NoServerError, ParameterError, RunLostError, ServerError, history, load, sweep
from comfy_notebook.experiments.history.store import default_store
from comfy_notebook.servers import following, members, patience
from comfy_notebook.servers.embedded import Engine
from comfy_notebook.servers.portal import portal


@pytest.fixture
def two():
    """Two proxies before two engines."""
    with Engine.start() as first, Engine.start() as second, Proxy(first.url) as one, Proxy(second.url) as other:
        yield one, other


@pytest.fixture
def quick_moves(monkeypatch):
    monkeypatch.setattr(following, "MOVE_SECONDS", 0.3)
    monkeypatch.setattr(members, "LEFT_OUT_SECONDS", (0.3, 0.5))
    monkeypatch.setattr(patience, "AGAIN_SECONDS", 0.3)


@pytest.fixture
def own_history(tmp_path, monkeypatch):
    monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(tmp_path / "data"))
    yield
    default_store().close()


def urls(servers):
    return [server.url for server in servers]


def servers_of(results):
    return Counter(result.server for result in results)


def completed(results):
    assert {(result.status, result.msg) for result in results} == {("completed", "")}
    return results


def _key(graph):
    return json.dumps(graph, sort_keys=True)


def test_inputs_go_to_each_server_once(two):
    kit = ComfyKit(urls(two))
    photo = Image.new("RGB", (40, 30), "teal")
    jobs = [kit.submit(loaded(), {"photo": photo}) for _ in range(12)]
    results = completed([job.result(20) for job in jobs])
    assert set(servers_of(results)) == set(urls(two))
    assert {result.images[0].pil().size for result in results} == {(40, 30)}
    assert [proxy.paths().count("/upload/image") for proxy in two] == [1, 1]


def test_fifty_at_once_are_shared(two):
    results = completed(ComfyKit(urls(two)).submit_many(picture(), {}, 50).result(60))
    shares = servers_of(results)
    assert sum(shares.values()) == 50
    assert min(shares.values()) >= 16  # what each is given ahead
    assert {server: len(proxy.accepted) for server, proxy in zip(urls(two), two, strict=True)} == shares


def test_the_runs_of_others_count(two):
    """A server tells of them by itself."""
    one, other = two
    somebody = [ComfyKit(one.upstream).submit(sampled(steps=10_000, seed=seed)) for seed in range(4)]
    wait_for(lambda: all(job.status in ("queued", "running") for job in somebody))
    kit = ComfyKit(urls(two))
    assert servers_of([kit.run(picture()) for _ in range(3)]) == {other.url: 3}
    for job in somebody:
        job.cancel()
        job.result(10)


def test_a_run_sticks_to_the_server_that_has_its_nodes(two):
    one, other = two
    one.answer = lambda request: web.json_response({}) if request.path == "/object_info/ImageInvert" else None
    graph = picture() | {"3": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}}}
    kit = ComfyKit(urls(two))
    results = completed([job.result(20) for job in [kit.submit(graph) for _ in range(6)]])
    assert servers_of(results) == {other.url: 6}
    assert one.accepted == []
    assert {warning for result in results for warning in result.warnings} == set()
    completed([kit.run(picture())])
    assert len(one.accepted) == 1


def models(names):
    """Have a proxy's server list these checkpoints."""

    def reply(request, answer):
        if request.path != "/object_info/CheckpointLoaderSimple":
            return answer
        info = json.loads(answer.body)
        info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] = names
        return web.json_response(info)

    return reply


def test_a_run_sticks_to_the_server_that_has_its_model(two):
    one, other = two
    one.reply, other.reply = models([CHECKPOINT, "one.safetensors"]), models([CHECKPOINT, "other.safetensors"])
    kit = ComfyKit(urls(two))
    graph = sampled(steps=1)
    graph["4"]["inputs"]["ckpt_name"] = "other.safetensors"
    results = completed([job.result(20) for job in [kit.submit(graph) for _ in range(4)]])
    assert servers_of(results) == {other.url: 4}
    given = completed([kit.run(sampled(steps=1), {"ckpt_name": "one.safetensors"})])
    assert servers_of(given) == {one.url: 1}
    assert [len(proxy.accepted) for proxy in two] == [1, 4]


def test_where_no_server_has_all_each_says_what_it_lacks(two):
    one, other = two
    one.answer = lambda request: web.json_response({}) if request.path == "/object_info/PreviewImage" else None
    other.answer = lambda request: web.json_response({}) if request.path == "/object_info/EmptyImage" else None
    result = ComfyKit(urls(two)).run(picture())
    assert isinstance(result.error, ParameterError)
    assert [problem.subject for problem in result.error.problems] == [
        f"{one.url}, PreviewImage (node 2)",
        f'{other.url}, EmptyImage "Empty" (node 1)',
    ]
    assert one.accepted == other.accepted == []


# -- servers that die -------------------------------------------------------------------------------------


def test_of_three_servers_one_is_killed_and_every_run_is_in_the_result_once(quick_moves, own_history):
    with engines(3) as servers:
        kit = ComfyKit(urls(servers))
        graphs = [sampled(steps=3, seed=seed) for seed in range(1, 37)]
        jobs = [kit.submit(graph) for graph in graphs]
        victim = servers[1]
        wait_for(lambda: sum(job.done and job.result().server == victim.url for job in jobs) >= 2)
        before = {job: job.result() for job in jobs if job.done}
        victim.kill()
        results = completed([job.result(60) for job in jobs])
        assert all(job.result() is result for job, result in before.items())
        assert [result.params["seed"] for result in results] == [*range(1, 37)]
        assert len({result.prompt_id for result in results}) == 36
        assert all(result.images[0].pil().size == (64, 64) for result in results)  # those of the dead one, too
        survivors = [server for server in servers if server is not victim]
        ran = Counter(_key(graph) for server in survivors for graph in server.graphs())
        wanted = Counter(_key(result.workflow) for result in results if result.server != victim.url)
        assert ran == wanted  # each once, and nothing that the dead one had done already
        assert Counter((record.prompt_id, record.server) for record in history) == Counter(
            (result.prompt_id, result.server) for result in results
        )  # one record a run, be it moved or not
        moved = [result for result in results if result.warnings]
        assert moved  # it was mid-way
        assert all(victim.url in result.warnings[0] for result in moved)


def dark(proxy):
    """Have a server answer no more, though what it has goes on."""
    proxy.answer = lambda request: web.Response(status=502)
    proxy.cut_sockets()


def light(proxy):
    proxy.answer = lambda request: None


def test_a_server_that_comes_back_ends_what_went_on_elsewhere(two, quick_moves, caplog):
    one, other = two
    kit = ComfyKit(urls(two))
    long, short = lasting(), picture()
    first = kit.submit(long)
    wait_for(lambda: first.status == "running")
    assert first.server == one.url
    lost = first.prompt_id
    dark(one)
    wait_for(lambda: first.server == other.url and first.status == "running")
    assert first.prompt_id != lost
    light(one)
    engine = ComfyKit(one.upstream)
    wait_for(lambda: engine.attach(lost).result(20).status == "cancelled")
    assert servers_of(completed([kit.run(short)])) == {one.url: 1}
    first.cancel()
    assert first.result(10).status == "cancelled"
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert [message for message in told if message.startswith(f"{one.url} gets no more runs until it is back")]


def test_where_none_answers_a_run_is_not_given_up_so_soon(two, quick_moves):
    """As when it is our own connection that is gone for a while."""
    one, other = two
    kit = ComfyKit(urls(two))
    job = kit.submit(sampled(steps=400))
    wait_for(lambda: job.status == "running")
    was = job.prompt_id
    for proxy in two:
        dark(proxy)
    time.sleep(1.5)  # five times as long as it would be borne with otherwise
    assert not job.done
    for proxy in two:
        light(proxy)
    result = job.result(60)
    assert (result.status, result.prompt_id, result.server) == ("completed", was, one.url)
    assert other.accepted == []


def test_who_takes_a_run_out_of_the_queue_gets_rid_of_it(two, quick_moves):
    one, other = two
    kit = ComfyKit(urls(two))
    jobs = [kit.submit(sampled(steps=10_000, seed=seed)) for seed in range(4)]
    wait_for(lambda: sorted(job.status for job in jobs) == ["queued", "queued", "running", "running"])
    victim = next(job for job in jobs if job.status == "queued")
    portal.wait(_deleted(victim))
    for job in jobs:
        if job is not victim:
            job.cancel()
    assert isinstance(victim.result(30).error, RunLostError)
    assert len(one.accepted) + len(other.accepted) == 4


async def _deleted(job):
    await job._attempt.server._api.dequeue(job.prompt_id)


def test_one_that_is_dead_from_the_start_is_left_out(two):
    with Engine.start() as gone:
        dead = gone.url
    kit = ComfyKit([dead, *urls(two)])
    results = completed([job.result(20) for job in [kit.submit(picture()) for _ in range(6)]])
    assert set(servers_of(results)) == set(urls(two))
    assert {tuple(result.warnings) for result in results} == {()}


def test_where_all_are_dead_it_says_so():
    with Engine.start() as one, Engine.start() as other:
        dead = [one.url, other.url]
    result = ComfyKit(dead).run(picture())
    assert isinstance(result.error, NoServerError)
    assert all(url in result.msg for url in dead)
    assert repr(load(picture(), dead)) == repr(load(picture(), dead[0]))  # without ranges and choices


# -- the rest of a kit ------------------------------------------------------------------------------------


def test_a_run_that_waits_for_a_place_is_cancelled_and_may_take_too_long(two, monkeypatch):
    monkeypatch.setattr(members, "AHEAD", 2)
    kit = ComfyKit(urls(two))
    long = [kit.submit(sampled(steps=10_000, seed=seed)) for seed in range(2 * members.AHEAD)]
    wait_for(lambda: all(job.status in ("queued", "running") for job in long))
    waiting = kit.submit(picture())
    assert kit.run(picture(), timeout=0.2).msg.startswith("The run was stopped")
    assert waiting.status == "preparing"
    waiting.cancel()
    assert waiting.result(5).status == "cancelled"
    assert sum(len(proxy.accepted) for proxy in two) == len(long)
    for job in long:
        job.cancel()
    assert {job.result(20).status for job in long} == {"cancelled"}
    completed([kit.run(picture())])


def test_a_run_is_picked_up_on_whichever_server_has_it(two):
    prompt_id = ComfyKit(two[1].url).run(picture()).prompt_id
    kit = ComfyKit(urls(two))
    assert servers_of(completed([kit.attach(prompt_id).result(20)])) == {two[1].url: 1}
    missing = kit.attach("no-such-run").result(20)
    assert isinstance(missing.error, RunLostError)
    assert [problem.subject for problem in missing.error.problems] == urls(two)


def test_models_are_those_of_all_servers(two):
    one, other = two
    one.answer = lambda request: web.json_response(["a", "b"]) if request.path == "/models/loras" else None
    other.answer = lambda request: web.json_response(["b", "c"]) if request.path == "/models/loras" else None
    kit = ComfyKit(urls(two))
    assert kit.models("loras") == ["a", "b", "c"]
    with pytest.raises(ServerError):
        kit.models("no such folder")


def test_a_workflow_is_looked_at_with_a_server_that_knows_its_nodes(two):
    one, other = two
    one.answer = lambda request: web.json_response({}) if request.path == "/object_info/EmptyImage" else None
    assert ComfyKit(urls(two)).load(picture()).server == other.url


def test_several_servers_are_named_in_a_list_a_text_or_the_environment(two, monkeypatch):
    text = " ".join(urls(two))
    assert repr(ComfyKit(urls(two))) == repr(ComfyKit(text)) == f"ComfyKit({urls(two)!r})"
    monkeypatch.setenv("COMFYUI_BASE_URL", text)
    assert repr(ComfyKit()) == f"ComfyKit({urls(two)!r})"
    assert repr(ComfyKit([one := two[0].url, one])) == repr(ComfyKit(one)) == f"ComfyKit({one!r})"
    assert repr(ComfyKit(["http://ann:sesame@a:1", "b:2"])) == "ComfyKit(['http://a:1', 'b:2'])"
    completed([ComfyKit().run(picture())])


def test_a_name_that_is_no_address_is_told():
    result = ComfyKit(["http://127.0.0.1:8188", "ftp://x"]).run(picture())
    assert "'ftp://x' is not the address of a server" in result.msg


@pytest.mark.parametrize("environment", [False, True])
def test_credentials_go_to_the_servers_named_but_not_to_one_with_a_login_of_its_own(two, monkeypatch, environment):
    one, other = two
    options = {"api_key": "sesame", "cookies": "session=sesame"}
    if environment:
        monkeypatch.setenv("COMFYUI_API_KEY", options["api_key"])
        monkeypatch.setenv("COMFYUI_COOKIES", options["cookies"])
        options = {}
    with Proxy(one.upstream) as third:
        third_url = third.url.replace("http://", "http://ann:secret@")
        kit = ComfyKit([one.url, other.url, third_url], **options)
        results = completed([job.result(20) for job in [kit.submit(picture()) for _ in range(12)]])
        assert len(servers_of(results)) == 3
        for proxy in two:
            assert {headers["Authorization"] for _, _, headers in proxy.seen} == {"Bearer sesame"}
            assert {headers["Cookie"] for _, _, headers in proxy.seen} == {"session=sesame"}
        assert {headers["Authorization"] for _, _, headers in third.seen} == {"Basic YW5uOnNlY3JldA=="}
        assert {headers.get("Cookie") for _, _, headers in third.seen} == {None}
        assert "sesame" not in f"{kit!r}{results!r}{vars(results[0])}"


def test_a_sweep_may_need_models_that_no_server_has_all_of(two, own_history):
    one, other = two
    one.reply, other.reply = models(["one.safetensors"]), models(["other.safetensors"])
    kit, names = ComfyKit(urls(two)), ["one.safetensors", "other.safetensors"]
    swept = sweep(sampled(steps=1), ckpt_name=names, seed=[1, 2], server=kit)
    assert [cell.result.server for cell in swept] == [one.url, one.url, other.url, other.url]
    again = sweep(swept.course.workflow, ckpt_name=names, seed=[1, 2], server=kit)
    assert [cell.kept for cell in again] == [True] * 4
    with pytest.raises(ParameterError, match="third"):
        sweep(sampled(steps=1), ckpt_name=["one.safetensors", "third.safetensors"], server=kit)


def test_threads_share_a_pool(two):
    kit = ComfyKit(urls(two))
    with ThreadPoolExecutor(4) as threads:
        results = completed([*threads.map(lambda _: kit.run(picture()), range(12))])
    assert set(servers_of(results)) == set(urls(two))


# -- how much faster it is --------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.skipif("COMFYUI_SERVER" not in os.environ, reason="COMFYUI_SERVER starts the two servers that this needs")
def test_two_real_servers_work_at_the_same_time():
    """Where the work is sleeping nodes; tests/benchmarks/scale.py has the figures of a machine at rest."""
    with scale.fresh_servers(2) as servers:
        one, two, had = scale.compare(servers, runs=12, seconds=0.5, rounds=1)
    assert one / two >= 1.4
    assert sorted(had.values()) == [6, 6]

"""Sweeps on workers: threads, processes and a Dask cluster, each worker with an engine of its own."""

import gc
import logging
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from graphs import loaded, picture, sampled
from PIL import Image
from waiting import wait_for

from comfy_notebook import ComfyKit, NoServerError, ParameterError, WorkerError, history, sweep
from comfy_notebook.cache import ContentCache, default_cache
from comfy_notebook.experiments import remote
from comfy_notebook.experiments.history.store import default_store
from comfy_notebook.experiments.workers import RemoteJob
from comfy_notebook.jobs import underway

LONG = 10_000  # steps: minutes
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


@pytest.fixture(scope="module", autouse=True)
def engine_beside():
    """Workers find the built-in engine beside them; they live as long as this, or shorter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COMFYUI_BASE_URL", "embedded")
        yield


@pytest.fixture(autouse=True)
def own_history(tmp_path, monkeypatch):
    """What runs is recorded for this test alone."""
    monkeypatch.setenv("COMFY_NOTEBOOK_DATA", str(tmp_path / "data"))
    yield
    for job in underway():
        job.cancel()
    default_store().close()


@pytest.fixture(scope="module", autouse=True)
def spawning():
    """Under pytest-xdist the main module is none that a process could be spawned from."""
    with pytest.MonkeyPatch.context() as patch:
        if not hasattr(sys.modules["__main__"], "__spec__"):
            patch.setattr(sys.modules["__main__"], "__spec__", None, raising=False)
        yield


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as made:
        yield made


@pytest.fixture
def client(cluster):
    from distributed import Client

    with Client(cluster) as made:
        made.wait_for_workers(3)
        yield made


def spawned():
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


@pytest.fixture(scope="module")
def threads():
    with ThreadPoolExecutor(2) as made:
        yield made


@pytest.fixture(scope="module")
def processes():
    with spawned() as made:
        yield made


@pytest.fixture(params=["threads", "processes", "client"])
def executor(request):
    return request.getfixturevalue(request.param)


def sizes(swept):
    return [cell.result.images[0].pil().size for cell in swept]


def test_a_sweep_runs_on_workers_and_fills_the_same_grid(executor):
    swept = sweep(picture(), width=[32, 48], height=[16, 24], executor=executor)
    assert swept.status == "completed", swept.error
    assert swept.axes == {"width": [32, 48], "height": [16, 24]}
    assert sizes(swept) == [(32, 16), (32, 24), (48, 16), (48, 24)]
    assert len({cell.result.prompt_id for cell in swept}) == 4
    assert all(cell.result.params["width"] == cell.point["width"] for cell in swept)
    assert "data:image/" in swept.grid()._repr_html_()
    records = list(history)
    assert Counter(record.status for record in records) == {"completed": 4}  # recorded here, and nowhere else
    assert {record.prompt_id for record in records} == {cell.result.prompt_id for cell in swept}
    assert {record.server for record in records} == {"built-in engine"}
    again = sweep(picture(color=swept[0].result.params["color"]), width=[32, 48], height=[16, 24], executor=executor)
    assert again.status == "completed"


def test_it_goes_on_where_it_stopped(executor):
    graph = picture()
    sweep(graph, width=[32, 48], executor=executor)
    more = sweep(graph, width=[32, 48, 64], executor=executor)
    assert [cell.kept for cell in more] == [True, True, False]
    assert sizes(more) == [(32, 16), (48, 16), (64, 16)]


def test_what_they_made_outlives_them(tmp_path, monkeypatch):
    """Their engines end with them, and their disks may be elsewhere."""
    here = ContentCache(tmp_path / "here", 10**9)
    with spawned() as executor:
        executor.submit(os.getpid).result()  # they have the usual cache
        monkeypatch.setattr("comfy_notebook.experiments.workers.default_cache", lambda: here)
        swept = sweep(picture(), width=[32, 48], executor=executor)
    kept = [here.get(cell.result.images[0].digest) for cell in swept]
    assert all(content.startswith(b"\x89PNG") for content in kept)


def test_files_travel(executor, tmp_path):
    Image.new("RGB", (20, 10), "red").save(tmp_path / "photo.png")
    made = ComfyKit("embedded").run(picture(width=30, height=10)).images[0]
    photos = [tmp_path / "photo.png", Image.new("RGB", (25, 10)), made, str(tmp_path / "photo.png")]
    swept = sweep(loaded(), photo=photos, executor=executor)
    assert sizes(swept) == [(20, 10), (25, 10), (30, 10), (20, 10)]
    assert swept[0].result.params["photo"] == "photo.png"


def test_a_picture_travels_with_its_mask(executor):
    pair = (Image.new("RGB", (20, 10), "red"), Image.new("L", (20, 10), 255))
    swept = sweep(loaded(), photo=[pair, pair[0]], executor=executor)
    assert swept.status == "completed", swept.error
    assert [cell.result.params["photo"].endswith("-masked.png") for cell in swept] == [True, False]
    assert sizes(swept) == [(20, 10), (20, 10)]


def test_what_is_wrong_is_told_by_the_workers_server_before_anything_runs(executor):
    with pytest.raises(ParameterError, match="widht"):
        sweep(picture(), widht=[1, 2], executor=executor)
    with pytest.raises(ParameterError, match="width"):
        sweep(picture(), width=[-5, 32], executor=executor)
    assert list(history) == []


def test_a_failed_run_is_a_cell_with_its_error(executor):
    swept = sweep(loaded(), photo=[b"no picture", Image.new("RGB", (20, 10))], executor=executor)
    assert [cell.status for cell in swept] == ["failed", "completed"]
    assert swept[0].result.error is not None
    assert sorted(record.status for record in history) == ["completed", "failed"]


def test_a_worker_without_a_server_says_so(executor, embedded_comfyui):
    with pytest.raises(NoServerError, match="No ComfyUI answers"):
        sweep(picture(), width=[32, 48], executor=executor, server="http://127.0.0.1:9")


def test_it_is_cancelled(executor):
    swept = sweep(sampled(), seed=range(1, 7), steps=LONG, executor=executor, background=True)
    wait_for(lambda: any(cell.status == "queued" for cell in swept))
    swept.cancel()
    swept.wait(20)
    assert {cell.status for cell in swept} == {"cancelled"}


def test_what_was_under_way_to_a_process_ends_there_too(processes):
    """Its pool holds one more than it runs, which cannot be taken back; and nobody is left who could say so."""
    begin_and_cancel(processes)
    gc.collect()
    assert [*processes.map(abs, range(4), timeout=60)] == [0, 1, 2, 3]


def begin_and_cancel(executor):
    swept = sweep(sampled(), seed=range(1, 7), steps=LONG, executor=executor, background=True)
    wait_for(lambda: sum(cell.status == "running" for cell in swept) >= 3)
    swept.cancel()
    swept.wait(20)


def test_those_that_run_end_on_their_server(executor):
    """So that workers are free again."""
    swept = sweep(sampled(), seed=range(1, 7), steps=LONG, executor=executor, background=True)
    busy = 3 if hasattr(executor, "nthreads") else 2
    wait_for(lambda: under_way(executor) >= busy)
    swept.cancel()
    swept.wait(20)
    assert sizes(sweep(picture(), width=[32, 48], executor=executor)) == [(32, 16), (48, 16)]


def under_way(executor):
    """How many runs the workers are at."""
    if hasattr(executor, "nthreads"):
        return sum(executor.run(_under_way).values())
    return sum(job.status == "running" for job in underway() if isinstance(job, RemoteJob))


def _under_way():
    return len(remote._under_way)


def test_of_a_cluster_a_worker_is_killed_and_every_run_is_in_the_result_once(client):
    seeds = range(1, 25)
    swept = sweep(sampled(), seed=seeds, steps=20, executor=client, background=True)
    wait_for(lambda: sum(cell.done for cell in swept) >= 3, 60)
    pids = [pid for pid, count in client.run(lambda: (os.getpid(), len(remote._under_way))).values() if count]
    assert not swept.done
    os.kill(pids[0], KILL)
    swept.wait(90)
    assert Counter(cell.status for cell in swept) == {"completed": 24}
    assert [cell.result.params["seed"] for cell in swept] == [*seeds]
    assert len({cell.result.prompt_id for cell in swept}) == 24
    assert len({cell.result.images[0].digest for cell in swept}) == 24
    assert sizes(swept) == [(64, 64)] * 24  # those of the dead worker, too
    assert Counter(record.params["seed"] for record in history) == dict.fromkeys(seeds, 1)


def test_a_run_whose_workers_die_again_and_again_is_a_failed_cell():
    distributed = pytest.importorskip("distributed")
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        swept = sweep(sampled(), seed=[1], steps=LONG, executor=client, background=True)
        wait_for(lambda: sum(client.run(_under_way).values()) == 1)
        (pid,) = client.run(os.getpid).values()
        os.kill(pid, KILL)
        swept.wait(60)
        error = swept[0].result.error
        assert isinstance(error, WorkerError)
        assert "KilledWorker" in error.message
        assert pickle.loads(pickle.dumps(error)).message == error.message


def test_processes_that_die_fail_their_runs_and_no_more():
    with spawned() as executor:
        swept = sweep(sampled(), seed=[1, 2], steps=LONG, executor=executor, background=True)
        wait_for(lambda: len(executor._processes) == 2 and any(cell.status == "running" for cell in swept))
        os.kill(next(iter(executor._processes)), KILL)
        swept.wait(60)
        assert {cell.status for cell in swept} == {"failed"}
        assert all("BrokenProcessPool" in cell.result.msg for cell in swept)
        with pytest.raises(WorkerError, match="BrokenProcessPool"):
            sweep(picture(), width=[32, 48], executor=executor)


FORKED = """
import multiprocessing, os, pathlib
from concurrent.futures import ProcessPoolExecutor
from comfy_notebook.servers import builtin

def left():
    return {path.name for path in folder.parent.glob("comfy_notebook_*")}

ours = builtin.start()
folder = builtin._engine._folder
before = left()
with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as executor:
    print(executor.submit(builtin.start).result(30) != ours)
print(left() - before, flush=True)  # or the child would print it again
if os.fork() == 0:
    raise SystemExit
os.wait()
print(folder.exists())
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
def test_forked_workers_have_engines_of_their_own_and_leave_nothing_behind(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", FORKED], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("True\nset()\nTrue\n", "")


# -- the way there and back -------------------------------------------------------------------------------


def test_what_is_too_large_stays_where_it_is(monkeypatch):
    monkeypatch.setattr(remote, "LARGEST", 10)
    errand = remote.Errand("x", picture(), "wf", {})
    delivery = remote.run_here(errand)
    assert delivery.contents == {}
    (warning,) = delivery.result.warnings
    name, host = delivery.result.images[0].filename, remote.platform.node()
    assert warning == f"{name} is too large to be sent along: it stays on built-in engine of {host}."


def test_a_result_travels_without_credentials_and_with_its_content(monkeypatch):
    monkeypatch.setenv("COMFYUI_API_KEY", "sesame-open")
    errand = remote.Errand("x", picture(), "wf", {"width": 40}, host=remote.platform.node())
    sent = pickle.dumps(remote.run_here(errand))
    assert b"sesame" not in pickle.dumps(errand) + sent
    delivery = pickle.loads(sent)
    media = delivery.result.images[0]
    assert delivery.contents[media.digest] == default_cache().get(media.digest)
    assert delivery.result.server == "built-in engine"


def test_an_errand_may_be_ended_before_it_begins():
    remote.end_here("y")
    assert remote.run_here(remote.Errand("y", sampled(steps=LONG), "wf", {})).result.status == "cancelled"


class Picky:
    """An executor that is shut."""

    def submit(self, work, *arguments):
        raise RuntimeError("cannot schedule new futures after shutdown")


class Slow:
    """An executor that gets to nothing."""

    def __init__(self):
        self.futures = []

    def submit(self, work, *arguments):
        future = Future()
        self.futures.append(future)
        if work is remote.look_here:
            future.set_result(work(*arguments))
        return future


def test_an_executor_that_takes_nothing_says_so():
    with pytest.raises(WorkerError, match="after shutdown"):
        sweep(picture(), width=[32, 48], executor=Picky())
    with pytest.raises(ParameterError, match="str is no executor"):
        sweep(picture(), width=[32, 48], executor="client")
    with pytest.raises(ParameterError, match="as its workers see it"):
        sweep(picture(), width=[32, 48], executor=ThreadPoolExecutor(1), server=ComfyKit("embedded"))


def test_what_waits_at_the_executor_is_queued_and_is_taken_back():
    executor = Slow()
    swept = sweep(picture(), width=[32, 48], executor=executor, background=True)
    wait_for(lambda: [cell.status for cell in swept] == ["queued", "queued"])
    executor.futures[1].set_running_or_notify_cancel()
    wait_for(lambda: [cell.status for cell in swept] == ["running", "queued"])
    assert swept[0].job.server == "the workers of Slow"
    swept.cancel()
    swept.wait(10)
    assert [future.cancelled() for future in executor.futures[1:]] == [False, True]

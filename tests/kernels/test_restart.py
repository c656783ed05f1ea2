"""A kernel that is restarted while its jobs run: the server goes on with them, and its next life picks them up."""

import ast
import threading

import httpx
import pytest
from graphs import node, sampled
from waiting import wait_for

from comfy_notebook.servers.embedded.nodes import diffusion

pytestmark = pytest.mark.parametrize("ipykernel_folder", ["7.4.0"], indirect=True)  # any: the server outlives them all

EARLY = {
    "90": node("EmptyImage", width=96, height=64, batch_size=2, color=255),
    "91": node("SaveImage", images=["90", 0], filename_prefix="early"),
}


@pytest.fixture
def life(kernel, comfyui):
    """Begins a life of the kernel: the first, or the next."""

    def begin():
        if kernel.run("import os; 'COMFYUI_BASE_URL' in os.environ")[0].data("execute_result") == ["True"]:
            kernel.restart()
        said = kernel.run(
            f"import os; os.environ['COMFYUI_BASE_URL'] = {comfyui!r}",
            "%load_ext comfy_notebook\nfrom comfy_notebook import ComfyKit; kit = ComfyKit()",
        )
        assert [reply.status for reply in said] == ["ok", "ok"]
        return kernel

    return begin


@pytest.fixture
def hold(request, monkeypatch):
    """Nodes that take longer than a restart, and what lets them go: the engine ends 10,000 steps in that time."""
    if "real" in request.node.callspec.id:
        return lambda seconds: {"92": node("TestSleep", seconds=seconds, cached=False)}, lambda: None
    go, steps = threading.Event(), diffusion.sampled

    def held(*args, **kwargs):
        go.wait(60)
        return steps(*args, **kwargs)

    monkeypatch.setattr(diffusion, "sampled", held)
    return lambda _seconds: {}, go.set


def value(kernel, expression):
    (reply,) = kernel.run(f"{expression}")
    return ast.literal_eval(reply.data("execute_result")[0])


def ids(url, kind):
    return [item[1] for item in httpx.get(f"{url}/queue").json()[f"queue_{kind}"]]


def test_a_job_that_ran_at_the_restart_is_picked_up_and_completes(life, comfyui, hold):
    slow, let_go = hold
    kernel = life()
    kernel.run(f"graph = {EARLY | sampled(steps=3) | slow(6.0)!r}", "%%comfy graph --background -o job\nsteps = 4")
    wait_for(lambda: ids(comfyui, "running"))
    prompt_id = value(kernel, "job.prompt_id")
    kernel.restart()
    assert ids(comfyui, "running") == [prompt_id]
    kernel = life()
    kernel.run(f"job = kit.attach({prompt_id!r})")
    let_go()
    (reply,) = kernel.run("result = await job; result")
    assert reply.shown().startswith("Completed")
    facts = value(kernel, "result.prompt_id, len(result.images), result.images_by_var['cover'][0].pil().size")
    assert facts == (prompt_id, 3, (64, 64))
    graphs = [entry["prompt"][2] for entry in httpx.get(f"{comfyui}/history").json().values()]
    assert graphs.count(value(kernel, "result.workflow")) == 1  # it was not sent again


def test_what_ran_is_stopped_by_the_next_life_and_what_waited_completes(life, comfyui, hold):
    slow, let_go = hold
    kernel = life()
    kernel.run(f"graphs = {EARLY | sampled(steps=3) | slow(60.0)!r}, {sampled(steps=2)!r}")
    kernel.run("first = kit.submit(graphs[0])")
    wait_for(lambda: ids(comfyui, "running"))
    kernel.run("second = kit.submit(graphs[1])")
    wait_for(lambda: ids(comfyui, "pending"))
    first, second = value(kernel, "(first.prompt_id, second.prompt_id)")
    kernel = life()
    kernel.run(f"first, second = kit.attach({first!r}), kit.attach({second!r})")
    assert (ids(comfyui, "running"), ids(comfyui, "pending")) == ([first], [second])
    wait_for(lambda: value(kernel, "first.status, second.status") == ("running", "queued"))
    kernel.run("first.cancel()")
    let_go()
    kernel.run("stopped, done = await first, await second")
    assert value(kernel, "stopped.status, done.status, len(done.images)") == ("cancelled", "completed", 1)
    assert ids(comfyui, "running") == ids(comfyui, "pending") == []

import ast
import json
import time

import httpx
import pytest
from graphs import picture, sampled
from waiting import wait_for

PASTED = """
import asyncio
from comfy_notebook import ComfyKit

async def main():
    kit = ComfyKit()
    result = await kit.execute("workflow.json", {"color": COLOR})
    if result.status != "completed":
        print(f"Failed: {result.msg}")
        return
    print("saved", len(result.images_by_var["cover"]))

asyncio.run(main())
"""

NEWEST = ["7.4.0"]  # for what is the same whatever ipykernel does with messages
EARLY = {
    "90": {"class_type": "EmptyImage", "inputs": {"width": 96, "height": 64, "batch_size": 2, "color": 255}},
    "91": {"class_type": "SaveImage", "inputs": {"images": ["90", 0], "filename_prefix": "early"}},
}


@pytest.fixture
def notebook(kernel, embedded_comfyui, tmp_path, monkeypatch):
    (tmp_path / "workflow.json").write_text(json.dumps(picture()))
    (tmp_path / "long.json").write_text(json.dumps(sampled(steps=10_000, seed=1)))
    setup = f"import os; os.environ['COMFYUI_BASE_URL'] = {embedded_comfyui!r}\n%load_ext comfy_notebook"
    (reply,) = kernel.run(setup)
    assert (reply.status, reply.text) == ("ok", "")
    return kernel


def running(url):
    return httpx.get(f"{url}/queue").json()["queue_running"]


def test_run_all_loses_no_cell(notebook):
    replies = notebook.run(
        "%%comfy workflow.json -o first\ncolor = 1",
        PASTED.replace("COLOR", "2"),
        "%%comfy workflow.json\ncolor = 3",
        PASTED.replace("COLOR", "4"),
        "%%time\n%%comfy workflow.json\ncolor = 5",
        "Out[2].params['color'], _4.params['color'], _6.params['color'], first is Out[2]",
        "await ComfyKit().execute('workflow.json', {'color': 7})",
        "ComfyKit().run('workflow.json', {'color': 8})",
        "'the end'",
    )
    assert [reply.status for reply in replies] == ["ok"] * len(replies), replies
    assert [reply.text.strip() for reply in replies if "saved" in reply.text] == ["saved 1"] * 2
    assert "Wall time" in replies[4].text
    assert replies[5].data("execute_result") == ["(1, 3, 5, True)"]
    for index in (0, 2, 4, 6, 7):
        assert replies[index].shown().startswith("Completed in")
        assert "<img" in replies[index].shown("text/html")
    assert replies[8].data("execute_result") == ["'the end'"]


@pytest.mark.parametrize(
    "cell",
    [
        "%%comfy long.json -o result\nseed = 2",
        "%comfy run long.json",
        "%%time\n%%comfy long.json\nseed = 3",
        "kit.run('long.json')",
        "await kit.execute('long.json')",
    ],
)
def test_an_interrupt_ends_a_long_run_at_once(notebook, embedded_comfyui, cell):
    notebook.run("from comfy_notebook import ComfyKit; kit = ComfyKit()")
    message = notebook.begin(cell)
    wait_for(lambda: running(embedded_comfyui))
    time.sleep(1)
    began = time.monotonic()
    notebook.interrupt()
    (reply,) = notebook.finish([message])
    assert time.monotonic() - began < 3  # 0.1 to 0.4 s on a machine at rest; the run itself takes minutes
    assert reply.status == "error"
    wait_for(lambda: not running(embedded_comfyui))
    if "%" in cell:
        assert (reply.ename, len(reply.traceback)) == ("Interrupted", 1)
    assert notebook.run("1 + 1")[0].data("execute_result") == ["2"]


def test_a_long_run_shows_its_progress_and_leaves_one_output(notebook):
    notebook.run("import json; graph = json.load(open('long.json')); graph['3']['inputs']['steps'] = 150")
    (reply,) = notebook.run(f"%%comfy graph -o result\nseed = {time.time_ns()}")
    assert reply.status == "ok"
    kinds = [kind for kind, _ in reply.outputs]
    assert kinds[0] == "display_data"
    assert set(kinds[1:]) == {"update_display_data"}
    progress = [out["data"]["text/plain"] for _, out in reply.outputs[:-1]]
    assert any("Sampler · step" in text for text in progress)
    assert reply.data("update_display_data")[-1].startswith("Completed in")
    assert notebook.run("Out[3] is result")[0].data("execute_result") == ["True"]
    again = notebook.run("result")[0]
    assert again.data("execute_result")[0].startswith("Completed in")


def test_where_no_one_can_be_asked_nothing_is_shown_until_the_end(notebook):
    notebook.client.allow_stdin = False  # as of nbclient, papermill and nbconvert
    notebook.run(f"graph = {sampled(steps=150)!r}")
    (reply,) = notebook.run("%%comfy graph -o result\nsteps = 149")
    assert [kind for kind, _ in reply.outputs] == ["execute_result"]
    assert reply.shown().startswith("Completed in")


def test_what_is_finished_shows_while_the_rest_still_runs(notebook):
    notebook.run(f"graph = {EARLY | sampled(steps=200, seed=1)!r}")
    (reply,) = notebook.run(f"%%comfy graph\nseed = {time.time_ns()}")
    assert reply.status == "ok"
    live = [out["data"]["text/html"] for _, out in reply.outputs[:-1]]
    pictures = [html.count('alt="early_') for html in live]
    assert pictures == sorted(pictures)
    assert pictures[-1] == 2
    last = reply.outputs[-1][1]["data"]["text/html"]
    assert "cnb-bar" in live[-1]
    assert ">cnb-bar" not in last
    assert last.count("early_") >= 2


@pytest.mark.parametrize("call", ["%%comfy graph -o result\nseed = 5", "%comfy run graph -o result"])
def test_an_interrupted_cell_shows_what_was_there_and_keeps_it(notebook, embedded_comfyui, call):
    notebook.run(f"graph = {EARLY | sampled(steps=10_000, seed=2)!r}")
    message = notebook.begin(call)
    wait_for(lambda: running(embedded_comfyui))
    time.sleep(1)
    notebook.interrupt()
    (reply,) = notebook.finish([message])
    assert (reply.ename, len(reply.traceback)) == ("Interrupted", 1)
    assert "cancelled" in reply.outputs[-1][1]["data"]["text/html"]
    assert reply.outputs[-1][1]["data"]["text/html"].count("early_") >= 2
    assert notebook.run("result.status, len(result.images)")[0].data("execute_result") == ["('cancelled', 2)"]
    wait_for(lambda: not running(embedded_comfyui))


@pytest.mark.parametrize("ipykernel_folder", NEWEST, indirect=True)
def test_a_cell_that_takes_too_long_fails_and_says_so(notebook, embedded_comfyui):
    (reply,) = notebook.run("%%comfy long.json --timeout 1\nseed = 6")
    assert (reply.status, reply.ename) == ("error", "RunTimeoutError")
    assert "not over after 1 s" in reply.outputs[-1][1]["data"]["text/html"]
    wait_for(lambda: not running(embedded_comfyui))


def test_a_job_in_the_background_shows_itself_and_lets_the_notebook_go_on(notebook, embedded_comfyui):
    notebook.run(f"graph = {EARLY | sampled(steps=150, seed=3)!r}")
    began = time.monotonic()
    (reply,) = notebook.run(f"%%comfy graph --background -o job\nseed = {time.time_ns()}")
    assert reply.status == "ok"
    assert reply.outputs[0][0] == "display_data"
    wait_for(lambda: running(embedded_comfyui))
    (queue,) = notebook.run("%comfy queue")
    assert "mine" in queue.data("execute_result")[0]
    (other,) = notebook.run("sum(range(1000))")
    assert other.data("execute_result") == ["499500"]
    (ended,) = notebook.run("await job")
    assert ended.shown().startswith("Completed in")
    assert time.monotonic() - began < 60
    (again,) = notebook.run("job")
    assert again.shown().startswith("Completed in")


@pytest.mark.parametrize("ipykernel_folder", NEWEST, indirect=True)
def test_cancel_ends_mine(notebook, embedded_comfyui):
    notebook.run("%%comfy long.json --background -q -o first\nseed = 9", "%%comfy long.json -b -q -o second\nseed = 10")
    wait_for(lambda: running(embedded_comfyui))
    (unknown,) = notebook.run("%comfy cancel nosuchid")
    assert unknown.status == "error"
    (reply,) = notebook.run("%comfy cancel")
    assert reply.data("execute_result")[0].count("cancelled") == 2
    assert notebook.run("first.status, second.status")[0].data("execute_result") == ["('cancelled', 'cancelled')"]
    wait_for(lambda: not running(embedded_comfyui))


@pytest.mark.parametrize("ipykernel_folder", NEWEST, indirect=True)
def test_eight_runs_are_one_gallery_with_eight_seeds(notebook):
    notebook.run(f"graph = {sampled(steps=3, seed=1)!r}")
    (reply,) = notebook.run("%%comfy graph -n 8 -o results\nseed = 100")
    assert reply.status == "ok", reply
    page = reply.outputs[-1][1]["data"]["text/html"]
    for seed in range(100, 108):
        assert f"seed {seed}" in page
    assert "8 runs" in page
    assert notebook.run("[each.params['seed'] for each in results] == list(range(100, 108))")[0].data(
        "execute_result"
    ) == ["True"]
    (drawn,) = notebook.run("%comfy run graph -n 3 -q -o others", "len({each.params['seed'] for each in others})")[1:]
    assert drawn.data("execute_result") == ["3"]


@pytest.mark.parametrize("ipykernel_folder", NEWEST, indirect=True)
def test_a_failed_cell_shows_a_card_and_stops_run_all(notebook):
    failed, after = notebook.run("%%comfy workflow.json\nwidth = 0", "'not reached'")
    assert (failed.status, failed.ename) == ("error", "ParameterError")
    assert "out of range" in failed.shown("text/html")
    assert len(failed.traceback) == 1
    assert "Traceback" not in failed.traceback[0]
    assert after.status == "aborted"


def test_loading_says_and_does_what_is_safe(notebook, ipykernel_folder):
    (reply,) = notebook.run("report = %comfy doctor\nreport['ipykernel'], report['asyncio.run in cells']")
    version, nesting = ast.literal_eval(reply.data("execute_result")[0])
    assert version == ipykernel_folder.name.removeprefix("ipykernel-")
    assert nesting.startswith("nest-asyncio2")
    assert "was applied" in nesting


def test_completion_in_a_kernel(notebook):
    client = notebook.client
    code = "%%comfy workflow.json\nwi"
    message = client.complete(code, len(code))
    while True:
        answer = client.get_shell_msg(timeout=20)
        if answer["parent_header"].get("msg_id") == message:
            break
    assert "width = " in answer["content"]["matches"]

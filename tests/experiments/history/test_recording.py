"""What is recorded of runs, and when: whoever sends them, and however they end."""

import gc
import sys
import time
import weakref
from subprocess import PIPE, Popen

from graphs import loaded, node, picture, sampled
from PIL import Image
from sent import submitted
from waiting import wait_for

from comfy_notebook import ComfyKit, history
from comfy_notebook.experiments.history.store import default_store
from comfy_notebook.jobs import Attempt, Job
from comfy_notebook.servers import builtin


def edit(statement):
    default_store().write(lambda writing: writing.connection.execute(statement)).result()


def labelled_job(kit, workflow, **labels):
    return Job(
        lambda attempt, watch: kit.runner.perform(workflow, {}, watch=watch, attempt=attempt), Attempt(labels=labels)
    )


def test_a_run_is_in_the_history_when_its_result_is(kit):
    before = time.time()
    result = kit.run(sampled(), {"prompt": "a fox in the snow", "seed": 7})
    [record] = history
    assert (record.status, record.prompt_id, record.server) == ("completed", result.prompt_id, result.server)
    assert (record.prompt, record.seeds, record.params) == ("a fox in the snow", {"seed": 7}, result.params)
    assert before <= record.when.timestamp() <= time.time()
    assert record.when.tzinfo is not None
    assert (record.duration, record.seconds) == (result.duration, result.seconds)
    assert record.graph == result.workflow
    assert record.error is None
    assert [str(media) for media in record.media] == [str(media) for media in result.media]


def test_the_result_is_as_it_was(kit):
    said = {"7": node("PrimitiveString", value="a\nb"), "8": node("PreviewAny", "$output.said", source=["7", 0])}
    result = kit.run(picture() | said)
    found = history[-1].result
    for name in ("status", "msg", "warnings", "prompt_id", "duration", "seconds", "server", "images", "texts",
                 "images_by_var", "texts_by_var", "outputs", "params", "workflow"):  # fmt: skip
        assert getattr(found, name) == getattr(result, name), name
    assert result.texts == ["a\nb"]


def test_a_run_that_fails_before_it_is_sent_is_recorded_with_its_error(kit):
    result = kit.run(picture(), {"widht": 40})
    [record] = history
    assert (record.status, record.prompt_id, record.params) == ("failed", None, {"widht": 40})
    assert str(record.error) == str(result.error)
    assert type(record.error) is type(result.error)
    assert str(record.result.error) == str(result.error)


def test_runs_of_one_workflow_share_it(kit):
    workflow = sampled(steps=1)
    kit.submit_many(workflow, {"seed": 1}, 5).result()
    kit.run(picture())
    assert len({record.digest for record in history}) == 2
    assert default_store().read("SELECT count(*) FROM workflows")[0][0] == 2
    assert sorted(record.seeds["seed"] for record in history[:5]) == [1, 2, 3, 4, 5]


def test_labels_find_runs_whatever_became_of_them(kit):
    jobs = [labelled_job(kit, picture(width=16 * (place + 1)), sweep="a", cell=str(place)) for place in range(3)]
    jobs.append(labelled_job(kit, {"1": {"class_type": "NoSuch", "inputs": {}}}, sweep="a", cell="3"))
    jobs.append(labelled_job(kit, picture(), sweep="b"))
    for job in jobs:
        job.result()
    found = history.labelled(sweep="a")
    assert sorted((record.labels["cell"], record.status) for record in found) == [
        *((str(place), "completed") for place in range(3)),
        ("3", "failed"),
    ]
    assert [record.labels for record in history.labelled(sweep="a", cell="1")] == [{"sweep": "a", "cell": "1"}]
    assert history.labelled(sweep="c") == []


def test_a_cancelled_run_is_recorded_as_such(kit):
    job = kit.submit(sampled(steps=1000))
    wait_for(lambda: job.status == "running")
    assert history[-1].status == "running"
    job.stop()
    default_store().flush()
    assert history[-1].status == "cancelled"


def test_off_writes_nothing_at_all(kit, data_folder, monkeypatch):
    monkeypatch.setenv("COMFY_NOTEBOOK_HISTORY", "off")
    kit.run(picture())
    kit.run(picture(), {"nope": 1})
    assert not data_folder.exists()
    assert len(history) == 0
    assert list(history) == []
    assert not data_folder.exists()


def test_what_a_run_was_given_is_let_go_when_it_is_over(kit):
    image = Image.new("RGB", (16, 16))
    alive = weakref.ref(image)
    result = kit.run(loaded(), {"photo": image})
    del image
    wait_for(lambda: gc.collect() < 0 or alive() is None)
    assert result.images[0].pil().size == (16, 16)


def test_what_is_no_json_is_described(kit):
    kit.run(loaded(), {"phto": Image.new("RGB", (16, 8))})
    assert history[-1].params == {"phto": "<Image (16, 8)>"}


RUNS = """
import sys
from comfy_notebook import ComfyKit
from graphs import sampled
kit = ComfyKit(sys.argv[1])
for job in kit.submit_many(sampled(steps=20), {"seed": 1}, 30).jobs:
    job.on_done(lambda result: print(result.prompt_id, flush=True))
sys.stdin.read()
"""


def run_and_kill(url, after):
    """Run many in a program of its own, kill it after so many of them, and return the ids of those that it had."""
    with Popen([sys.executable, "-c", RUNS, url], stdin=PIPE, stdout=PIPE, text=True, cwd="tests") as program:
        had = [program.stdout.readline().strip() for _ in range(after)]
        program.kill()
        had += program.stdout.read().split()
    return had


def test_a_killed_program_loses_nothing_that_had_finished(kit, embedded_comfyui):
    before = submitted(embedded_comfyui)
    had = run_and_kill(embedded_comfyui, 5)
    statuses = {record.prompt_id: record.status for record in history}
    sent = submitted(embedded_comfyui) - before
    assert sent <= {*statuses}
    assert {statuses[prompt_id] for prompt_id in had} == {"completed"}
    left = [record for record in history if record.prompt_id not in had]
    assert {record.status for record in left} <= {"completed", "unfinished"}
    assert [record.address for record in left] == [embedded_comfyui] * len(left)
    *_, unfinished = (record for record in left if record.status == "unfinished" and record.prompt_id in sent)
    assert unfinished.result.images  # by asking the server, which had it all the while
    assert unfinished.status == "completed"
    assert {record.status for record in history if record.prompt_id == unfinished.prompt_id} == {"completed"}


def test_a_run_that_its_server_lost_has_failed(kit, embedded_comfyui):
    kit.run(picture())
    edit("UPDATE runs SET status='running', program=NULL, prompt_id='x'")
    record = history[-1]
    assert record.status == "unfinished"
    assert "no run x" in record.result.msg
    assert record.status == "failed"


def test_anothers_silence_ends_nothing(kit):
    kit.run(picture())
    edit("UPDATE runs SET status='running', program=NULL")
    edit("UPDATE origins SET address='http://127.0.0.1:1'")
    record = history[-1]
    assert record.result.status == "failed"
    assert history[-1].status == "unfinished"


def test_what_is_kept_can_be_shown_without_the_server(data_folder):
    result = ComfyKit("embedded").run(picture())
    content = result.images[0].bytes()
    builtin.stop()
    default_store().flush()
    found = history[-1].result
    assert found.images[0].bytes() == content
    assert "data:image" in found._repr_html_()

"""Notebooks that run where nobody looks: under papermill, and under nbclient alone."""

import json
import logging

import nbformat
import papermill
import pytest
from graphs import picture, sampled
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

LONG = 0.5  # seconds, after which a display that someone looks at would show progress


@pytest.fixture
def folder(tmp_path, embedded_comfyui, monkeypatch):
    monkeypatch.setenv("COMFYUI_BASE_URL", embedded_comfyui)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workflow.json").write_text(json.dumps(picture()))
    (tmp_path / "slow.json").write_text(json.dumps(sampled(steps=150)))
    return tmp_path


def notebook(*sources):
    parameters = nbformat.v4.new_code_cell("size, words = 8, 'a cat'", metadata={"tags": ["parameters"]})
    load = nbformat.v4.new_code_cell("%load_ext comfy_notebook")
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [parameters, load, *map(nbformat.v4.new_code_cell, sources)]
    return nbformat.v4.new_notebook(cells=cells, metadata=about)


def run(document, **parameters):
    nbformat.write(document, "in.ipynb")
    papermill.execute_notebook("in.ipynb", "out.ipynb", parameters, log_output=True, progress_bar=False)


def outputs(document, source):
    return next(cell.outputs for cell in document.cells if cell.source.startswith(source))


def test_papermill_is_told_what_came_of_each_run_and_nothing_of_its_progress(folder, caplog):
    with caplog.at_level(logging.INFO, "papermill"):
        run(
            notebook(
                "%%comfy workflow.json -o result\nwidth = size",
                "%%comfy slow.json\nprompt = words",
                "%%comfy workflow.json -n 2\nheight = 8",
                "result.params['width'], words",
            ),
            size=24,
            words="a fox",
        )
    document = nbformat.read("out.ipynb", as_version=4)
    nbformat.validate(document)
    assert outputs(document, "result.params")[0].data["text/plain"] == "(24, 'a fox')"
    for source in ("%%comfy workflow.json -o", "%%comfy slow.json", "%%comfy workflow.json -n"):
        (shown,) = outputs(document, source)
        assert set(shown.data) == {"text/plain", "text/html"}  # no widget, and no place for one
        assert "data:image/" in shown.data["text/html"]
        assert "<script" not in shown.data["text/html"]
    assert "widgets" not in document.metadata
    (slow,) = outputs(document, "%%comfy slow.json")
    assert float(slow.data["text/plain"].split()[2]) > LONG
    logged = [record.getMessage() for record in caplog.records if record.name == "papermill"]
    assert not [message for message in logged if "% ·" in message]
    lines = [line for message in logged for line in message.splitlines() if line.startswith("Completed in")]
    assert len(lines) == 4
    assert all(line.endswith(": 1 image") for line in lines)


def test_a_sweep_is_shown_once_at_its_end(folder, caplog):
    with caplog.at_level(logging.INFO, "papermill"):
        run(
            notebook(
                "from comfy_notebook import sweep\ns = sweep('workflow.json', width=[8, 16], height=[8, 24])\ns",
                "%%comfy workflow.json\nwidth = vary(8, 16)",
            )
        )
    document = nbformat.read("out.ipynb", as_version=4)
    for source, runs in (("from comfy_notebook", 4), ("%%comfy", 2)):
        (shown,) = outputs(document, source)
        assert shown.data["text/html"].count("data:image/") >= runs
    logged = "\n".join(record.getMessage() for record in caplog.records if record.name == "papermill")
    assert "runs done" not in logged
    assert "in the queue" not in logged


def test_a_failed_run_fails_papermill_with_all_that_is_wrong(folder):
    with pytest.raises(papermill.PapermillExecutionError) as failed:
        run(notebook("%%comfy workflow.json\nwidth = 0\nheight = -1", "'not reached'"))
    assert (failed.value.ename, failed.value.exec_count) == ("ParameterError", 3)
    assert "width: 0 is out of range" in str(failed.value)
    assert "height: -1 is out of range" in str(failed.value)
    assert "Traceback" not in str(failed.value)
    document = nbformat.read("out.ipynb", as_version=4)
    assert 'role="alert"' in outputs(document, "%%comfy workflow.json")[0].data["text/html"]
    assert document.cells[-1].outputs == []


def test_a_job_in_the_background_is_kept_as_what_it_is(folder):
    document = notebook("%%comfy slow.json --background -o job\nprompt = words + '!'", "job.result()", "job")
    NotebookClient(document).execute()
    begun, result, over = (outputs(document, source) for source in ("%%comfy", "job.result()", "job"))
    assert [each.output_type for each in begun] == ["stream"]  # what is shown here is not brought up to date
    assert begun[0].text.startswith("<Job")
    assert result[-1].data["text/plain"].startswith("Completed in")
    assert over[-1].data["text/plain"].startswith("Completed in")


def test_nbclient_stops_at_a_run_that_fails(folder):
    document = notebook("%%comfy workflow.json\nwidth = 0", "'not reached'")
    with pytest.raises(CellExecutionError, match="width: 0 is out of range"):
        NotebookClient(document).execute()
    assert document.cells[-1].outputs == []


def test_a_summary_goes_to_the_log_of_whoever_asks_for_it(folder):
    document = notebook(
        "import logging; logging.basicConfig(level=logging.INFO, format='%(name)s: %(message)s', force=True)",
        "%%comfy workflow.json -q\nwidth = size",
        "%%comfy workflow.json -q -n 2\nwidth = size",
    )
    NotebookClient(document).execute()
    for source, runs in (("%%comfy workflow.json -q\n", 1), ("%%comfy workflow.json -q -n", 2)):
        logged = "".join(output.text for output in outputs(document, source))
        ours = [line for line in logged.splitlines() if line.startswith("comfy_notebook: ")]
        assert [line.split(" on ")[0] for line in ours] == ["comfy_notebook: completed"] * runs

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from comfy_notebook import ExecuteResult, WorkflowError
from comfy_notebook.workflow import sources

GRAPH = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8}}}


def load(source):
    """Read a workflow that takes no server to convert."""
    return sources.read(source).workflow({})


def test_a_file_by_path_and_by_name(tmp_path):
    file = tmp_path / "my flow.json"
    file.write_text(json.dumps(GRAPH), encoding="utf-8")
    assert load(file).graph == load(str(file)).graph == GRAPH
    assert load(file).name == "my flow.json"


def test_a_file_with_a_byte_order_mark(tmp_path):
    file = tmp_path / "w.json"
    file.write_bytes(b"\xef\xbb\xbf" + json.dumps(GRAPH).encode())
    assert load(file).graph == GRAPH


def test_a_dict_is_copied_not_kept():
    source = {1: {"class_type": "EmptyImage", "inputs": None}, 2: {"class_type": "Show", "inputs": {"images": [1, 0]}}}
    graph = load(source).graph
    assert graph["1"] == {"class_type": "EmptyImage", "inputs": {}}
    assert graph["2"]["inputs"] == {"images": ["1", 0]}
    assert source[1]["inputs"] is None


def test_json_text_and_a_whole_request():
    assert load(json.dumps(GRAPH)).graph == GRAPH
    assert load({"prompt": GRAPH, "client_id": "x"}).graph == GRAPH


@pytest.mark.parametrize("wrapped", [{"output": GRAPH, "workflow": {}}, {"prompt": GRAPH, "extra_data": {}}])
def test_what_wraps_a_workflow_is_taken_off(wrapped):
    assert load(wrapped).graph == GRAPH


def test_a_node_may_be_called_prompt():
    graph = {"prompt": GRAPH["1"], "output": GRAPH["1"]}
    assert load(graph).graph == graph


def test_bytes_and_a_result():
    assert load(json.dumps(GRAPH).encode()).graph == GRAPH
    assert load(ExecuteResult("completed", workflow=GRAPH)).graph == GRAPH


def png(**texts):
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    out = io.BytesIO()
    Image.new("RGB", (2, 2)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def test_a_picture_by_path_content_url_and_from_pillow(tmp_path, web):
    content = png(prompt=json.dumps(GRAPH), workflow='{"nodes": [], "links": []}')
    file = tmp_path / "made.png"
    file.write_bytes(content)
    for source in (file, str(file), content, Image.open(file), Image.open(io.BytesIO(content))):
        assert load(source).graph == GRAPH
    assert load(file).name == "made.png"
    web.content = content
    assert load(f"{web.url}/good/made.png").graph == GRAPH


def test_a_picture_without_a_workflow_says_why_that_may_be(tmp_path):
    file = tmp_path / "screenshot.png"
    file.write_bytes(png(Software="x"))
    for source in (file, Image.open(file), file.read_bytes()):
        with pytest.raises(WorkflowError, match="has no workflow in it"):
            load(source)
    with pytest.raises(WorkflowError, match="the picture has no workflow in it"):
        load(Image.new("RGB", (2, 2)))


def test_what_a_server_notes_beside_the_graph_is_left_out():
    assert load({"1": GRAPH["1"] | {"is_changed": [float("nan")]}}).graph == GRAPH


class Web:
    """A web server, and what it answers."""

    def __init__(self, url):
        self.url = url
        self.content = json.dumps(GRAPH).encode()


@pytest.fixture
def web():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            good = self.path.startswith("/good")
            content = served.content if good else b"<html>login</html>"
            self.send_response(404 if self.path == "/none" else 200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        served = Web(f"http://127.0.0.1:{server.server_port}")
        yield served
        server.shutdown()


def test_a_url(web):
    workflow = load(f"{web.url}/good/my%20flow.json?x=1")
    assert (workflow.graph, workflow.name) == (GRAPH, "my flow.json")


@pytest.mark.parametrize(("path", "says"), [("/none", "404"), ("/login", "it is a web page")])
def test_a_url_that_has_no_workflow(web, path, says):
    with pytest.raises(WorkflowError, match=says):
        load(web.url + path)


def test_nobody_at_the_url():
    with pytest.raises(WorkflowError, match="cannot be fetched"):
        load("http://127.0.0.1:1/w.json")


def test_a_missing_file_names_those_that_are_there(tmp_path):
    (tmp_path / "workflow.json").write_text("{}")
    with pytest.raises(WorkflowError) as caught:
        load(tmp_path / "workfow.json")
    assert "There is no file" in str(caught.value)
    assert "workflow.json" in caught.value.hint


def test_a_number_is_told_to_be_a_runninghub_id():
    with pytest.raises(WorkflowError, match="RunningHub"):
        load("1234567890")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"1": ', "not JSON"),
        ("[1, 2]", "holds a list"),
        ("{}", "no nodes"),
        ('{"nodes": [], "links": []}', "no nodes that run"),
        ('{"1": {"class_type": "A", "inputs": {}}, "1": {"class_type": "B"}}', "gives '1' twice"),
        ('{"1": ' + "9" * 5000 + "}", "not a workflow"),
        ('{"a": 1, "b": "x"}', "none of its entries is a node"),
        ('{"1": {"inputs": {}}, "2": {"class_type": "A"}}', "'1': it has no class_type"),
        ('{"1": {"class_type": "A", "inputs": [1]}, "2": {"class_type": "A"}}', "not a mapping"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_workflow_is_told_why(text, says):
    with pytest.raises(WorkflowError) as caught:
        load(text)
    assert says in str(caught.value)


def test_a_file_that_is_not_text(tmp_path):
    file = tmp_path / "w.json"
    file.write_bytes(b"\x01\x02\xff\xfe")
    with pytest.raises(WorkflowError, match="not"):
        load(file)


def test_a_file_of_2_gb_is_refused_without_reading_it(tmp_path):
    file = tmp_path / "w.json"
    with file.open("wb") as large:
        large.write(b"{")
        large.truncate(2 * 1024**3)
    with pytest.raises(WorkflowError, match="larger than 64 MB"):
        load(file)


def test_something_else_is_no_workflow():
    with pytest.raises(WorkflowError, match="A float is not a workflow"):
        load(1.5)


def test_a_folder_cannot_be_read(tmp_path):
    with pytest.raises(WorkflowError, match="cannot be read"):
        load(tmp_path)

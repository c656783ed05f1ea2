import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from comfy_notebook import WorkflowError, load

GRAPH = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8}}}


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
    source = {1: {"class_type": "EmptyImage", "inputs": None}}
    graph = load(source).graph
    assert graph == {"1": {"class_type": "EmptyImage", "inputs": {}}}
    assert source[1]["inputs"] is None


def test_json_text_and_a_whole_request():
    assert load(json.dumps(GRAPH)).graph == GRAPH
    assert load({"prompt": GRAPH, "client_id": "x"}).graph == GRAPH


def test_a_workflow_is_itself():
    workflow = load(GRAPH)
    assert load(workflow) is workflow


@pytest.fixture
def web():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            good = self.path.startswith("/good")
            content = json.dumps(GRAPH).encode() if good else b"<html>login</html>"
            self.send_response(404 if self.path == "/none" else 200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_url(web):
    workflow = load(f"{web}/good/my%20flow.json?x=1")
    assert (workflow.graph, workflow.name) == (GRAPH, "my flow.json")


@pytest.mark.parametrize(("path", "says"), [("/none", "404"), ("/login", "not JSON")])
def test_a_url_that_has_no_workflow(web, path, says):
    with pytest.raises(WorkflowError, match=says):
        load(web + path)


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
        ('{"nodes": [], "links": []}', "editor's own format"),
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
    file.write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff\xfe")
    with pytest.raises(WorkflowError, match="not"):
        load(file)


def test_a_folder_cannot_be_read(tmp_path):
    with pytest.raises(WorkflowError, match="cannot be read"):
        load(tmp_path)

"""What is run, what is cached, and what happens when a node fails."""

import numpy as np

from .conformance_kit import (
    expected_node,
    expected_run,
    fresh_color,
    node,
    order_of,
    picture_graph,
    png,
    told,
)


def test_a_run_again_is_cached_and_shows_the_old_output(server):
    graph = picture_graph(fresh_color())
    first, _ = server.run(graph)
    second, messages = server.run(graph)
    assert told(messages) == expected_run([["executed 2", "state 2 finished 1/1"]])
    assert messages[3].data["nodes"] == ["1", "2"]
    assert second["outputs"] == first["outputs"]
    assert second["meta"] == first["meta"]


def test_only_what_has_changed_runs_again(server):
    color = fresh_color()
    server.run(picture_graph(color, "conformance/a"))
    _, messages = server.run(picture_graph(color, "conformance/b"))
    assert messages[3].data["nodes"] == ["1"]
    assert told(messages) == expected_run([expected_node("2", shows=True)])


def test_a_change_upstream_runs_everything_after_it(server):
    color = fresh_color()
    graph = picture_graph(color)
    graph["2"]["inputs"]["images"] = ["3", 0]
    graph["3"] = node("ImageInvert", image=["1", 0])
    server.run(graph)
    graph["1"]["inputs"]["color"] = color ^ 1
    _, messages = server.run(graph)
    assert messages[3].data["nodes"] == []
    assert order_of(messages) == ["1", "3", "2"]


def test_the_cache_goes_by_content_not_by_node_id(server):
    graph = picture_graph(fresh_color())
    server.run(graph)
    renamed = {"10": graph["1"], "20": node("SaveImage", images=["10", 0], filename_prefix="conformance/p")}
    _, messages = server.run(renamed)
    assert sorted(messages[3].data["nodes"]) == ["10", "20"]


def test_the_cache_holds_what_the_last_run_used(server):
    graph = picture_graph(fresh_color())
    server.run(graph)
    server.run(picture_graph(fresh_color() ^ 0x40))
    _, messages = server.run(graph)
    assert messages[3].data["nodes"] == []


def test_nodes_that_are_the_same_run_once(server):
    graph = picture_graph(fresh_color())
    graph["3"] = graph["2"]
    history, messages = server.run(graph)
    assert history["outputs"]["2"] == history["outputs"]["3"]
    assert len(order_of(messages)) == 2


def test_a_file_that_was_written_over_is_loaded_again(server, unique):
    name = f"{unique}.png"
    graph = {
        "1": node("LoadImage", image=name),
        "2": node("SaveImage", images=["1", 0], filename_prefix="conformance/o"),
    }
    server.upload(png(colored(10)), name)
    (before,) = server.pictures(graph)
    server.upload(png(colored(200)), name, overwrite="true")
    (after,) = server.pictures(graph)
    assert (before[0, 0, 0], after[0, 0, 0]) == (10, 200)


def colored(value):
    return np.full((4, 4, 3), value, np.uint8)


def failing_graph(server, unique):
    name = f"{unique}.png"
    server.upload(b"this is no picture", name)
    graph = picture_graph(fresh_color())
    graph["3"] = node("LoadImage", image=name)
    graph["4"] = node("ImageBatch", image1=["1", 0], image2=["3", 0])
    graph["2"]["inputs"]["images"] = ["4", 0]
    return graph


def test_a_node_that_fails_ends_the_run(server, unique):
    graph = failing_graph(server, unique)
    history, messages = server.run(graph)
    order = order_of(messages)
    assert order[-1] == "3"
    done = [each for each in order if each != "3"]
    assert told(messages) == [
        "status 1", "status 1", "execution_start", "execution_cached",
        *(line for each in done for line in expected_node(each)),
        "state 3 running 0/1", "executing 3",
        "execution_error", "status 0", "executing None",
    ]  # fmt: skip
    error = next(each.data for each in messages if each.kind == "execution_error")
    assert {"node_id": "3", "node_type": "LoadImage", "executed": done}.items() <= error.items()
    assert error["exception_type"] == "PIL.UnidentifiedImageError"
    assert error["exception_message"].startswith("cannot identify image file ")
    assert error["exception_message"].endswith(f"{unique}.png'\n")
    assert error["current_inputs"] == {"image": [f"{unique}.png"]}
    assert sorted(error["current_outputs"]) == ["1", "2", "3", "4"]
    assert "".join(error["traceback"]).count("File ") >= 2
    assert history["status"]["status_str"] == "error"
    assert history["status"]["completed"] is False
    assert [kind for kind, _ in history["status"]["messages"]] == [
        "execution_start", "execution_cached", "execution_error",
    ]  # fmt: skip
    assert history["status"]["messages"][-1][1] == error
    assert history["outputs"] == {}


def test_a_failed_run_keeps_what_was_done(server, unique):
    graph = failing_graph(server, unique)
    _, first = server.run(graph)
    _, second = server.run(graph)
    done_before = [each for each in order_of(first) if each != "3"]
    assert second[3].data["nodes"] == done_before


def test_inputs_of_a_node_that_fails_are_shown(server):
    graph = {"1": node("PreviewImage", images="no picture")}
    history, messages = server.run(graph, extra_data={"extra_pnginfo": {"workflow": {"a": 1}}})
    error = next(each.data for each in messages if each.kind == "execution_error")
    assert error["current_inputs"] == {
        "images": ["no picture"],
        "prompt": [str(graph)],
        "extra_pnginfo": ["{'workflow': {'a': 1}}"],
    }
    assert error["exception_type"] == "AttributeError"
    assert history["status"]["status_str"] == "error"


def test_outputs_of_a_cached_run_without_a_client(server):
    graph = picture_graph(fresh_color())
    first = server.wait(server.submit(graph, client_id="nobody"))
    second = server.wait(server.submit(graph))
    # by design: "cached history"
    assert second["outputs"] == (first["outputs"] if server.is_embedded else {})


def test_targets_limit_what_runs(server, unique):
    graph = picture_graph(fresh_color())
    graph["3"] = node("PreviewAny", source=unique)
    history, messages = server.run(graph, partial_execution_targets=["3"])
    assert order_of(messages) == ["3"]
    assert history["outputs"] == {"3": {"text": [unique]}}
    refused = server.post(graph, partial_execution_targets=["1"])
    assert refused.json()["error"]["type"] == "prompt_no_outputs"


def test_a_partly_invalid_graph_runs_what_is_valid(server):
    graph = picture_graph(fresh_color())
    graph["5"] = node("LoadImage", image="not there.png")
    graph["6"] = node("PreviewImage", images=["5", 0])
    with server.listening() as listener:
        answer = server.post(graph, client_id=listener.client_id)
        messages = listener.until_end(answer.json()["prompt_id"])
    assert answer.status_code == 200
    error = answer.json()["node_errors"]["5"]
    assert error["dependent_outputs"] == ["6"]
    assert error["errors"][0]["details"] == "image - Invalid image file: not there.png"
    assert order_of(messages) == ["1", "2"]
    assert list(server.history(answer.json()["prompt_id"])["outputs"]) == ["2"]

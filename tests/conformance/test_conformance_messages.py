"""What a client hears, in which order, and who else does."""

import itertools
import json
import time
import uuid

from .conformance_kit import (
    expected_node,
    expected_run,
    fresh_color,
    fresh_seed,
    order_of,
    picture_graph,
    text_to_image,
    told,
)


def with_steps(previews_first):
    steps = []
    for step in (1, 2, 3):
        told_of = [f"progress 3 {step}/3", "preview with metadata" if previews_first else "preview 1"]
        steps += [f"state 3 running {step}/3", *(reversed(told_of) if previews_first else told_of)]
    return steps


def nodes_in_seen_order(messages, previews_first):
    lines = {
        "3": expected_node("3", steps=with_steps(previews_first), total=3),
        "9": expected_node("9", shows=True),
    }
    return [lines.get(each) or expected_node(each) for each in order_of(messages)]


def test_a_run_is_told_of_in_order(server):
    _, messages = server.run(picture_graph(fresh_color()))
    assert told(messages) == expected_run([expected_node("1"), expected_node("2", shows=True)])


def test_a_sampler_reports_each_step_and_then_its_preview(server):
    server.run(picture_graph(fresh_color()))  # so that nothing of it is cached
    with server.listening() as listener:
        prompt_id = server.submit(text_to_image(fresh_seed()), client_id=listener.client_id)
        messages = listener.until_end(prompt_id)
    order = order_of(messages)
    assert sorted(order) == ["3", "4", "5", "6", "7", "8", "9"]
    assert order[-3:] == ["3", "8", "9"]
    assert told(messages) == expected_run(nodes_in_seen_order(messages, previews_first=False))
    previews = [each for each in messages if each.kind == "preview 1"]
    assert all(each.data["format"] == 1 and each.picture[:3] == b"\xff\xd8\xff" for each in previews)


def test_previews_say_where_they_come_from_if_asked_to(server):
    with server.listening() as listener:
        answer = listener.ask_for_metadata()
        assert (answer.kind, answer.data) == ("feature_flags", server.http.get("/features").json())
        prompt_id = server.submit(text_to_image(fresh_seed()), client_id=listener.client_id)
        messages = listener.until_end(prompt_id)
    assert told(messages) == expected_run(nodes_in_seen_order(messages, previews_first=True))
    preview = next(each for each in messages if each.kind == "preview with metadata")
    assert preview.picture[:3] == b"\xff\xd8\xff"
    assert preview.data == {
        "node_id": "3",
        "prompt_id": prompt_id,
        "display_node_id": "3",
        "parent_node_id": None,
        "real_node_id": "3",
        "image_type": "image/jpeg",
    }


def test_flags_count_only_in_the_first_message(server):
    with server.listening() as listener:
        listener.socket.send(json.dumps({"type": "something else", "data": {}}))
        listener.socket.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}}))
        assert listener.silence() == []
        prompt_id = server.submit(text_to_image(fresh_seed(), steps=1), client_id=listener.client_id)
        assert "preview 1" in told(listener.until_end(prompt_id))


def test_what_cannot_be_read_is_no_message(server):
    with server.listening() as listener:
        listener.socket.send("rubbish")
        assert listener.ask_for_metadata().kind == "feature_flags"


def test_a_second_message_of_flags_is_ignored(server):
    with server.listening() as listener:
        listener.ask_for_metadata()
        listener.socket.send(json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": False}}))
        assert listener.silence() == []


def test_every_message_of_a_run_names_it(server):
    graph = picture_graph(fresh_color())
    history, messages = server.run(graph)
    prompt_id = history["prompt"][1]
    assert {each.data["prompt_id"] for each in messages if each.kind != "status"} == {prompt_id}
    stamps = [each.data["timestamp"] for each in messages if "timestamp" in each.data]
    assert stamps == sorted(stamps)
    assert abs(stamps[0] / 1000 - time.time()) < 60
    state = [each.data for each in messages if each.kind == "progress_state"][-1]
    assert state["nodes"]["2"] == {
        "value": 1, "max": 1, "state": "finished", "node_id": "2", "prompt_id": prompt_id,
        "display_node_id": "2", "parent_node_id": None, "real_node_id": "2",
    }  # fmt: skip
    executing = next(each.data for each in messages if each.kind == "executing")
    assert executing == {"node": "1", "display_node": "1", "prompt_id": prompt_id}
    executed = next(each.data for each in messages if each.kind == "executed")
    shown = history["outputs"]["2"]
    assert executed == {"node": "2", "display_node": "2", "output": shown, "prompt_id": prompt_id}


def test_a_run_can_be_interrupted(server):
    with server.listening() as listener:
        prompt_id = server.submit_long(client_id=listener.client_id)
        listener.until("progress", value=2)
        server.http.post("/interrupt", json={"prompt_id": str(uuid.uuid4())})
        listener.until("progress")
        server.http.post("/interrupt", json={"prompt_id": prompt_id})
        messages = listener.until_end(prompt_id)
    assert told(messages)[-3:] == ["execution_interrupted", "status 0", "executing None"]
    data = messages[-3].data
    assert {"node_id": "3", "node_type": "KSampler"}.items() <= data.items()
    assert set(data) == {"prompt_id", "node_id", "node_type", "executed", "timestamp"}
    status = server.history(prompt_id)["status"]
    assert (status["status_str"], status["completed"]) == ("error", False)
    assert status["messages"][-1] == ["execution_interrupted", data]


def test_an_interruption_without_a_prompt_id_hits_what_runs_and_not_the_next(server):
    with server.listening() as listener:
        first = server.submit_long(client_id=listener.client_id)
        second = server.submit(picture_graph(fresh_color()), client_id=listener.client_id)
        listener.until("progress")
        assert server.http.post("/interrupt").status_code == 200
        assert "execution_interrupted" in told(listener.until_end(first))
        assert "execution_success" in told(listener.until_end(second))


def test_an_interruption_while_nothing_runs_is_forgotten(server):
    assert server.http.post("/interrupt", json={}).status_code == 200
    history, _ = server.run(picture_graph(fresh_color()))
    assert history["status"]["completed"]


def test_a_prompt_deleted_from_the_queue_leaves_only_a_status(server):
    with server.listening() as listener:
        running = server.submit_long(client_id=listener.client_id)
        listener.until("progress")
        waiting = server.submit(picture_graph(fresh_color()), client_id=listener.client_id)
        server.http.post("/queue", json={"delete": [waiting]})
        server.http.post("/queue", json={"delete": [running, "unknown"]})
        server.http.post("/interrupt", json={"prompt_id": running})
        messages = listener.until_end(running)
    # ComfyUI tells twice of the last one that waits
    counts = [count for count, _ in itertools.groupby(each for each in told(messages) if each.startswith("status"))]
    assert counts == ["status 2", "status 1", "status 0"]
    assert {each.data.get("prompt_id", running) for each in messages} == {running}
    assert server.http.get(f"/history/{waiting}").json() == {}


def test_a_run_goes_to_its_client_alone(server):
    with server.listening() as bystander:
        server.run(picture_graph(fresh_color()))
        messages = bystander.until("status", status={"exec_info": {"queue_remaining": 0}})
    assert {each.kind for each in messages} == {"status"}


def test_a_run_without_a_client_tells_all_of_its_progress(server):
    with server.listening() as bystander:
        bystander.ask_for_metadata()
        server.submit(text_to_image(fresh_seed(), steps=2))
        messages = bystander.until("status", status={"exec_info": {"queue_remaining": 0}})
    kinds = {each.kind for each in messages}
    assert kinds == {"status", "progress_state", "progress", "preview 1"}


def test_an_interruption_of_a_run_without_a_client_is_told_to_all(server):
    with server.listening() as bystander:
        prompt_id = server.submit_long()
        bystander.until("progress")
        server.http.post("/interrupt", json={"prompt_id": prompt_id})
        messages = bystander.until("status", status={"exec_info": {"queue_remaining": 0}})
    assert messages[-2].kind == "execution_interrupted"


def test_a_socket_without_an_id_is_given_one(server):
    from websockets.sync.client import connect

    with connect(f"ws{server.url.removeprefix('http')}/ws", proxy=None) as socket:
        sid = json.loads(socket.recv(timeout=5))["data"]["sid"]
        assert len(sid) >= 32
        prompt_id = server.submit(picture_graph(fresh_color()), client_id=sid)
        while json.loads(socket.recv(timeout=5)).get("data", {}).get("prompt_id") != prompt_id:
            pass


def test_the_first_message_is_a_status_with_the_client_id(server):
    with server.listening("this-is-me") as listener:
        assert listener.first.kind == "status"
        assert listener.first.data == {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "this-is-me"}


def test_who_connects_in_mid_run_hears_what_runs_now(server, unique):
    with server.listening(unique) as first:
        prompt_id = server.submit_long(client_id=unique)
        first.until("progress")
    with server.listening(unique) as second:
        assert second.first.data["status"]["exec_info"]["queue_remaining"] == 1
        now = second.until("executing")[-1]
        assert now.data == {"node": "3"}
        server.http.post("/interrupt", json={"prompt_id": prompt_id})
        second.until_end(prompt_id)


def test_the_later_of_two_sockets_with_one_id_hears(server, unique):
    with server.listening(unique) as first, server.listening(unique) as second:
        server.wait(server.submit(picture_graph(fresh_color()), client_id=unique))
        assert first.silence() == []
        assert "execution_success" in told(second.silence())


def test_when_the_earlier_of_two_sockets_closes(server, unique):
    with server.listening(unique) as first, server.listening(unique) as second:
        first.socket.close()
        time.sleep(0.2)
        server.wait(server.submit(picture_graph(fresh_color()), client_id=unique))
        # by design: "replaced socket"
        assert bool(second.silence()) is server.is_embedded


def test_the_server_answers_pings(server):
    with server.listening() as listener:
        assert listener.socket.ping().wait(5)


def test_history_is_there_when_the_end_is_told(server):
    for _ in range(10):
        with server.listening() as listener:
            prompt_id = server.submit(picture_graph(fresh_color()), client_id=listener.client_id)
            listener.until_end(prompt_id)
            assert server.history(prompt_id)["status"]["completed"]

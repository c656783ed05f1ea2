import time
import uuid

from .conformance_kit import fresh_color, picture_graph


def blocked(server, listener):
    """Keep a server busy, so that what follows waits."""
    prompt_id = server.submit_long(client_id=listener.client_id)
    listener.until("progress")
    return prompt_id


def test_the_smallest_number_runs_first(server):
    with server.listening() as listener:
        running = blocked(server, listener)
        wanted = [{}, {"front": True}, {"number": -1000}, {"number": "5.5"}, {"front": 0}]
        answers = [server.post(picture_graph(fresh_color()), client_id=listener.client_id, **each) for each in wanted]
        answers = [answer.json() for answer in answers]
        plain, front, given, text, later = [answer["number"] for answer in answers]
        assert front < 0 < plain < later
        assert (given, text) == (-1000.0, 5.5)
        expected = [answer["prompt_id"] for answer in sorted(answers, key=lambda answer: answer["number"])]
        server.http.post("/interrupt", json={"prompt_id": running})
        messages = listener.until_end(expected[-1])
    assert [each.data["prompt_id"] for each in messages if each.kind == "execution_start"] == expected


def test_the_queue_shows_what_runs_and_what_waits(server):
    graph = picture_graph(fresh_color())
    with server.listening() as listener:
        running = blocked(server, listener)
        extra = {"client_id": "x", "api_key_comfy_org": "SECRET"}
        waiting = server.submit(graph, extra_data=extra)
        queue = server.http.get("/queue").json()
        assert server.http.get("/prompt").json() == {"exec_info": {"queue_remaining": 2}}
    assert [item[1] for item in queue["queue_running"]] == [running]
    number, prompt_id, sent, shown, outputs = queue["queue_pending"][0]
    assert (prompt_id, sent, outputs) == (waiting, graph, ["2"])
    assert isinstance(number, int)
    assert abs(shown.pop("create_time") / 1000 - time.time()) < 60
    assert shown == {"client_id": "x"}


def test_what_waits_is_listed_in_the_order_in_which_it_will_run(server):
    with server.listening() as listener:
        blocked(server, listener)
        for number in (5, 3, 4, 1, 2):
            server.submit(picture_graph(number), number=number)
        listed = [item[0] for item in server.http.get("/queue").json()["queue_pending"]]
    # by design: "queue order"
    assert (listed == [1, 2, 3, 4, 5]) if server.is_embedded else (sorted(listed) == [1, 2, 3, 4, 5])


def test_the_queue_can_be_cleared(server):
    with server.listening() as listener:
        running = blocked(server, listener)
        waiting = [server.submit(picture_graph(color)) for color in (1, 2, 3)]
        assert server.http.post("/queue", json={"clear": True}).status_code == 200
        queue = server.http.get("/queue").json()
        assert [item[1] for item in queue["queue_running"]] == [running]
        assert queue["queue_pending"] == []
    assert [server.http.get(f"/history/{each}").json() for each in waiting] == [{}, {}, {}]


def test_nothing_happens_where_there_is_nothing_to_do(server):
    for path in ("/queue", "/history"):
        for body in ({}, {"delete": [str(uuid.uuid4())]}):
            answer = server.http.post(path, json=body)
            assert (answer.status_code, answer.content) == (200, b"")
    assert server.http.get("/queue").json() == {"queue_running": [], "queue_pending": []}


def test_history_is_paged(server):
    ids = [server.run(picture_graph(fresh_color()))[0]["prompt"][1] for _ in range(3)]
    whole = list(server.http.get("/history").json())
    assert whole[-3:] == ids
    assert list(server.http.get("/history", params={"max_items": 2}).json()) == ids[1:]
    page = {"max_items": 2, "offset": len(whole) - 3}
    assert list(server.http.get("/history", params=page).json()) == ids[:2]
    assert server.http.get("/history", params={"max_items": 0}).json() == {}
    assert server.http.get("/history", params={"max_items": "x"}).status_code == 500


def test_history_can_be_forgotten(server):
    kept, dropped = [server.run(picture_graph(fresh_color()))[0]["prompt"][1] for _ in range(2)]
    server.http.post("/history", json={"delete": [dropped]})
    assert server.http.get(f"/history/{dropped}").json() == {}
    assert kept in server.http.get("/history").json()
    if server.is_embedded:  # others may want to keep theirs
        server.http.post("/history", json={"clear": True})
        assert server.http.get("/history").json() == {}


def test_memory_can_be_freed(server):
    graph = picture_graph(fresh_color())
    server.run(graph)
    assert server.http.post("/free", json={"unload_models": True, "free_memory": True}).status_code == 200
    time.sleep(0.2 if server.is_embedded else 1.5)
    _, messages = server.run(graph)
    assert messages[3].data["nodes"] == []

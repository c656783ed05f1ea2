import json
import struct

import pytest

from comfy_notebook.servers.events import (
    Cached,
    Ended,
    Executed,
    Executing,
    Failed,
    Interrupted,
    NodeProgress,
    NodeStates,
    Preview,
    QueueStatus,
    Started,
    Succeeded,
    read_binary,
    read_text,
)

RUN = "3c20142d-2214-4de9-92a8-0b50ba211f19"
JPEG = b"\xff\xd8\xff\xe0picture"
STATE = {"value": 2, "max": 4, "state": "running", "node_id": "3", "display_node_id": "1", "parent_node_id": None}


def frame(kind, **data):
    return json.dumps({"type": kind, "data": data})


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (frame("status", status={"exec_info": {"queue_remaining": 2}}, sid="x"), QueueStatus(None, 2)),
        (frame("execution_start", prompt_id=RUN, timestamp=1), Started(RUN, 0.001)),
        (frame("execution_start", prompt_id=RUN, timestamp="soon"), Started(RUN)),
        (frame("execution_success", prompt_id=RUN, timestamp=10**400), Succeeded(RUN)),
        (frame("execution_cached", nodes=["1", "2"], prompt_id=RUN), Cached(RUN, ("1", "2"))),
        (frame("executing", node="3", display_node="1", prompt_id=RUN), Executing(RUN, "3", "1")),
        (frame("executing", node="3"), Executing(None, "3", "3")),
        (frame("executing", node=None, prompt_id=RUN), Ended(RUN)),
        (frame("progress", value=1, max=3, prompt_id=RUN, node="3"), NodeProgress(RUN, "3", 1, 3)),
        (frame("progress_state", prompt_id=RUN, nodes={"3": STATE}), NodeStates(RUN, {"3": ("running", 2, 4, "1")})),
        (
            frame("executed", node="9", display_node="9", output={"images": []}, prompt_id=RUN),
            Executed(RUN, "9", "9", {"images": []}),
        ),
        (frame("execution_success", prompt_id=RUN), Succeeded(RUN)),
        (frame("execution_error", prompt_id=RUN, node_id="1"), Failed(RUN, {"prompt_id": RUN, "node_id": "1"})),
        (frame("execution_interrupted", prompt_id=RUN), Interrupted(RUN)),
    ],
)
def test_a_message_is_its_event(text, event):
    assert read_text(text) == event


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "null",
        '"x"',
        "{}",
        '{"type": "executing"}',
        '{"type": "executing", "data": null}',
        '{"type": "executing", "data": []}',
        '{"type": "progress", "data": {"node": "1", "value": "x", "max": 1}}',
        '{"type": "progress_state", "data": {"nodes": {"1": null}}}',
        '{"type": "executed", "data": {"node": "1", "output": null}}',
        '{"type": "crystools.monitor", "data": {"cpu": 1}}',
        '{"type": ["list"], "data": {}}',
        '{"type": "status", "data": {"status": 5}}',
        "[" * 100_000,
    ],
)
def test_what_is_malformed_or_unknown_is_no_event(text):
    assert read_text(text) is None


def test_a_preview_of_old_names_no_run():
    assert read_binary(struct.pack(">II", 1, 1) + JPEG) == Preview(None, None, JPEG, "image/jpeg")


def test_a_preview_with_metadata_names_its_run_and_node():
    metadata = json.dumps({"prompt_id": RUN, "node_id": "1.0", "display_node_id": "1"}).encode()
    content = struct.pack(">II", 4, len(metadata)) + metadata + b"\x89PNG rest"
    assert read_binary(content) == Preview(RUN, "1", b"\x89PNG rest", "image/png")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0",
        struct.pack(">II", 1, 1),
        struct.pack(">II", 1, 1) + b"VHS\0\0 header" + JPEG,
        struct.pack(">II", 3, 1) + b"1 working",
        struct.pack(">II", 4, 999_999) + b"{}",
        struct.pack(">II", 4, 2) + b"[]" + JPEG,
        struct.pack(">II", 4, 3) + b"\xff\xfe{" + JPEG,
        struct.pack(">II", 99, 1) + JPEG,
    ],
)
def test_a_binary_frame_that_is_no_preview_is_no_event(content):
    assert read_binary(content) is None

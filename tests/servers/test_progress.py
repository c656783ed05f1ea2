import pytest
from graphs import node

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
    Started,
    Succeeded,
)
from comfy_notebook.servers.progress import RunState, passed_over

RUN = "run"
IMAGES = {"images": [{"filename": "a.png", "subfolder": "", "type": "output"}]}
BLOCKED = {"node_id": "2", "exception_type": "ExecutionBlocked", "exception_message": "Execution Blocked: no way"}


def after(*events):
    state = RunState()
    for event in events:
        state.apply(event)
    return state


def test_a_normal_run():
    state = after(
        Started(RUN),
        Cached(RUN, ("1",)),
        Executing(RUN, "3", "3"),
        NodeProgress(RUN, "3", 1, 4),
        Preview(RUN, "3", b"x", "image/jpeg"),
    )
    assert (state.current, state.step, state.fractions["3"]) == ("3", (1, 4), 0.25)
    assert state.cached == {"1"}
    assert state.preview.image == b"x"
    for event in (Executing(RUN, "9", "9"), Executed(RUN, "9", "9", IMAGES), Succeeded(RUN)):
        state.apply(event)
    assert (state.step, state.preview) == (None, None)
    assert not state.over
    state.apply(Ended(RUN))
    assert (state.over, state.verdict, state.outputs) == (True, "completed", {"9": IMAGES})


def test_a_failed_run_keeps_the_outputs_that_came_before():
    data = {"node_id": "3", "exception_type": "ValueError"}
    state = after(Started(RUN), Executed(RUN, "2", "2", IMAGES), Failed(RUN, data), Ended(RUN))
    assert (state.verdict, state.failure, state.outputs) == ("failed", data, {"2": IMAGES})


def test_an_interrupted_run():
    assert after(Started(RUN), Interrupted(RUN), Ended(RUN)).verdict == "cancelled"


@pytest.mark.parametrize("end", [Succeeded(RUN, 12.5), Failed(RUN, {}, 12.5), Interrupted(RUN, 12.5)])
def test_how_long_it_ran_is_what_the_server_says(end):
    assert after(Started(RUN, 10.0), end).server_seconds == 2.5
    assert after(Started(RUN, 13.0), end).server_seconds == 0  # its clock was set back
    assert after(Started(RUN), end).server_seconds is None


def test_a_success_does_not_undo_a_failure():
    state = after(Started(RUN), Failed(RUN, {"exception_type": "ValueError"}), Succeeded(RUN), Ended(RUN))
    assert state.verdict == "failed"


def test_a_blocked_node_does_not_fail_the_run():
    state = after(Started(RUN), Failed(RUN, BLOCKED), Succeeded(RUN), Ended(RUN))
    assert (state.verdict, state.failure, state.blocked) == ("completed", None, [BLOCKED])


def test_expanded_nodes_are_shown_as_the_node_they_came_from():
    state = after(Started(RUN), Executing(RUN, "1.0.0.2", "1"), Executed(RUN, "1.0.0.2", "1", IMAGES))
    assert state.current == "1"
    assert state.display_nodes == {"1.0.0.2": "1"}


def test_the_state_of_all_nodes():
    state = after(
        NodeStates(RUN, {"1": ("finished", 1, 1, "1"), "3": ("running", 1, 4, "3"), "5": ("running", 0, 0, "5")})
    )
    assert state.fractions == {"1": 1.0, "3": 0.25, "5": 0.0}


def test_of_two_outputs_of_a_node_the_last_holds():
    state = after(Executed(RUN, "1", "1", {"text": ["a"]}), Executed(RUN, "1", "1", {"text": ["b"]}))
    assert state.outputs == {"1": {"text": ["b"]}}


def history(status_str="success", *messages, **entry):
    return {"outputs": {"2": IMAGES}, "status": {"status_str": status_str, "messages": list(messages)}} | entry


def test_history_is_the_truth():
    state = after(Started(RUN), Executed(RUN, "1", "1", {"text": ["stale"]}))
    state.read_history(history(meta={"2": {"display_node": "7"}}))
    assert (state.over, state.verdict, state.outputs) == (True, "completed", {"2": IMAGES})
    assert state.display_nodes == {"2": "7"}


def test_history_tells_an_interrupt_from_a_failure():
    state = RunState()
    state.read_history(history("error", ["execution_interrupted", {}]))
    assert state.verdict == "cancelled"
    state = RunState()
    state.read_history(history("error", ["execution_error", {"node_id": "1", "exception_type": "KeyError"}]))
    assert (state.verdict, state.failure["node_id"]) == ("failed", "1")


def test_a_history_without_a_status_is_of_a_run_that_completed():
    state = RunState()
    state.read_history({"outputs": None, "status": None, "meta": None})
    assert (state.verdict, state.outputs) == ("completed", {})


SWITCH = {  # 5 chooses between 2, with 1 before it, and 4, with 3 before it; 1 goes into both
    "1": node("A"),
    "2": node("B", a=["1", 0]),
    "3": node("C"),
    "4": node("D", a=["3", 0], b=["1", 0], c=["nowhere", 0]),
    "5": node("TestLazy", a=["2", 0], b=["4", 0]),
    "6": node("PreviewImage", images=["5", 0]),
    "7": node("E"),
}


@pytest.mark.parametrize(
    ("settled", "begun", "over"),
    [
        ("", "", ""),
        ("12", "12", ""),  # it is not known yet
        ("125", "125", "34"),
        ("125", "1235", "4"),  # 3 is at it
        ("5", "5", "1234"),  # it was cached
        ("12356", "12356", "4"),
    ],
)
def test_nodes_that_need_not_run(settled, begun, over):
    assert passed_over(SWITCH, set(settled), set(begun)) == set(over)

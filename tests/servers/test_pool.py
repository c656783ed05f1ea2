"""The choice among several servers, and the way of a run that is lost: nothing here talks to a server."""

import asyncio
from collections import Counter

import pytest

from comfy_notebook import ExecuteResult, NoServerError, ParameterError, RunLostError, ServerError
from comfy_notebook.errors import NodeError, Problem
from comfy_notebook.servers import members as members_module
from comfy_notebook.servers.address import Address
from comfy_notebook.servers.comfyui import ComfyUI
from comfy_notebook.servers.journey import Journey, nobody
from comfy_notebook.servers.load import Load
from comfy_notebook.servers.members import AHEAD
from comfy_notebook.servers.pool import Pool, least_busy
from comfy_notebook.workflow.binding import Binding
from comfy_notebook.workflow.document import Workflow

NOBODY_THERE = "http://127.0.0.1:9"  # the port for what is to be discarded: no server listens


def pool_of(count):
    """A pool whose servers are taken to answer."""
    pool = Pool([ComfyUI(Address.parse(NOBODY_THERE), label=f"s{number}") for number in range(count)])
    for member in pool._members:
        member.open, member.heard_at = True, float("inf")
    return pool


@pytest.fixture(autouse=True)
def no_questions(monkeypatch):
    """Have no server asked whether it is back while a test runs."""
    monkeypatch.setattr(members_module.Members, "_await_return", lambda *_: None)


class Trip:
    """What a run meets: each server does what ``acts`` says, else completes it."""

    def __init__(self, pool, acts=None, lacks=None):
        self.pool, self.acts, self.lacks = pool, acts or {}, lacks or {}
        self.prepared, self.sent = [], []

    async def prepare(self, server, anew, whole):
        self.prepared.append((server.label, anew, whole))
        lack = self.lacks.get(server.label)
        if lack is not None and (lack is not AS_LISTED or whole):
            raise ParameterError(f"{server.label} lacks it") if lack is AS_LISTED else lack
        return server.prepare(Workflow({}), Binding({}))

    async def execute(self, server, run, elsewhere):
        self.sent.append(server.label)
        act = self.acts.get(server.label)
        if act is not None:
            run.state.started = getattr(act, "at_work", False)
            raise act
        return ExecuteResult("completed", server=server.label)

    async def go(self):
        return await self.pool.perform(self.prepare, self.execute)


AS_LISTED = object()  # lacks a model by its list, and may take it all the same


def lost(*, server_lost=True, at_work=False):
    error = RunLostError("it was lost")
    error.server_lost, error.at_work = server_lost, at_work
    return error


def answered(status):
    error = ServerError(f"answered {status}")
    error.status = status
    return error


# -- the choice -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loads", "chosen"),
    [
        ([(3, 0), (1, 0), (2, 0)], 1),
        ([(0, 5), (3, 0), (4, 0)], 1),  # others' runs count
        ([(2, 1), (1, 2), (0, 4)], 1),  # of those alike, the one with least of ours
        ([(1, 1), (1, 1), (1, 1)], 0),
    ],
)
def test_the_shortest_queue_is_chosen(loads, chosen):
    assert least_busy({number: Load(*load) for number, load in enumerate(loads)}) == chosen


def test_what_a_server_says_of_its_queue_tells_how_many_are_others():
    load = Load(given=3)
    load.hear(7)
    assert (load.others, load.length) == (4, 7)
    load.given = 1
    load.hear(1)
    assert (load.others, load.length) == (0, 1)
    load.given = 4  # given, and not yet there
    load.hear(1)
    assert load.length == 4


async def test_fifty_at_once_are_spread_evenly():
    pool = pool_of(4)
    places = await asyncio.gather(*(pool._take(()) for _ in range(50)))
    assert sorted(Counter(place.label for place in places).values()) == [12, 12, 13, 13]


async def test_others_runs_are_made_up_for():
    pool = pool_of(2)
    pool.servers[0].load.hear(6)
    places = [await pool._take(()) for _ in range(10)]
    assert Counter(place.label for place in places) == {"s0": 2, "s1": 8}


async def test_no_server_is_given_more_than_it_needs_to_be_busy():
    """What is not sent yet can still go to whichever is done first."""
    pool = pool_of(2)
    places = [await pool._take(()) for _ in range(2 * AHEAD)]
    late = [asyncio.ensure_future(pool._take(())) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(each.done() for each in late)
    for label in ("s1", "s1"):
        pool._give_back(next(place for place in places if place.label == label))
    assert [(await each).label for each in late] == ["s1", "s1"]


async def test_room_goes_to_the_first_who_may_have_it():
    pool = pool_of(2)
    first, second = pool._members
    taken = [await pool._take(()) for _ in range(2 * AHEAD)]
    only_first = asyncio.ensure_future(pool._take({second}))
    either = asyncio.ensure_future(pool._take(()))
    await asyncio.sleep(0)
    pool._give_back(second)
    assert (await either) is second
    assert not only_first.done()
    pool._give_back(first)
    assert (await only_first) is first
    assert len(taken) == 2 * AHEAD


@pytest.mark.parametrize("given", [False, True])
async def test_who_is_cancelled_holds_no_place(given):
    pool = pool_of(1)
    (member,) = pool._members
    for _ in range(AHEAD):
        await pool._take(())
    waiting = asyncio.ensure_future(pool._take(()))
    await asyncio.sleep(0)
    if given:  # in the very moment
        pool._give_back(member)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert member.load.given == AHEAD - given
    assert not pool._waiting


async def test_places_are_given_back_however_a_run_ends():
    pool = pool_of(1)
    for act in (None, NodeError("it raised"), answered(500), lost(server_lost=False)):
        await asyncio.gather(Trip(pool, {"s0": act}).go(), return_exceptions=True)
        assert pool.servers[0].load.given == 0


# -- runs that go on elsewhere ----------------------------------------------------------------------------


async def test_a_run_of_a_server_that_dies_is_sent_to_another():
    pool = pool_of(2)
    trip = Trip(pool, {"s0": lost()})
    result = await trip.go()
    assert (result.server, trip.sent) == ("s1", ["s0", "s1"])
    assert result.warnings == ["s0 did not get this run done, so it was sent to s1."]
    again = Trip(pool)
    assert (await again.go()).warnings == []
    assert again.sent == ["s1"]  # the dead one is left out


@pytest.mark.parametrize("error", [NoServerError("nobody"), answered(None), answered(502), answered(401)])
async def test_a_server_that_cannot_be_had_is_left_out(error):
    pool = pool_of(2)
    trip = Trip(pool, {"s0": error})
    assert (await trip.go()).server == "s1"
    assert [member.open for member in pool._members] == [False, True]


async def test_a_server_that_refuses_one_workflow_is_not_left_out():
    pool = pool_of(2)
    assert (await Trip(pool, {"s0": answered(500)}).go()).server == "s1"
    assert [member.open for member in pool._members] == [True, True]


@pytest.mark.parametrize("error", [NodeError("a node"), ParameterError("invalid"), lost(server_lost=False)])
async def test_what_is_no_fault_of_the_server_moves_nothing(error):
    trip = Trip(pool_of(2), {"s0": error})
    with pytest.raises(type(error)) as caught:
        await trip.go()
    assert caught.value is error
    assert trip.sent == ["s0"]


async def test_what_kills_two_servers_at_work_is_not_given_to_a_third():
    trip = Trip(pool_of(3), {name: lost(at_work=True) for name in ("s0", "s1", "s2")})
    with pytest.raises(RunLostError, match="not sent again"):
        await trip.go()
    assert trip.sent == ["s0", "s1"]


async def test_what_only_waited_goes_on_as_long_as_there_are_servers():
    trip = Trip(pool_of(4), {name: lost() for name in ("s0", "s1", "s2")})
    assert (await trip.go()).server == "s3"


async def test_who_waits_hears_that_no_server_is_left():
    pool = pool_of(1)
    (member,) = pool._members
    for _ in range(AHEAD):
        await pool._take(())
    waiting = asyncio.ensure_future(Trip(pool).go())
    await asyncio.sleep(0)
    pool._members.leave(member, NoServerError("it is gone"), None, 0.0)
    with pytest.raises(NoServerError):
        await waiting


# -- what servers lack ------------------------------------------------------------------------------------


async def test_a_run_sticks_to_the_server_that_has_all_of_it():
    pool = pool_of(3)
    trips = [Trip(pool, lacks={"s0": ParameterError("no model"), "s2": ParameterError("no node")}) for _ in range(12)]
    results = await asyncio.gather(*(trip.go() for trip in trips))
    assert {result.server for result in results} == {"s1"}
    assert {tuple(result.warnings) for result in results} == {()}
    asked_anew = Counter(name for trip in trips for name, anew, _ in trip.prepared if anew)
    assert asked_anew["s0"] == 1  # and not again for each run


async def test_who_is_lacked_by_all_but_one_waits_for_that_one_alone():
    """And who is lacked by all waits for none."""
    pool = pool_of(2)
    taken = [await pool._take(()) for _ in range(2 * AHEAD)]
    pool._give_back(pool._members._members[0])
    assert len(taken) == 2 * AHEAD
    late = Trip(pool, lacks={"s0": ParameterError("no model"), "s1": ParameterError("no node")})
    with pytest.raises(ParameterError):
        await asyncio.wait_for(late.go(), 1)


async def test_where_none_seems_to_have_all_the_servers_judge_by_themselves():
    """Some nodes take more than they list."""
    trip = Trip(pool_of(2), lacks={"s0": ParameterError("no node"), "s1": AS_LISTED})
    assert (await trip.go()).server == "s1"
    assert trip.prepared == [
        ("s0", True, True), ("s1", True, True),
        ("s0", True, False), ("s1", True, False),
    ]  # fmt: skip


async def test_where_none_has_all_the_error_says_for_each_what_it_lacks():
    problems = {
        "s0": Problem("the server does not have 'a.ckpt'", "ckpt_name"),
        "s1": Problem("the server does not have this node", "X (node 2)"),
    }
    lacks = {name: ParameterError("One thing is wrong.", problems=[each]) for name, each in problems.items()}
    with pytest.raises(ParameterError) as caught:
        await Trip(pool_of(2), lacks=lacks).go()
    assert str(caught.value).splitlines() == [
        "None of the 2 servers can run this; nothing was queued.",
        "  - s0, ckpt_name: the server does not have 'a.ckpt'",
        "  - s1, X (node 2): the server does not have this node",
    ]


def test_what_is_wrong_everywhere_is_said_once():
    wrong = [ParameterError("One thing is wrong.", problems=[Problem("is required", "prompt")]) for _ in range(3)]
    error = nobody({f"s{number}": each for number, each in enumerate(wrong)})
    assert str(error).splitlines() == [
        "One thing is wrong.", "  - prompt: is required", "It is the same on all 3 servers.",
    ]  # fmt: skip


def test_servers_that_do_not_answer_are_listed():
    error = nobody({"s0": NoServerError("refused"), "s1": lost()})
    assert isinstance(error, NoServerError)
    assert str(error).splitlines() == ["None of the 2 servers answers.", "  - s0: refused", "  - s1: it was lost"]


def test_a_journey_ends():
    journey = Journey()
    for member in pool_of(6)._members:
        assert journey.may_go_on
        journey.lose(member, at_work=False)
    assert not journey.may_go_on

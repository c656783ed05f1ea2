"""Several servers as one: which of them a run goes to, and where the runs of one that dies go on.

A run has a place on one server at a time. It is sent again only when that server has no run of it, or stopped
answering while another answers; then nothing that the first may still bring comes into the result, and the first is
told to end it as soon as it is back. So every run is in the result once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from comfy_notebook.errors import ComfyError, MediaError, ParameterError, Problem, RunLostError, ServerError
from comfy_notebook.results import COMPLETED
from comfy_notebook.servers.following import Run
from comfy_notebook.servers.journey import Journey, nobody
from comfy_notebook.servers.members import LEFT_OUT_SECONDS, Member, Members
from comfy_notebook.servers.patience import PASSING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

    from comfy_notebook.results import ExecuteResult
    from comfy_notebook.servers.comfyui import ComfyUI
    from comfy_notebook.servers.load import Load

    Prepare: TypeAlias = Callable[[ComfyUI, bool, bool], Awaitable[Run]]
    Elsewhere: TypeAlias = Callable[[], Awaitable[bool]]
    Execute: TypeAlias = Callable[[ComfyUI, Run, Elsewhere], Awaitable[ExecuteResult]]

T = TypeVar("T")
_LOOK_SECONDS = 3.0
_ANEW_SECONDS = 60.0  # after which a server that lacked something may have got it
_LOGIN = frozenset({401, 403})
_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Waiting:
    """One who waits for a place; None is the answer where no server is left."""

    shut: Collection[Member]
    place: asyncio.Future[Member | None]


class Pool:
    """Several servers; for use on the portal's loop.

    Parameters
    ----------
    servers
        In the order in which the user named them.
    """

    def __init__(self, servers: Iterable[ComfyUI]) -> None:
        self._members = Members(servers, self._offer, self._send_away, self._in_use)
        self._waiting: dict[_Waiting, None] = {}

    @property
    def servers(self) -> list[ComfyUI]:
        """All of them, whether or not they answer."""
        return [member.server for member in self._members]

    def close(self) -> None:
        """Wait for none of them to come back; their connections are closed by whoever has them."""
        self._members.close()

    # -- a run ---------------------------------------------------------------------------------------

    async def perform(self, prepare: Prepare, execute: Execute) -> ExecuteResult:
        """Perform one run on the least busy server that can, and on another when that one dies.

        Parameters
        ----------
        prepare
            Makes the run for a server; ParameterError or WorkflowError say what that server lacks. Its second argument
            is whether to ask the server anew where what it said before is against it; the third whether a model or a
            file that it does not list is against it, too.
        execute
            Sends it and follows it to its end, as ``ComfyUI.execute`` does.

        Returns
        -------
        ExecuteResult
            Its files are in the cache of originals, as far as that can keep them: their server may be gone later.

        Raises
        ------
        ComfyError
            As ``execute`` does; and if no server is left, with what each of them lacks.
        """
        journey = Journey()
        while True:
            member = await self._take(journey.shut)
            if member is None:
                if not journey.goes_round():
                    raise self._nobody(journey)
            elif (result := await self._attempt(member, journey, prepare, execute)) is not None:
                result.warnings += filter(None, [journey.story(member)])
                return result

    async def _attempt(
        self, member: Member, journey: Journey, prepare: Prepare, execute: Execute
    ) -> ExecuteResult | None:
        """Perform a run on the server where it has a place; None if it had better go on elsewhere."""
        run = None
        try:
            try:
                run = await self._prepared(member, journey, prepare)
                if run is None:
                    return None
                result = await execute(member.server, run, lambda: self._answers_beside(member, journey))
            finally:
                self._give_back(member)
            await _secure(run, result)
        except RunLostError as error:
            if not error.server_lost or run is None:
                raise
            journey.lose(member, at_work=run.state.started and not run.state.over)
            self._members.leave(member, error, run, pause=0.0)
            if not journey.may_go_on:
                error.hint = "It was lost more than once, and is not sent again: it may be what ends the servers."
                raise
        except ParameterError as error:
            if not journey.is_last_round:
                raise
            journey.lacking[member] = error
        except ServerError as error:
            journey.refusing[member] = error
            if error.status is None or error.status in PASSING | _LOGIN:
                self._members.leave(member, error, run, pause=LEFT_OUT_SECONDS[0])
        else:
            return result
        return None

    async def _prepared(self, member: Member, journey: Journey, prepare: Prepare) -> Run | None:
        """Return the run as it is for a server; None if that lacks something, and then others are looked at, too.

        So nobody waits for room on a server that will not do.
        """
        if member in journey.ready or await self._has_all(member, journey, prepare):
            return journey.ready.pop(member)
        for other in self._members:
            if other.open and other not in journey.shut and other not in journey.ready:
                with contextlib.suppress(ServerError):  # told when it is to have the run
                    await self._has_all(other, journey, prepare)
        return None

    async def _has_all(self, member: Member, journey: Journey, prepare: Prepare) -> bool:
        """Make the run for a server, if that has what it needs."""
        now = time.monotonic()
        anew = journey.is_last_round or now - member.looked_at > _ANEW_SECONDS
        member.looked_at = now if anew else member.looked_at
        try:
            journey.ready[member] = await prepare(member.server, anew, not journey.is_last_round)
        except ServerError:
            raise
        except ComfyError as error:
            journey.lacking[member] = error
            return False
        return True

    async def _answers_beside(self, member: Member, journey: Journey) -> bool:
        """Whether another server, which may have the run, answers."""
        others = [each for each in self._members if each.open and each is not member and each not in journey.shut]
        return any(await asyncio.gather(*(_answers(other.server) for other in others)))

    def _nobody(self, journey: Journey) -> ComfyError:
        """Say for each server why a run did not go there."""
        reasons = {member.label: journey.reason(member) for member in self._members}
        return nobody({label: reason for label, reason in reasons.items() if reason is not None})

    # -- places --------------------------------------------------------------------------------------

    async def _take(self, shut: Collection[Member]) -> Member | None:
        """Take a place on the least busy open server, waiting for one with room; None if none is open but ``shut``."""
        while True:
            await self._members.meet(shut)
            waiting = _Waiting(shut, asyncio.get_running_loop().create_future())
            if self._settle(waiting):
                return waiting.place.result()
            self._waiting[waiting] = None
            try:
                member = await waiting.place
            except asyncio.CancelledError:
                self._give_up(waiting)
                raise
            if member is not None:
                return member

    def _settle(self, waiting: _Waiting) -> bool:
        """Answer one who wants a place, if there is an answer yet."""
        choices = [member for member in self._members if member.open and member not in waiting.shut]
        free = {member: member.load for member in choices if member.has_room}
        if choices and not free:
            return False
        _answer(waiting, least_busy(free) if free else None)
        return True

    def _give_up(self, waiting: _Waiting) -> None:
        """Take back one who was cancelled, and the place that may have been given meanwhile."""
        self._waiting.pop(waiting, None)
        if waiting.place.done() and not waiting.place.cancelled() and (member := waiting.place.result()) is not None:
            self._give_back(member)

    def _give_back(self, member: Member) -> None:
        member.load.given -= 1
        self._offer(member)

    def _offer(self, member: Member) -> None:
        """Give the room that a server has to those who wait, in their order."""
        while member.has_room:
            waiting = next((each for each in self._waiting if member not in each.shut), None)
            if waiting is None:
                return
            del self._waiting[waiting]
            _answer(waiting, member)

    def _send_away(self) -> None:
        """Answer those for whom no server is left."""
        for waiting in list(self._waiting):
            if not any(member.open and member not in waiting.shut for member in self._members):
                del self._waiting[waiting]
                _answer(waiting, None)

    def _in_use(self) -> bool:
        return bool(self._waiting) or any(member.load.given for member in self._members)

    # -- questions to all of them --------------------------------------------------------------------

    async def find(self, prompt_id: str) -> tuple[ComfyUI, Run]:
        """Return a run that one of them has, and which; RunLostError if none is found to have it."""
        answers = await self.asked(lambda server: server.find(prompt_id))
        for server, run in answers.items():
            if isinstance(run, Run):
                return server, run
        raise RunLostError(
            f"None of the {len(answers)} servers is found to have a run {prompt_id}.",
            problems=[Problem(error.message, label) for label, error in _errors(answers).items()],
        )

    async def models(self, folder: str) -> list[str]:
        """Return the model files that any of them has in a folder; ServerError if none has such a folder."""
        answers = await self.asked(lambda server: server.models(folder))
        listed = [names for names in answers.values() if isinstance(names, list)]
        if not listed:
            raise nobody(_errors(answers))
        return list(dict.fromkeys(name for names in listed for name in names))

    async def asked(self, question: Callable[[ComfyUI], Awaitable[T]]) -> dict[ComfyUI, T | ComfyError]:
        """Ask all servers, and return what each answered, or why it did not."""
        answers = await asyncio.gather(*(_answered(question(server)) for server in self.servers))
        return dict(zip(self.servers, answers, strict=True))

    async def knowing(self, class_types: Collection[str]) -> ComfyUI:
        """Return the first server that has these node classes, else the first that answers.

        Raises
        ------
        ServerError
            If none answers.
        """
        answering = await self.answering()
        for server in answering:
            with contextlib.suppress(ServerError):
                schemas = await server.schemas(class_types)
                if all(schemas.get(name) for name in class_types):
                    return server
        return answering[0]

    async def answering(self) -> list[ComfyUI]:
        """Return the servers that answer; ServerError if none does."""
        await self._members.meet()
        answering = [member.server for member in self._members if member.open]
        if not answering:
            raise self._nobody(Journey())
        return answering


def least_busy(loads: Mapping[Member, Load]) -> Member:
    """Return whose load is the shortest; of those alike, who has least of ours, else the first."""
    return min(loads, key=lambda member: (loads[member].length, loads[member].given))


def _answer(waiting: _Waiting, member: Member | None) -> None:
    if waiting.place.done():  # it was cancelled
        return
    if member is not None:
        member.load.given += 1
    waiting.place.set_result(member)


async def _answers(server: ComfyUI) -> bool:
    try:
        await server.stats(_LOOK_SECONDS)
    except ServerError:
        return False
    return True


def _errors(answers: Mapping[ComfyUI, object]) -> dict[str, ComfyError]:
    return {server.label: answer for server, answer in answers.items() if isinstance(answer, ComfyError)}


async def _answered(question: Awaitable[T]) -> T | ComfyError:
    try:
        return await question
    except ComfyError as error:
        return error


async def _secure(run: Run, result: ExecuteResult) -> None:
    """Fetch what a run made, as its server may be gone later; RunLostError if it is gone already."""
    if result.status != COMPLETED:
        return
    try:
        await run.files.keep_all(result.media)
    except MediaError as error:
        cause = error.__cause__
        if isinstance(cause, ServerError) and cause.status is None:
            lost = RunLostError(f"The server stopped answering before what this made was fetched: {cause.message}")
            lost.server_lost = True
            raise lost from error
        _log.debug("%s", error)  # told again, and then to someone, when the file is read

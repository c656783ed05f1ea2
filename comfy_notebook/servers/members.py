"""The servers of a pool: which of them answer, how busy they are, and when those that were away are back."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from comfy_notebook.errors import NoServerError, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from comfy_notebook.errors import ComfyError
    from comfy_notebook.servers.comfyui import ComfyUI
    from comfy_notebook.servers.following import Run
    from comfy_notebook.servers.load import Load

AHEAD = 16  # runs that a server is given at once: so that it never idles, and a faster one gets more
LEFT_OUT_SECONDS = (15.0, 60.0)  # first and longest pause before a server that is away is tried again
_MOMENT_SECONDS = 2.0  # in which new servers answer, or runs go to others
_HEAR_SECONDS = 1.0  # between questions to a server that does not tell of its queue
_log = logging.getLogger("comfy_notebook")


@dataclass(eq=False, slots=True)
class Member:
    """One server of a pool.

    Attributes
    ----------
    open
        Whether runs may go there: it answered, and has not failed since.
    trouble
        Why not; None of one that was not asked yet.
    behind
        Runs that went on elsewhere, which it may still have.
    greeting
        The question whether it answers, while it is asked.
    returning
        What waits for it to come back.
    looked_at
        The monotonic time at which it was last asked what it has, because it lacked something.
    heard_at
        The monotonic time at which it was last asked for its queue, where it does not tell by itself.
    """

    server: ComfyUI
    open: bool = False
    trouble: ComfyError | None = None
    behind: list[Run] = field(default_factory=list)
    greeting: asyncio.Task[None] | None = None
    returning: asyncio.Task[None] | None = None
    looked_at: float = float("-inf")
    heard_at: float = float("-inf")

    @property
    def label(self) -> str:
        """What results call it."""
        return self.server.label

    @property
    def load(self) -> Load:
        """How busy it is."""
        return self.server.load

    @property
    def has_room(self) -> bool:
        """Whether it may be given another run now."""
        return self.open and self.load.given < AHEAD


class Members:
    """All servers of a pool; for use on the portal's loop.

    Parameters
    ----------
    servers
        In the order in which the user named them.
    came, left
        Called after a server was found to answer, and after it was found not to.
    in_use
        Whether there are runs which a server that is back could have.
    """

    def __init__(
        self,
        servers: Iterable[ComfyUI],
        came: Callable[[Member], None],
        left: Callable[[], None],
        in_use: Callable[[], bool],
    ) -> None:
        self._members = [Member(server) for server in dict.fromkeys(servers)]
        self._came, self._left, self._in_use = came, left, in_use

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    async def meet(self, shut: Collection[Member] = ()) -> None:
        """Wait a moment for servers that are new, and for one to answer if none is open but ``shut``."""
        new = [member for member in self._members if not member.open and member.trouble is None]
        if new:
            await asyncio.wait([self._greeted(member) for member in new], timeout=_MOMENT_SECONDS)
            for member in new:
                if not member.open and member.trouble is None:
                    member.trouble = NoServerError(f"{member.label} has not answered yet.")
        self._listen()
        candidates = [member for member in self._members if member not in shut]
        away = {self._greeted(member) for member in candidates if not any(each.open for each in candidates)}
        while away and not any(member.open for member in candidates):
            _, away = await asyncio.wait(away, return_when=asyncio.FIRST_COMPLETED)

    def leave(self, member: Member, why: ComfyError, run: Run | None, pause: float) -> None:
        """Give a server no more runs until it answers again, which is tried in so many seconds.

        ``run`` is one that it may have, and that goes on elsewhere: it is ended there once the server is back.
        """
        if member.open:
            _log.warning("%s gets no more runs until it is back: %s", member.label, why.message)
        member.open, member.trouble = False, why
        if run is not None:
            member.behind.append(run)
        self._await_return(member, pause)
        self._left()

    def close(self) -> None:
        """Ask none of them any more."""
        for member in self._members:
            for task in (member.greeting, member.returning):
                if task is not None:
                    task.cancel()

    def _listen(self) -> None:
        """See to it that those are asked again that are away, or do not tell of their queue by themselves."""
        now = time.monotonic()
        for member in self._members:
            if not member.open:
                self._await_return(member, LEFT_OUT_SECONDS[0])
            elif not member.server.is_heard and now - member.heard_at > _HEAR_SECONDS:
                member.heard_at = now
                self._greeted(member)

    def _greeted(self, member: Member) -> asyncio.Task[None]:
        if member.greeting is None or member.greeting.done():
            member.greeting = asyncio.create_task(self._greet(member))
        return member.greeting

    async def _greet(self, member: Member) -> None:
        try:
            await member.server.greet()
        except ServerError as error:
            if not member.open:
                member.trouble = error
            return
        if not member.open and member.trouble is not None:
            _log.info("%s gets runs again.", member.label)
        member.open, member.trouble = True, None
        while member.behind:
            member.server.abandon(member.behind.pop())
        self._came(member)

    def _await_return(self, member: Member, pause: float) -> None:
        if member.returning is None or member.returning.done():
            member.returning = asyncio.create_task(self._return(member, pause))

    async def _return(self, member: Member, pause: float) -> None:
        """Try whether a server is back, as long as there are runs that it could have."""
        while not member.open:
            await asyncio.sleep(pause)
            await self._greeted(member)
            pause = min(max(2 * pause, LEFT_OUT_SECONDS[0]), LEFT_OUT_SECONDS[1])
            if not self._in_use():
                return

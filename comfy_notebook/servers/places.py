"""Where runs stand in a server's queue: asked for when the server says that it changed, once a second at most."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from comfy_notebook.errors import ServerError

if TYPE_CHECKING:
    from comfy_notebook.servers.http import Api

_PAUSE_SECONDS = 1.0  # the answer holds every graph that waits


class Places:
    """The queue's order as it was last seen; for use on the portal's loop."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ahead: dict[str, int] = {}
        self._asked = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._changed = False

    def ahead(self, prompt_id: str) -> int | None:
        """Return how many runs are before it, the running one included; None if that is not known."""
        return self._ahead.get(prompt_id)

    def refresh(self) -> None:
        """Ask, in a moment if it was asked just now; again, if the answer on its way is from before."""
        self._changed = True
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ask())

    async def _ask(self) -> None:
        while self._changed:
            await asyncio.sleep(self._asked + _PAUSE_SECONDS - time.monotonic())
            self._asked, self._changed = time.monotonic(), False
            with contextlib.suppress(ServerError):  # it is asked again, and the run itself tells what is wrong
                running, pending = await self._api.queue()
                self._ahead = {str(item[1]): place for place, item in enumerate(pending, len(running))}

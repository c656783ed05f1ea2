"""Shows a run in its cell while it runs, and puts the result in the same place when it ends.

Nothing appears in the first moment, so that a quick run leaves nothing but its result.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Self

from comfy_notebook.notebook.html.live import live_html, live_text
from comfy_notebook.notebook.media.pipeline import Ahead
from comfy_notebook.notebook.show import mimebundle

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import DisplayHandle

    from comfy_notebook.notebook.media.pipeline import Item
    from comfy_notebook.results import ExecuteResult
    from comfy_notebook.servers.following import Run

_FIRST_SECONDS = 0.5
_PAUSE_SECONDS = 0.25  # previews are pictures: four a second is what front ends bear
_CLOCK_SECONDS = 1.0  # without news, for the clock
_BYTES_PER_SECOND = 1_000_000


class LiveView:
    """The display of one run, driven on the portal's loop between ``async with`` and its end."""

    def __init__(self, shell: InteractiveShell, *, enabled: bool) -> None:
        self._shell = shell
        self._enabled = enabled and getattr(shell, "kernel", None) is not None
        self.prefetch = Ahead() if self._enabled else None
        self._finished: list[Item] = []
        self._began = time.monotonic()
        self._run: Run | None = None
        self._news = False
        self._handle: DisplayHandle | None = None
        self._ticker: asyncio.Task[None] | None = None

    def watch(self, run: Run) -> None:
        """Take note that the run went on."""
        self._run, self._news = run, True

    async def __aenter__(self) -> Self:
        if self._enabled:
            self._ticker = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, kind: object, *exception: object) -> None:
        if kind is not None and self.prefetch is not None:
            self.prefetch.cancel()
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker

    def finish(self, result: ExecuteResult, *, silent: bool) -> None:
        """Put the result where the progress was, if there was any; the cell's value then shows nothing more."""
        if silent:
            self.clear()
        elif self.replace(result):
            _show_no_more(self._shell, result)

    def replace(self, result: ExecuteResult) -> bool:
        """Show a result where the progress was; False if there was none."""
        if self._handle is not None:
            self._handle.update(mimebundle(result, None, None), raw=True)
        return self._handle is not None

    def clear(self) -> None:
        """Take the progress away."""
        if self._handle is not None:
            self._handle.update({"text/plain": "", "text/html": ""}, raw=True)

    async def _tick(self) -> None:
        await asyncio.sleep(_FIRST_SECONDS)
        shown_at, size = 0.0, 0
        while True:
            now = time.monotonic()
            if self._has_news() or now - shown_at >= _CLOCK_SECONDS:
                self._news, shown_at = False, now
                size = self._publish(now - self._began)
            await asyncio.sleep(max(_PAUSE_SECONDS, size / _BYTES_PER_SECOND))

    def _has_news(self) -> bool:
        known = len(self._finished)
        self._finished = self.prefetch.ready() if self.prefetch is not None else []
        return self._news or len(self._finished) != known

    def _publish(self, seconds: float) -> int:
        """Show how it stands, and return how many characters that took."""
        from IPython.display import display

        bundle: dict[str, Any] = {
            "text/plain": live_text(self._run, seconds),
            "text/html": live_html(self._run, seconds, self._finished),
        }
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
        return len(bundle["text/html"])


def _show_no_more(shell: InteractiveShell, result: ExecuteResult) -> None:
    """Let this cell's value be the result without a second display of it; later displays are as ever."""
    vars(result)["_ipython_display_"] = lambda: None

    def forget(_outcome: object) -> None:
        vars(result).pop("_ipython_display_", None)
        shell.events.unregister("post_run_cell", forget)

    shell.events.register("post_run_cell", forget)

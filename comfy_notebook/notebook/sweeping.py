"""Shows a sweep: its grid in a notebook, live while it fills in; a bar, and then its text, in a terminal."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any, TypeAlias

from comfy_notebook.experiments.sweeps.grid import Grid
from comfy_notebook.notebook.live import (
    BYTES_PER_SECOND,
    CLOCK_SECONDS,
    PAUSE_SECONDS,
    Place,
    log_failure,
    show_no_more,
)
from comfy_notebook.notebook.show import mimebundle
from comfy_notebook.notebook.sweep_scene import Faces, scene_of, words_of
from comfy_notebook.notebook.terminal_bar import TerminalBar
from comfy_notebook.notebook.unattended import is_attended, is_kernel
from comfy_notebook.printable import printable
from comfy_notebook.servers.portal import portal

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from comfy_notebook.experiments.sweeps.result import SweepResult
    from comfy_notebook.media import Shown

Seen: TypeAlias = "SweepResult | Grid"
_IDLE_SHARE = 3.0  # times what an update took, until the next


class SweepView(Place):
    """The display of a sweep in a notebook: its empty grid at once, and what comes back as it comes."""

    def __init__(self, shell: InteractiveShell, seen: Seen, *, keeps: bool = False) -> None:
        super().__init__(shell)
        self._whole = seen
        self._grid = seen if isinstance(seen, Grid) else seen.grid()
        self._keeps = keeps  # whether nobody else puts the finished grid in its place
        self._faces = Faces(self._grid)
        self._seen: Any = None

    def begin(self, _sweep: SweepResult) -> None:
        """Show it from now on."""
        self._put(self._compose())
        portal.start(self._tick()).add_done_callback(log_failure)

    def clear(self) -> None:
        """Take it away."""
        super().clear()
        self._faces.cancel()

    async def _tick(self) -> None:
        shown_at = time.monotonic()
        pause = PAUSE_SECONDS
        sweep = self._grid.sweep
        while not sweep.done:
            await asyncio.sleep(pause)
            self._look()
            news, now = self._faces.news(), time.monotonic()
            if news != self._seen or now - shown_at >= CLOCK_SECONDS:
                self._seen, shown_at = news, now
                size = self._put(await asyncio.to_thread(self._compose))
                took = time.monotonic() - now
                pause = max(PAUSE_SECONDS, size / BYTES_PER_SECOND, _IDLE_SHARE * took)
        if self._keeps:
            self._put(await asyncio.to_thread(mimebundle, self._whole, None, None))

    def _look(self) -> None:
        with self._lock:
            if not self._over:
                self._faces.look()

    def _compose(self) -> dict[str, str]:
        from comfy_notebook.notebook.html.sweep import sweep_html

        scene = scene_of(self._grid, self._faces.now())
        return {"text/plain": printable(" · ".join(scene.words)), "text/html": sweep_html(scene)}


class SweepBar(TerminalBar):
    """The bar of a sweep in a terminal; what it will do is said before it begins."""

    def begin(self, sweep: Any) -> None:
        """Show it from now on."""
        print(printable(sweep.course.announcement), file=sys.stderr)  # noqa: T201 - to someone at a terminal
        super().begin(sweep)

    def _draw(self, sweep: Any) -> None:
        self._show(sweep.progress, ", ".join(words_of(sweep)))


class SweepAtItsEnd:
    """Shows a sweep once it is over, where nobody looks before."""

    def begin(self, _sweep: SweepResult) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""

    def clear(self) -> None:
        """Do nothing."""

    def finish(self, sweep: Shown, *, silent: bool) -> None:
        """Show it, and not again as the cell's value."""
        if not silent:
            self.replace(sweep)
            show_no_more(_shell(), sweep)

    def replace(self, sweep: Shown) -> bool:
        """Show it."""
        from IPython.display import display

        display(sweep)
        return True


def view_of(seen: Seen) -> SweepView | SweepAtItsEnd | SweepBar:
    """Return how a sweep is shown here while it is waited for."""
    shell = _shell()
    if is_attended(shell):
        return SweepView(shell, seen)
    return SweepAtItsEnd() if is_kernel(shell) else SweepBar()


def show_sweep(seen: Seen) -> None:
    """Show a sweep that is not over, live where someone looks; NotImplementedError, IPython's own, for any other."""
    sweep = seen.sweep if isinstance(seen, Grid) else seen
    shell = _shell()
    if sweep.done or not is_attended(shell):
        raise NotImplementedError
    SweepView(shell, seen, keeps=True).begin(sweep)


def grid_html(grid: Grid) -> str:
    """Return a grid as HTML; files are fetched."""
    from comfy_notebook.notebook import sweep_scene
    from comfy_notebook.notebook.html import sweep

    return sweep.sweep_html(sweep_scene.finished_scene(grid))


def grid_text(grid: Grid) -> str:
    """Return a grid as text."""
    from comfy_notebook.notebook import sweep_text

    return sweep_text.sweep_text(grid)


def sweep_html(sweep: SweepResult) -> str:
    """Return a sweep as HTML, as its usual grid; files are fetched."""
    return grid_html(sweep.grid())


def sweep_text(sweep: SweepResult) -> str:
    """Return a sweep as text, as its usual grid."""
    return grid_text(sweep.grid())


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None

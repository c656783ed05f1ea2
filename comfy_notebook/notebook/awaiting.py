"""Turns a ``%%comfy`` cell of a notebook into an awaited call, so that the kernel stays responsive meanwhile.

While a cell awaits, Interrupt and widgets work on every ipykernel; while it blocks, they do on some. A cell that
is run by other code, as under ``%%time``, cannot await: it waits on the portal instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

AWAITED = "_comfy_awaited"
_CALL = "get_ipython().run_cell_magic('comfy', "
_AWAITED_CALL = f"await get_ipython().run_cell_magic('{AWAITED}', "


class AwaitedCells:
    """The input transformer, and its knowledge of whether a cell runs already."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._cell_runs = False

    def install(self) -> None:
        """Begin to transform cells."""
        self._shell.input_transformers_post.append(self.transform)
        self._shell.events.register("pre_run_cell", self._enter)
        self._shell.events.register("post_run_cell", self._leave)

    def remove(self) -> None:
        """Stop transforming cells."""
        self._shell.input_transformers_post.remove(self.transform)
        self._shell.events.unregister("pre_run_cell", self._enter)
        self._shell.events.unregister("post_run_cell", self._leave)

    def transform(self, lines: list[str]) -> list[str]:
        """Rewrite the call that IPython made of a ``%%comfy`` cell."""
        if lines and lines[0].startswith(_CALL) and self._may_await():
            return [_AWAITED_CALL + lines[0].removeprefix(_CALL), *lines[1:]]
        return lines

    def _may_await(self) -> bool:
        in_kernel = getattr(self._shell, "kernel", None) is not None
        return in_kernel and self._shell.autoawait and not self._cell_runs

    def _enter(self, _info: object) -> None:
        self._cell_runs = True

    def _leave(self, _result: object) -> None:
        self._cell_runs = False

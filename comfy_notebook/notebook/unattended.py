"""Where nobody looks: nbclient, papermill and nbconvert run a notebook, and keep what a cell shows at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from comfy_notebook.experiments.sweeps.result import SweepResult
    from comfy_notebook.jobs import Batch, Job
    from comfy_notebook.results import ExecuteResult, ResultList

    Outcome: TypeAlias = ExecuteResult | ResultList | SweepResult


def is_kernel(shell: InteractiveShell | None) -> bool:
    """Whether the shell is a notebook's, and no terminal's."""
    return getattr(shell, "kernel", None) is not None


def is_attended(shell: InteractiveShell | None) -> bool:
    """Whether someone may look at what a notebook's kernel shows while it runs.

    A front end that people sit at can be asked for input. What runs notebooks by itself cannot: it misses updates of
    what a cell shows once the cell is over, and logs the first state of a display for all that it came to.
    """
    if not is_kernel(shell):
        return False
    try:
        request = shell.kernel.get_parent("shell")  # type: ignore[union-attr]
    except LookupError:  # ipykernel 7.0 in a thread that no cell began
        return True
    return bool(request.get("content", {}).get("allow_stdin", True))


class UnattendedView:
    """Shows nothing of a job while it runs: its result is the cell's value, and shows itself.

    Attributes
    ----------
    prefetch
        What a job is to be submitted with, so that its pictures are ready when it ends.
    """

    def __init__(self) -> None:
        from comfy_notebook.notebook.media.pipeline import Ahead

        self.prefetch = Ahead()

    def begin(self, _work: Job | Batch) -> None:
        """Do nothing."""

    def finish(self, _result: Outcome, *, silent: bool) -> None:
        """Fetch no more if nothing is shown."""
        if silent:
            self.clear()

    def replace(self, _result: Outcome) -> bool:
        """Say that there is nothing whose place a result could take."""
        return False

    def clear(self) -> None:
        """Fetch no more."""
        self.prefetch.cancel()

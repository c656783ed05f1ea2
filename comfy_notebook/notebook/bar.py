"""A progress bar's line below a cell: tqdm's own for notebooks leaves a dead widget in the saved notebook."""

from __future__ import annotations

import sys
from typing import TextIO, cast

from IPython.display import display

from comfy_notebook.notebook.unattended import is_attended


class CellFile:
    """Takes what is written to a terminal's line, and shows it in place; once the line is cleared, nothing is left."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._handle = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text: str) -> int:
        """Show a line in place of the last."""
        self._handle.update({"text/plain": text.strip()}, raw=True)
        return len(text)

    def flush(self) -> None:
        """Do nothing: it is shown at once."""

    def isatty(self) -> bool:
        """Say yes: someone looks at it."""
        return True


def bar_file() -> TextIO:
    """Return where a progress bar goes: below the cell where someone looks at it, else to the terminal, if there is."""
    ipython = sys.modules["IPython"].get_ipython()
    return cast("TextIO", CellFile()) if is_attended(ipython) else sys.stderr

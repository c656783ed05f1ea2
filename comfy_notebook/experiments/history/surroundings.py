"""Where a run comes from: the notebook or script, and the cell, as far as they are known.

Of a cell's source only that of the magics is taken: any other may hold what its user would not have kept.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_LONGEST = 4_000  # characters of a cell
_MAGICS = ("%%comfy", "%comfy")


def notebook() -> str | None:
    """Return the notebook's path or name, or the script's path; None if nothing tells it."""
    shell = _shell()
    if shell is not None:
        # VS Code's extension sets the variable, jupyter_server the environment
        named = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
        return str(named) if named else None
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    return os.path.abspath(script) if script else None  # noqa: PTH100 - it need not exist


def cell() -> dict[str, Any] | None:
    """Return the cell at work, or the last one: its number, and its source if it is one of our magics'."""
    shell = _shell()
    if shell is None:
        return None
    # not the shell's execution_count, which IPython may have counted on by now
    inputs = getattr(getattr(shell, "history_manager", None), "input_hist_raw", None) or [""]
    told: dict[str, Any] = {"number": len(inputs) - 1}
    source = inputs[-1].strip()
    if source.startswith(_MAGICS):
        told["source"] = source[:_LONGEST]
    return told


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None

"""The built-in engine as a server: one per process, started when it is first wanted."""

from __future__ import annotations

import atexit
import importlib
import multiprocessing
import os
import threading
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING

from comfy_notebook.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Collection

    from comfy_notebook.servers.embedded import Engine

LABEL = "built-in engine"
_REQUIREMENTS = ("aiohttp", "numpy", "av")
_engine: Engine | None = None
_lock = threading.Lock()


def start() -> str:
    """Start the engine, if it does not run yet, and return its URL.

    Raises
    ------
    MissingExtraError
        If the packages that it needs are not installed.
    """
    global _engine  # noqa: PLW0603 - the process has one
    with _lock:
        if _engine is None:
            missing = _missing()
            if missing:
                raise MissingExtraError(
                    f"The built-in engine needs {', '.join(missing)}.",
                    hint='Install it: pip install "comfy-notebook[embedded]"',
                )
            from comfy_notebook.servers.embedded import Engine

            _engine = Engine.start()
            atexit.register(stop)
            if multiprocessing.parent_process() is not None:  # whose children end without that
                Finalize(None, stop, exitpriority=0)
        return _engine.url


def running() -> str | None:
    """Return the engine's URL if it runs."""
    engine = _engine
    return engine.url if engine is not None else None


def stop() -> None:
    """Stop the engine if it runs; the files that it made are deleted."""
    global _engine
    with _lock:
        engine, _engine = _engine, None
    if engine is not None:
        engine.stop()


def why_not(class_types: Collection[str]) -> str | None:
    """Say why the engine will not do for these node classes unasked; None if it will."""
    missing = _missing()
    if missing:
        return 'it is not installed (pip install "comfy-notebook[embedded]")'
    from comfy_notebook.servers.embedded import STAND_INS, node_schemas

    lacking = sorted(set(class_types) - set(node_schemas()))
    if lacking:
        return f"it does not have {_few(lacking)}"
    pretended = sorted(STAND_INS.intersection(class_types))
    if pretended:
        return f"it has no models, and only abstract stand-ins for {_few(pretended)}"
    return None


def _missing() -> list[str]:
    missing = []
    for name in _REQUIREMENTS:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    return missing


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _forget() -> None:
    """In a forked child: the engine is its parent's, and a worker has one of its own."""
    global _engine, _lock
    _engine, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forget)

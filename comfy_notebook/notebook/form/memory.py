"""Keeps a form's values: for as long as the kernel lives, and on disk for the next one."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from comfy_notebook import settings
from comfy_notebook.data_folder import data_folder
from comfy_notebook.experiments.history.privacy import names_secret
from comfy_notebook.notebook.form.session import Session
from comfy_notebook.servers.portal import portal

if TYPE_CHECKING:
    from comfy_notebook.experiments.history.privacy import Secrets
    from comfy_notebook.notebook.form.state import FormState
    from comfy_notebook.workflow.document import Workflow

_PAUSE_SECONDS = 0.5  # without a change, before it is written
_LARGEST = 1_000_000  # bytes; what is larger is no set of values
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Kept:
    """What this kernel keeps of one form: its values, and its runs."""

    values: dict[str, Any] = field(default_factory=dict)
    loose: set[str] | None = None
    session: Session = field(default_factory=Session)


_kept: dict[str, Kept] = {}


class Memory:
    """What is kept of the form of one workflow, whatever became of the form itself.

    Parameters
    ----------
    workflow
        Whose form it is.
    secrets
        What must not be written down.
    """

    def __init__(self, workflow: Workflow, secrets: Secrets) -> None:
        self._secrets = secrets
        content = json.dumps([workflow.name, workflow.graph, dict(workflow.values)], sort_keys=True, default=repr)
        self.key = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self._changes = 0

    @property
    def kept(self) -> Kept:
        """What this kernel has; what an earlier one left is read once."""
        if self.key not in _kept:
            _kept[self.key] = self._read()
        return _kept[self.key]

    def restore(self, state: FormState) -> None:
        """Give a form the values that it had when it was shown last."""
        state.take(self.kept.values, self.kept.loose)

    def note(self, state: FormState) -> None:
        """Keep a form's values, and write them down in a moment."""
        kept = self.kept
        kept.values, kept.loose = state.changed(), set(state.loose)
        self._changes += 1
        if settings.is_history_on():
            portal.start(self._write_soon(self._changes, kept, self._path()))

    async def _write_soon(self, change: int, kept: Kept, path: Path) -> None:
        await asyncio.sleep(_PAUSE_SECONDS)
        if change == self._changes:
            await asyncio.to_thread(write, kept, path, self._secrets)

    def _read(self) -> Kept:
        """Read what was written down; what cannot be read is as if it were not there."""
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, LookupError):
            path = self._path()
            if settings.is_history_on() and path.stat().st_size <= _LARGEST:
                content = json.loads(path.read_text(encoding="utf-8"))
                return Kept(dict(content["values"].items()), {str(name) for name in content["loose"]})
        return Kept()

    def _path(self) -> Path:
        return data_folder() / "forms" / f"{self.key}.json"


def write(kept: Kept, path: Path, secrets: Secrets) -> None:
    """Write values down, but for secrets and for what lives in this kernel alone; that it fails is told in the log."""
    plain = {name: str(value) if isinstance(value, PurePath) else value for name, value in kept.values.items()}

    def may_be_kept(name: str, value: Any) -> bool:
        return not names_secret(name) and _is_json(value) and secrets.cleaned(text := json.dumps(value)) == text

    content = {
        "values": {name: value for name, value in plain.items() if may_be_kept(name, value)},
        "loose": sorted(kept.loose or ()),
    }
    try:
        _replace(path, json.dumps(content, ensure_ascii=False))
    except OSError as error:
        _log.warning("the form's values could not be kept: %s", error)


def _is_json(value: Any) -> bool:
    """Whether a value comes back from JSON as it was: a result's picture does not, though it is a str."""
    if type(value) in (list, dict):
        items = value if isinstance(value, list) else value.values()
        return all(_is_json(item) for item in items)
    return type(value) in (str, int, float, bool, type(None))


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all; OSError if it cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text)
        Path(name).replace(path)
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink()

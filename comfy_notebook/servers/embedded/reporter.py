"""What clients are told while a prompt runs, and what its history keeps."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

from comfy_notebook.servers.embedded.queue import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

    from comfy_notebook.servers.embedded.queue import Job
    from comfy_notebook.servers.embedded.sockets import Sockets
    from comfy_notebook.servers.embedded.values import Preview

_LARGEST_PREVIEW = 512
_PREVIEW_QUALITY = 90
# progress_state repeats all nodes each time: over a long chain that would be gigabytes
_NODES_SHOWN_EACH_TIME = 200
_SECONDS_BETWEEN_LONG_STATES = 0.1


class Reporter:
    """Tells of one run. A run without a client is told of to all, as far as ComfyUI does that."""

    def __init__(self, job: Job, sockets: Sockets) -> None:
        self.record = Record()
        self.current: str | None = None
        self._job = job
        self._sockets = sockets
        self._states: dict[str, dict[str, Any]] = {}
        self._last_state = 0.0

    def started(self) -> None:
        """Tell that the run begins."""
        self._note("execution_start", {})

    def cached(self, node_ids: list[str]) -> None:
        """Tell which nodes need not run."""
        self._note("execution_cached", {"nodes": node_ids})

    def node_started(self, node_id: str) -> None:
        """Tell that a node begins."""
        self.current = node_id
        self._state(node_id, "running", 0, 1)
        self._tell("executing", {"node": node_id, "display_node": node_id, "prompt_id": self._job.prompt_id})

    def progress(self, node_id: str, value: int, total: int, preview: Preview | None) -> None:
        """Tell how many of its steps a node has done."""
        self._state(node_id, "running", value, total)
        data = {"value": value, "max": total, "prompt_id": self._job.prompt_id, "node": node_id}
        preview_first = self._sockets.understands_metadata(self._job.client_id)
        if preview_first:
            self._preview(node_id, preview)
        self._sockets.send("progress", data, self._job.client_id)
        if not preview_first:
            self._preview(node_id, preview)

    def node_output(self, node_id: str, output: Mapping[str, Any]) -> None:
        """Tell what a node has to show."""
        self.record.outputs[node_id] = output
        self.record.meta[node_id] = {
            "node_id": node_id,
            "display_node": node_id,
            "parent_node": None,
            "real_node_id": node_id,
        }
        data = {"node": node_id, "display_node": node_id, "output": output, "prompt_id": self._job.prompt_id}
        self._tell("executed", data)

    def node_finished(self, node_id: str) -> None:
        """Tell that a node has ended well, or need not run."""
        total = self._states.get(node_id, {"max": 1})["max"]
        self._state(node_id, "finished", total, total)

    def succeeded(self) -> None:
        """Tell that the run has ended well."""
        self.record.completed = True
        self._state_now()
        self._note("execution_success", {})

    def failed(self, details: Mapping[str, Any]) -> None:
        """Tell what error has ended the run."""
        self._note("execution_error", details)

    def interrupted(self, details: Mapping[str, Any]) -> None:
        """Tell that the run was interrupted; a run without a client tells all, as in ComfyUI."""
        self._note("execution_interrupted", details, to_all=True)

    def ended(self) -> None:
        """Tell that nothing more will come of this run."""
        self.current = None
        self._tell("executing", {"node": None, "prompt_id": self._job.prompt_id})

    def _note(self, kind: str, details: Mapping[str, Any], *, to_all: bool = False) -> None:
        stamp = int(time.time() * 1000)
        data = {**details, "prompt_id": self._job.prompt_id, "timestamp": stamp}
        self.record.messages.append((kind, data))
        if to_all or self._job.client_id is not None:
            self._sockets.send(kind, data, self._job.client_id)

    def _tell(self, kind: str, data: Mapping[str, Any]) -> None:
        if self._job.client_id is not None:
            self._sockets.send(kind, data, self._job.client_id)

    def _state(self, node_id: str, state: str, value: int, total: int) -> None:
        self._states[node_id] = {
            "value": value,
            "max": total,
            "state": state,
            "node_id": node_id,
            "prompt_id": self._job.prompt_id,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }
        few = len(self._states) <= _NODES_SHOWN_EACH_TIME
        if few or time.monotonic() - self._last_state > _SECONDS_BETWEEN_LONG_STATES:
            self._send_states()

    def _state_now(self) -> None:
        if len(self._states) > _NODES_SHOWN_EACH_TIME:  # the last ones may have been left out
            self._send_states()

    def _send_states(self) -> None:
        self._last_state = time.monotonic()
        data = {"prompt_id": self._job.prompt_id, "nodes": self._states}
        self._sockets.send("progress_state", data, self._job.client_id)

    def _preview(self, node_id: str, preview: Preview | None) -> None:
        if preview is None or not self._sockets.watched(self._job.client_id):
            return
        about = {
            "node_id": node_id,
            "prompt_id": self._job.prompt_id,
            "display_node_id": node_id,
            "parent_node_id": None,
            "real_node_id": node_id,
        }
        self._sockets.preview(_jpeg(preview()), about, self._job.client_id)


def _jpeg(image: Image.Image) -> bytes:
    image.thumbnail((_LARGEST_PREVIEW, _LARGEST_PREVIEW))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_PREVIEW_QUALITY)
    return content.getvalue()

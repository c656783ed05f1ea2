"""The server's messages as typed events: everything a run's follower needs, nothing it must guess at.

Reading never fails. What is malformed or unknown, as custom nodes send it, is no event.

Source: ComfyUI 0.3.75 to 0.38, ``/ws``; text frames ``{"type", "data"}``, binary frames with a big-endian
number in front.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4
_LATEST = 1e15  # milliseconds; what is beyond is no time
_IMAGE_STARTS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp"}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the server told; ``prompt_id`` is None where it does not say of which run."""

    prompt_id: str | None


@dataclass(frozen=True, slots=True)
class QueueStatus(Event):
    """How many runs are queued or running, everyone's together."""

    remaining: int


@dataclass(frozen=True, slots=True)
class Started(Event):
    """The run left the queue; ``stamp`` is when, in seconds by the server's clock, None if it does not say."""

    stamp: float | None = None


@dataclass(frozen=True, slots=True)
class Cached(Event):
    """These nodes need not run."""

    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Executing(Event):
    """A node begins. ``node`` is the id as run, ``display_node`` that in the workflow it stands for."""

    node: str
    display_node: str


@dataclass(frozen=True, slots=True)
class NodeProgress(Event):
    """A node is at ``value`` of ``maximum``."""

    node: str
    value: float
    maximum: float


@dataclass(frozen=True, slots=True)
class NodeStates(Event):
    """Every node that began so far: id → (state, value, maximum, display node)."""

    nodes: Mapping[str, tuple[str, float, float, str]]


@dataclass(frozen=True, slots=True)
class Executed(Event):
    """A node has an output."""

    node: str
    display_node: str
    output: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Preview(Event):
    """A picture of what is in the making; ``node`` is None where the server does not say."""

    node: str | None
    image: bytes = field(repr=False)
    mime: str


@dataclass(frozen=True, slots=True)
class Succeeded(Event):
    """All nodes ran; ``stamp`` as in :class:`Started`."""

    stamp: float | None = None


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """A node raised an exception; ``data`` is the message as it came, ``stamp`` as in :class:`Started`."""

    data: Mapping[str, Any] = field(repr=False)
    stamp: float | None = None


@dataclass(frozen=True, slots=True)
class Interrupted(Event):
    """The run was interrupted; ``stamp`` as in :class:`Started`."""

    stamp: float | None = None


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """The run is over, and its history written."""


def read_text(frame: str) -> Event | None:
    """Read a text frame; None if it is not an event we know."""
    try:
        message = json.loads(frame)
        kind, data = message["type"], message["data"]
        reader = _READERS.get(kind)
        return reader(data, _text(data.get("prompt_id"))) if reader else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None


def is_garbled(frame: str) -> bool:
    """Whether a text frame is not even JSON, so that an event may be lost with it."""
    try:
        json.loads(frame)
    except (ValueError, RecursionError):
        return True
    return False


def read_binary(frame: bytes) -> Preview | None:
    """Read a binary frame; None if it is not a preview picture."""
    if len(frame) < 8:
        return None
    kind, second = struct.unpack_from(">II", frame)
    if kind == _PREVIEW:
        return _preview(None, None, frame[8:])
    if kind == _PREVIEW_WITH_METADATA:
        try:
            metadata = json.loads(frame[8 : 8 + second])
            node = metadata.get("display_node_id") or metadata.get("node_id")
            return _preview(_text(metadata.get("prompt_id")), _text(node), frame[8 + second :])
        except (ValueError, AttributeError, RecursionError):
            return None
    return None


def _preview(prompt_id: str | None, node: str | None, image: bytes) -> Preview | None:
    mime = next((mime for start, mime in _IMAGE_STARTS.items() if image.startswith(start)), None)
    return Preview(prompt_id, node, image, mime) if mime else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def stamp_of(data: Mapping[str, Any]) -> float | None:
    """Return when a message was made, in seconds by the server's clock; None if it does not say."""
    milliseconds = data.get("timestamp")
    return milliseconds / 1000 if isinstance(milliseconds, int | float) and 0 <= milliseconds < _LATEST else None


def _executing(data: Mapping[str, Any], prompt_id: str | None) -> Event | None:
    node = data["node"]
    if node is None:
        return Ended(prompt_id)
    return Executing(prompt_id, str(node), str(data.get("display_node") or node))


def _executed(data: Mapping[str, Any], prompt_id: str | None) -> Event | None:
    output = data["output"]
    if not isinstance(output, dict):
        return None  # a cached output node without an output: null
    node = str(data["node"])
    return Executed(prompt_id, node, str(data.get("display_node") or node), output)


def _node_states(data: Mapping[str, Any], prompt_id: str | None) -> Event:
    nodes = {
        str(node): (
            str(state["state"]),
            float(state["value"]),
            float(state["max"]),
            str(state.get("display_node_id") or node),
        )
        for node, state in data["nodes"].items()
    }
    return NodeStates(prompt_id, nodes)


_READERS: dict[str, Callable[[Mapping[str, Any], str | None], Event | None]] = {
    "status": lambda data, _: QueueStatus(None, int(data["status"]["exec_info"]["queue_remaining"])),
    "execution_start": lambda data, prompt_id: Started(prompt_id, stamp_of(data)),
    "execution_cached": lambda data, prompt_id: Cached(prompt_id, tuple(map(str, data["nodes"]))),
    "executing": _executing,
    "progress": lambda data, prompt_id: NodeProgress(
        prompt_id, str(data["node"]), float(data["value"]), float(data["max"])
    ),
    "progress_state": _node_states,
    "executed": _executed,
    "execution_success": lambda data, prompt_id: Succeeded(prompt_id, stamp_of(data)),
    "execution_error": lambda data, prompt_id: Failed(prompt_id, data, stamp_of(data)),
    "execution_interrupted": lambda data, prompt_id: Interrupted(prompt_id, stamp_of(data)),
}

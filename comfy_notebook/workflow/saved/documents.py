"""Reads the workflow in files that have JSON in them: SVG, GLB and safetensors."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

from comfy_notebook.workflow.saved.bounds import LARGEST, DamagedError, take
from comfy_notebook.workflow.saved.texts import Entries, decoded, members


def svg(stream: BinaryIO) -> Entries:
    """Read the JSON that ComfyUI puts first in an SVG, in its `<metadata>`."""
    text = decoded(stream.read(LARGEST))
    _, found, content = text.partition("<metadata>")[2].partition("<![CDATA[")
    if found:
        yield from members(_parsed(content.lstrip()))


def glb(stream: BinaryIO) -> Entries:
    """Read the extras of a 3D model's asset, in its first chunk."""
    stream.seek(12)
    length = int.from_bytes(take(stream, 4), "little")
    document = _parsed(decoded(take(stream, 4 + length)[4:]))
    yield from members(_member(_member(document, "asset"), "extras"))


def safetensors(stream: BinaryIO) -> Entries:
    """Read the metadata of tensors, as SaveLatent and the model savers write it."""
    length = int.from_bytes(take(stream, 8), "little")
    yield from members(_member(_parsed(decoded(take(stream, length))), "__metadata__"))


def _member(document: Any, key: str) -> Any:
    return document.get(key) if isinstance(document, dict) else None


def _parsed(text: str) -> Any:
    """Parse the JSON that the text begins with."""
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except (ValueError, RecursionError):
        raise DamagedError("its metadata is no JSON") from None

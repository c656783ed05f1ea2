"""Reads the workflow that ComfyUI wrote into a picture, a video, a sound or another file that it saved."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from comfy_notebook.errors import WorkflowError
from comfy_notebook.workflow.saved import avif, documents, mp4, pictures, tags
from comfy_notebook.workflow.saved.bounds import DamagedError
from comfy_notebook.workflow.saved.kinds import HEAD, is_media, kind_of
from comfy_notebook.workflow.saved.texts import json_object

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from comfy_notebook.workflow.saved.texts import Entries

__all__ = ["Saved", "is_media", "read_saved"]

_READERS: dict[str, Callable[[BinaryIO], Entries]] = {
    "png": pictures.png,
    "jpeg": pictures.jpeg,
    "webp": pictures.webp,
    "avif": avif.avif,
    "mp4": mp4.mp4,
    "svg": documents.svg,
    "glb": documents.glb,
    "safetensors": documents.safetensors,
}
_WITHOUT = frozenset({"gif", "wav", "avi"})  # no saver is known that puts a workflow into them
_WHY = (
    "ComfyUI writes it into what it saves, unless it runs with --disable-metadata. Chat apps, web sites, editors and "
    "screenshots leave it out: use the file as ComfyUI saved it, or the workflow's JSON."
)


class Saved(NamedTuple):
    """What a file says about how it was made: JSON texts, as they are in the file."""

    prompt: str | None
    """The graph that ran, in ComfyUI's API format."""
    workflow: str | None
    """The same as the editor had it, in its own format."""


def read_saved(file: Path | bytes, name: str) -> Saved:
    """Read the workflow in a file that ComfyUI saved.

    Only the parts that may hold it are read: no pixels, frames or samples, however long the file is.

    Parameters
    ----------
    file
        A path, or the file's content.
    name
        What errors call the file.

    Returns
    -------
    Saved
        With a prompt, a workflow, or both.

    Raises
    ------
    WorkflowError
        If the file cannot be read, is of no kind that ComfyUI saves, or has no workflow in it.
    MissingExtraError
        If it is a video other than MP4, or a sound, and PyAV is not installed.
    """
    found: dict[str, str] = {}
    trouble = ""
    try:
        with _opened(file, name) as stream:
            for key, text in _entries(stream, name):
                document = json_object(text)
                if document and key.lower() in Saved._fields:
                    found[key.lower()] = document
    except DamagedError as error:  # what came before is as good as ever
        trouble = f" that can be read: {error}"
    except OSError as error:
        trouble = f" that can be read: {error.strerror or error}"
    if not found:
        raise WorkflowError(f"{name} has no workflow in it{trouble}.", hint=_WHY)
    return Saved(found.get("prompt"), found.get("workflow"))


def _opened(file: Path | bytes, name: str) -> BinaryIO:
    if isinstance(file, bytes):
        return io.BytesIO(file)
    try:
        if not file.is_file():  # a pipe or a device may have no end
            raise WorkflowError(f"{name} is not a file.")
        return file.open("rb")
    except OSError as error:
        raise WorkflowError(f"{name} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:  # a NUL in the path
        raise WorkflowError(f"{name} cannot be read: {error}.") from None


def _entries(stream: BinaryIO, name: str) -> Entries:
    kind = kind_of(stream.read(HEAD))
    if kind is None:
        raise WorkflowError(f"{name} is no picture, video or sound, nor another file that ComfyUI saves.")
    stream.seek(0)
    if kind in _WITHOUT:
        return iter(())
    return _READERS[kind](stream) if kind in _READERS else tags.entries(stream, kind)

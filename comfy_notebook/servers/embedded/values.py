"""What travels between nodes, and what a node may ask of the run it belongs to.

========  ==================================================================================
IMAGE     float32 array [batch, height, width, channels], 0 is black and 1 is white
MASK      float32 array [batch, height, width], 1 where the picture is masked out
AUDIO     {"waveform": float32 array [batch, channels, samples] in -1..1, "sample_rate": Hz}
LATENT    {"samples": float32 array [batch, 4, height / 8, width / 8], and what art/ adds}
VIDEO     `Video`: pictures, their rate, and perhaps sound
========  ==================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

    from comfy_notebook.servers.embedded.files import Files

Floats = NDArray[np.float32]
Preview = Callable[[], "Image.Image"]


class Audio(TypedDict):
    """Sound: `waveform` is [batch, channels, samples], `sample_rate` is in Hz."""

    waveform: Floats
    sample_rate: int


@dataclass(frozen=True)
class Video:
    """Pictures [frames, height, width, 3] shown `fps` a second, with or without sound."""

    images: Floats
    fps: float
    audio: Audio | None = None


@dataclass(frozen=True)
class Outcome:
    """What a node gives back: one value for each of its outputs, and what the page is told."""

    values: tuple[Any, ...] = ()
    ui: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Run:
    """The run as its node sees it.

    ``check`` raises `Interrupted` when somebody has asked for the run to end. ``report`` takes the steps
    done, the steps there are, and a function that makes the preview, called only if anybody looks.
    """

    files: Files
    prompt: Mapping[str, Any]
    check: Callable[[], None]
    report: Callable[[int, int, Preview | None], None]
    extra_pnginfo: Mapping[str, Any] | None = field(default=None)


class Interrupted(Exception):  # noqa: N818 - it is no error: somebody asked for it
    """The run was asked to end."""


def to_bytes(images: Floats) -> NDArray[np.uint8]:
    """Give pictures in 0..1 as bytes, rounded down as ComfyUI does."""
    return np.asarray(np.clip(images * np.float32(255), 0, 255), np.uint8)

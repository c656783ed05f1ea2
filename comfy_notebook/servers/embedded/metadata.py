"""Where saved files carry the workflow that made them, as ComfyUI puts it and its page looks for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from PIL import Image, PngImagePlugin

if TYPE_CHECKING:
    from comfy_notebook.servers.embedded.values import Run

_EXIF_PROMPT = 0x0110
_EXIF_FIRST_EXTRA = 0x010F


def entries(run: Run) -> dict[str, str]:
    """Give what a file of this run carries: `prompt`, and each key of extra_pnginfo, as ASCII JSON."""
    extra = run.extra_pnginfo or {}
    return {"prompt": json.dumps(run.prompt), **{key: json.dumps(value) for key, value in extra.items()}}


def png_text(run: Run) -> PngImagePlugin.PngInfo:
    """Give the text chunks of a PNG."""
    info = PngImagePlugin.PngInfo()
    for key, value in entries(run).items():
        info.add_text(key, value)
    return info


def animated_png_chunks(run: Run) -> PngImagePlugin.PngInfo:
    """Give the private chunks of an animated PNG, which stand after the first picture's data."""
    info = PngImagePlugin.PngInfo()
    for key, value in entries(run).items():
        content = key.encode("latin-1", "strict") + b"\0" + value.encode("latin-1", "strict")
        info.add(b"comf", content, after_idat=True)
    return info


def webp_exif(run: Run) -> Image.Exif:
    """Give the EXIF of a WebP: the prompt under Model, all else from Make downwards."""
    exif = Image.Exif()
    tag = _EXIF_FIRST_EXTRA
    for key, value in entries(run).items():
        if key == "prompt":
            exif[_EXIF_PROMPT] = f"{key}:{value}"
        else:
            exif[tag] = f"{key}:{value}"
            tag -= 1
    return exif

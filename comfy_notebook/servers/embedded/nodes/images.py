"""Nodes that make, load, invert, join and save pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, ImageSequence

from comfy_notebook.servers.embedded import metadata
from comfy_notebook.servers.embedded.nodes.transform import scaled
from comfy_notebook.servers.embedded.values import Floats, Outcome, Run, to_bytes

if TYPE_CHECKING:
    from comfy_notebook.servers.embedded.files import Series

_NO_MASK = (64, 64)
_CHANNELS = {"red": "R", "green": "G", "blue": "B", "alpha": "A"}
_WEBP_EFFORT = {"default": 4, "fastest": 0, "slowest": 6}
_OUTPUT_COMPRESSION = 4
_TEMP_COMPRESSION = 1


def empty_image(*, width: int, height: int, batch_size: int, color: int) -> tuple[Floats]:
    """Give pictures [batch_size, height, width, 3] of one colour, 0xRRGGBB."""
    rgb = np.array([color >> 16 & 0xFF, color >> 8 & 0xFF, color & 0xFF], np.float32) / np.float32(255)
    return (np.broadcast_to(rgb, (batch_size, height, width, 3)).copy(),)


def load_image(run: Run, *, image: str) -> Outcome:
    """Give the pictures [frames, height, width, 3] of a file, and their masks [frames, height, width].

    Where there is no alpha channel, the mask is empty and 64 pixels wide and high, as in ComfyUI.
    """
    pictures: list[Floats] = []
    masks: list[Floats] = []
    size = None
    with Image.open(run.files.find(image)) as file:
        for frame in ImageSequence.Iterator(file):
            upright = _upright(frame)
            size = size or upright.size
            if upright.size == size:
                pictures.append(_array(upright.convert("RGB")))
                masks.append(_mask_of(upright))
            if file.format == "MPO":  # the other pictures of a stereo photograph
                break
            run.check()
    return Outcome((np.stack(pictures), np.stack(masks)))


def load_image_mask(run: Run, *, image: str, channel: str) -> Outcome:
    """Give one channel of a picture as a mask [1, height, width]; alpha is inverted: opaque is 0."""
    with Image.open(run.files.find(image)) as file:
        upright = _upright(file)
    values = _array(upright.convert("RGBA").getchannel(_CHANNELS[channel]))
    return Outcome((((1 - values) if channel == "alpha" else values)[np.newaxis],))


def image_invert(*, image: Floats) -> tuple[Floats]:
    """Give the negative."""
    return (1 - image,)


def image_batch(*, image1: Floats, image2: Floats) -> tuple[Floats]:
    """Put the pictures of both in one batch; the second are scaled and cropped to the size of the first."""
    height, width = image1.shape[1:3]
    if image2.shape[1:3] != (height, width):
        image2 = scaled(image2, "bilinear", width, height, crop="center")
    return (np.concatenate([image1, image2]),)


def save_image(run: Run, *, images: Floats, filename_prefix: str) -> Outcome:
    """Save each picture as a PNG in the output folder."""
    series = _series(run, images, filename_prefix)
    return _saved(run, images, series, _OUTPUT_COMPRESSION)


def preview_image(run: Run, *, images: Floats) -> Outcome:
    """Save each picture as a PNG in the temporary folder."""
    series = _series(run, images, run.files.temp_prefix, kind="temp")
    return _saved(run, images, series, _TEMP_COMPRESSION)


def save_animated_webp(
    run: Run,
    *,
    images: Floats,
    filename_prefix: str,
    fps: float,
    lossless: bool,
    quality: int,
    method: str,
) -> Outcome:
    """Save the batch as one animated WebP, `fps` pictures a second."""
    return _animated(
        run, images, filename_prefix, ".webp",
        format="WEBP",
        duration=int(1000.0 / fps),
        exif=metadata.webp_exif(run),
        lossless=lossless,
        quality=quality,
        method=_WEBP_EFFORT[method],
    )  # fmt: skip


def save_animated_png(
    run: Run,
    *,
    images: Floats,
    filename_prefix: str,
    fps: float,
    compress_level: int,
) -> Outcome:
    """Save the batch as one animated PNG, `fps` pictures a second."""
    return _animated(
        run, images, filename_prefix, ".png",
        format="PNG",
        pnginfo=metadata.animated_png_chunks(run),
        compress_level=compress_level,
        duration=int(1000.0 / fps),
    )  # fmt: skip


def _array(image: Image.Image) -> Floats:
    return np.asarray(image, np.float32) / np.float32(255)


def _upright(image: Image.Image) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    if image.mode == "I":
        # 32-bit integers come from 16-bit files; converting them as they are would clip all but the darkest
        return image.point(lambda value: value * (1 / 255))
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA")
    return image


def _mask_of(image: Image.Image) -> Floats:
    if "A" in image.getbands():
        return np.float32(1) - _array(image.getchannel("A"))
    return np.zeros(_NO_MASK, np.float32)


def _series(run: Run, images: Floats, prefix: str, kind: str = "output") -> Series:
    return run.files.series(prefix, kind, (images.shape[2], images.shape[1]))


def _saved(run: Run, images: Floats, series: Series, compression: int) -> Outcome:
    info = metadata.png_text(run)
    saved = []
    for index, pixels in enumerate(images):
        run.check()
        content = io.BytesIO()
        Image.fromarray(to_bytes(pixels)).save(content, "PNG", pnginfo=info, compress_level=compression)
        saved.append(series.save(content.getvalue(), ".png", index))
    return Outcome(ui={"images": saved})


def _animated(run: Run, images: Floats, prefix: str, suffix: str, **options: Any) -> Outcome:
    frames = [Image.fromarray(to_bytes(pixels)) for pixels in images]
    content = io.BytesIO()
    frames[0].save(content, save_all=True, append_images=frames[1:], **options)
    saved = _series(run, images, prefix).save(content.getvalue(), suffix)
    return Outcome(ui={"images": [saved], "animated": [True]})

"""Nodes that scale, crop, blend and blur pictures, with the arithmetic of ComfyUI's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from comfy_notebook.servers.embedded.values import Floats, to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_BICUBIC_SHARPNESS = -0.75
Taps = tuple["NDArray[np.intp]", Floats]


def image_scale(
    *,
    image: Floats,
    upscale_method: str,
    width: int,
    height: int,
    crop: str,
) -> tuple[Floats]:
    """Scale to a width and height; one that is 0 follows from the other, both 0 leave the picture."""
    if width == 0 and height == 0:
        return (image,)
    own_height, own_width = image.shape[1:3]
    width = width or max(1, round(own_width * height / own_height))
    height = height or max(1, round(own_height * width / own_width))
    return (scaled(image, upscale_method, width, height, crop),)


def image_scale_by(*, image: Floats, upscale_method: str, scale_by: float) -> tuple[Floats]:
    """Scale both sides by a factor."""
    height, width = image.shape[1:3]
    return (scaled(image, upscale_method, round(width * scale_by), round(height * scale_by)),)


def image_crop(*, image: Floats, width: int, height: int, x: int, y: int) -> tuple[Floats]:
    """Cut out a rectangle, which is smaller where it would reach over the edge."""
    x = min(x, image.shape[2] - 1)
    y = min(y, image.shape[1] - 1)
    return (image[:, y : y + height, x : x + width],)


def image_blend(*, image1: Floats, image2: Floats, blend_factor: float, blend_mode: str) -> tuple[Floats]:
    """Mix two pictures; the second is scaled and cropped to the size of the first."""
    if blend_mode not in _BLENDS:
        raise ValueError(f"Unsupported blend mode: {blend_mode}")
    if image1.shape != image2.shape:
        image2 = scaled(image2, "bicubic", image1.shape[2], image1.shape[1], crop="center")
    blended = _BLENDS[blend_mode](image1, image2)
    factor = np.float32(blend_factor)
    return (np.clip(image1 * (1 - factor) + blended * factor, 0, 1),)


def image_blur(*, image: Floats, blur_radius: int, sigma: float) -> tuple[Floats]:
    """Blur with a Gaussian whose `sigma` counts in radii, not in pixels."""
    offsets = np.linspace(-1, 1, 2 * blur_radius + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).astype(np.float32)
    padded = np.pad(image, [(0, 0), (blur_radius, blur_radius), (blur_radius, blur_radius), (0, 0)], mode="reflect")
    height, width = image.shape[1:3]
    columns = sum(weight * padded[:, :, i : i + width] for i, weight in enumerate(weights))
    rows = sum(weight * columns[:, i : i + height] for i, weight in enumerate(weights))
    return (np.asarray(rows, np.float32),)


def scaled(image: Floats, method: str, width: int, height: int, crop: str = "disabled") -> Floats:
    """Scale pictures [batch, height, width, channels] to a size, after cutting them to its shape if asked.

    Parameters
    ----------
    image
        The pictures.
    method
        "nearest-exact", "bilinear", "area", "bicubic" or "lanczos". Only the last works on bytes, and only
        "area" and "lanczos" look at all pixels when they make a picture smaller.
    width, height
        The size wanted, in pixels.
    crop
        "center" cuts left and right, or top and bottom; "disabled" distorts.

    Raises
    ------
    ValueError
        If nothing would be left of the picture.
    """
    if width < 1 or height < 1:
        raise ValueError(f"a picture cannot be scaled to {width} x {height} pixels")
    if crop == "center":
        image = _cut_to_shape(image, width, height)
    if method == "lanczos":
        return _lanczos(image, width, height)
    if method == "area":
        return _area(_area(image, 2, width), 1, height)
    taps = {"nearest-exact": _nearest, "bilinear": _bilinear, "bicubic": _bicubic}[method]
    image = _resample(image, 2, taps(image.shape[2], width))
    return _resample(image, 1, taps(image.shape[1], height))


def _cut_to_shape(image: Floats, width: int, height: int) -> Floats:
    own_height, own_width = image.shape[1:3]
    own_aspect, aspect = own_width / own_height, width / height
    x = y = 0
    if own_aspect > aspect:
        x = round((own_width - own_width * (aspect / own_aspect)) / 2)
    elif own_aspect < aspect:
        y = round((own_height - own_height * (own_aspect / aspect)) / 2)
    return image[:, y : own_height - y, x : own_width - x]


def _positions(old: int, new: int) -> NDArray[np.float64]:
    return np.asarray((np.arange(new) + 0.5) * (old / new) - 0.5, np.float64)


def _nearest(old: int, new: int) -> Taps:
    # in single precision, so that where two pixels are equally near, it is the same one that is taken
    position = (np.arange(new, dtype=np.float32) + np.float32(0.5)) * np.float32(old / new)
    index = np.minimum(position.astype(np.intp), old - 1)
    return index[np.newaxis], np.ones((1, new), np.float32)


def _bilinear(old: int, new: int) -> Taps:
    position = np.maximum(_positions(old, new), 0)
    left = np.minimum(position.astype(np.intp), old - 1)
    share = (position - left).astype(np.float32)
    return np.stack([left, np.minimum(left + 1, old - 1)]), np.stack([1 - share, share])


def _bicubic(old: int, new: int) -> Taps:
    position = _positions(old, new)
    left = np.floor(position)
    index = np.clip(left + np.arange(-1, 3)[:, np.newaxis], 0, old - 1).astype(np.intp)
    distance = np.abs(position - left - np.arange(-1, 3)[:, np.newaxis])
    a = _BICUBIC_SHARPNESS
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return index, np.where(distance <= 1, near, far).astype(np.float32)


def _resample(image: Floats, axis: int, taps: Taps) -> Floats:
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    total: Any = 0
    for index, weight in zip(*taps, strict=True):
        total = total + np.take(image, index, axis) * weight.reshape(shape)
    return np.asarray(total, np.float32)


def _area(image: Floats, axis: int, new: int) -> Floats:
    old = image.shape[axis]
    if old == new:
        return image
    start = np.arange(new) * old // new
    end = -(-(np.arange(1, new + 1) * old) // new)
    sums = np.cumsum(image, axis, dtype=np.float64)
    padding = [(0, 0)] * 4
    padding[axis] = (1, 0)
    sums = np.pad(sums, padding)
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    means = (np.take(sums, end, axis) - np.take(sums, start, axis)) / (end - start).reshape(shape)
    return np.asarray(means, np.float32)


def _lanczos(image: Floats, width: int, height: int) -> Floats:
    resized = [Image.fromarray(to_bytes(pixels)).resize((width, height), Image.Resampling.LANCZOS) for pixels in image]
    return np.stack([np.asarray(each, np.float32) / np.float32(255) for each in resized])


def _overlay(a: Floats, b: Floats) -> Floats:
    return np.where(a <= np.float32(0.5), 2 * a * b, 1 - 2 * (1 - a) * (1 - b))


def _soft_light(a: Floats, b: Floats) -> Floats:
    curve = np.where(a <= np.float32(0.25), ((16 * a - 12) * a + 4) * a, np.sqrt(a))
    lighter = a + (2 * b - 1) * (curve - a)
    return np.where(b <= np.float32(0.5), a - (1 - 2 * b) * a * (1 - a), lighter)


_BLENDS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "normal": lambda _, b: b,
    "multiply": lambda a, b: a * b,
    "screen": lambda a, b: 1 - (1 - a) * (1 - b),
    "overlay": _overlay,
    "soft_light": _soft_light,
    "difference": lambda a, b: a - b,
}

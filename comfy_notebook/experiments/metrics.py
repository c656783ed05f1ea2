"""How far two pictures are from each other, in numbers and as a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

_WINDOW = 7  # pixels, of scikit-image's SSIM: no side may be shorter
_STRONGEST = 64  # how much stronger a difference is drawn, at most
_DEEP = {"I;16": 65535, "I;16B": 65535, "I;16L": 65535}  # largest value by mode


@dataclass(frozen=True, slots=True)
class Metrics:
    """How far two pictures of one size are from each other.

    Attributes
    ----------
    mean_absolute_difference
        Of all channels of all pixels, from 0 to 1, which is black against white; None if it cannot be told.
    psnr
        The peak signal-to-noise ratio in dB, infinite where they are the same; None likewise.
    ssim
        The mean structural similarity, 1 where they are the same, with scikit-image's defaults; None likewise, and
        where scikit-image is not installed.
    note
        Why something is None, else "".
    """

    mean_absolute_difference: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    note: str = ""

    def __str__(self) -> str:
        """Say it in a line: ``"mean absolute difference 3.1 %, PSNR 24.53 dB, SSIM 0.912"``."""
        if self.mean_absolute_difference is None or self.psnr is None:
            return self.note
        if not self.mean_absolute_difference:
            return "the same, pixel by pixel"
        parts = [f"mean absolute difference {100 * self.mean_absolute_difference:.3g} %", f"PSNR {self.psnr:.2f} dB"]
        parts += [f"SSIM {self.ssim:.4f}"] if self.ssim is not None else []
        return ", ".join(parts) + (f" ({self.note})" if self.note else "")


def measure(a: Image, b: Image) -> Metrics:
    """Compare two pictures; of different sizes, or without numpy, nothing can be said but that."""
    if a.size != b.size:
        return Metrics(note=f"they differ in size: {_size(a)} and {_size(b)}")
    if find_spec("numpy") is None:
        return Metrics(note="how far they are from each other takes numpy, which is not installed")
    import numpy as np

    one, other = _arrays(a, b)
    error = float(np.mean((one - other) ** 2))
    psnr = -10 * math.log10(error) if error else math.inf
    ssim, note = _ssim(one, other)
    return Metrics(float(np.mean(np.abs(one - other))), psnr, ssim, note)


def difference(a: Image, b: Image) -> tuple[Image, int] | None:
    """Return how far two pictures of one size are from each other at each pixel, as a picture, and its strength.

    Black is where they are the same; it is drawn so many times as strong as it is. None where they are the same
    everywhere, or differ in size.
    """
    from PIL import ImageChops, ImageStat

    if a.size != b.size:
        return None
    drawn = ImageChops.difference(a.convert("RGB"), b.convert("RGB"))
    most = int(max(high for _, high in ImageStat.Stat(drawn).extrema))
    if not most:
        return None
    strength = min(_STRONGEST, max(1, 255 // most))
    return drawn.point(lambda value: value * strength), strength


def _ssim(one: NDArray[Any], other: NDArray[Any]) -> tuple[float | None, str]:
    if min(one.shape[:2]) < _WINDOW:
        return None, f"SSIM takes {_WINDOW} pixels a side"
    try:
        from skimage.metrics import structural_similarity
    except ImportError:
        return None, "SSIM takes scikit-image, which is not installed"
    return float(structural_similarity(one, other, data_range=1.0, channel_axis=2)), ""


def _arrays(a: Image, b: Image) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both as (height, width, channels) from 0 to 1, with the channels that hold what either has."""
    deep = {a.mode, b.mode} <= _DEEP.keys() | {"L", "1"} and bool({a.mode, b.mode} & _DEEP.keys())
    if deep:
        return _grey(a), _grey(b)
    mode = "RGBA" if _is_transparent(a) or _is_transparent(b) else "RGB"
    return _scaled(a.convert(mode), 255), _scaled(b.convert(mode), 255)


def _grey(image: Image) -> NDArray[Any]:
    return _scaled(image if image.mode in _DEEP else image.convert("L"), _DEEP.get(image.mode, 255))


def _scaled(image: Image, most: int) -> NDArray[Any]:
    import numpy as np

    pixels = np.asarray(image).astype(np.float64) / most
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _is_transparent(image: Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def _size(image: Image) -> str:
    return f"{image.width}\u00d7{image.height}"

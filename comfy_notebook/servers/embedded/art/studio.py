"""From prompts to pictures: what a prompt means to the sampler and the painter, and the canvas between them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from comfy_notebook.servers.embedded.art.painter import MANNERS, Style, coloured, paint
from comfy_notebook.servers.embedded.art.palette import ramp, words
from comfy_notebook.servers.embedded.art.sampler import LAYERS, Prior

if TYPE_CHECKING:
    from comfy_notebook.servers.embedded.values import Floats

SCALE = 8
_SUGGESTIONS = {
    "ridges": "mountain mountains hill hills landscape landscapes valley sunset sunrise dusk dawn horizon alps "
    "desert dune dunes canyon forest island lighthouse village savanna autumn winter snow trees tree",
    "nebula": "space galaxy galaxies nebula star stars cosmos cosmic universe night aurora astronaut planet fire "
    "magic dream smoke dragon phoenix storm",
    "rosette": "flower flowers rose portrait face woman man girl boy cat dog fox owl lion wolf bird butterfly robot "
    "mandala crown sun car castle geometric symmetric",
    "silk": "ocean sea water wave waves river lake fish whale silk fabric cloth wind cloud clouds abstract fluid "
    "liquid rain sky beach gradient soft hair",
    "paper": "paper map city architecture building house street food coffee cake fruit jungle leaf leaves island "
    "camouflage minimal minimalist poster",
}
_MANNER_OF = {word: manner for manner, listed in _SUGGESTIONS.items() for word in listed.split()}
_MEAN_WAVES = 3
_GUIDANCE_A_CFG = 0.1


@dataclass(frozen=True)
class Canvas:
    """What a latent picture carries beside its layers.

    ``style`` says how to paint the layers; without one, nothing is painted. ``base`` is the picture
    [height, width, 3] that was started from, and ``strength`` how far the painting has replaced it, 0..1.
    """

    style: Style | None = None
    base: Floats | None = None
    strength: float = 1.0


def style_of(positive: str, negative: str, cfg: float, seed: int) -> Style:
    """Choose a manner and colours. Words decide; where none does, the whole prompt or the seed does."""
    avoided = set(words(negative))
    choices = [_MANNER_OF[word] for word in words(positive) if word in _MANNER_OF and word not in avoided]
    # paper and silk suit anything, ridges look like what nobody asked for
    anything = sorted(set(MANNERS) - {"ridges"} - {_MANNER_OF.get(word) for word in avoided}) or ["paper"]
    manner = choices[0] if choices else anything[_number(positive) % len(anything)]
    colours = ramp(positive, negative, cfg, _number(positive) + seed)
    return Style(manner, colours, seed)


def prior_of(text: str, height: int, width: int) -> Prior:
    """Give the field that a prompt leads to: a few large waves, different for each text."""
    chance = np.random.default_rng(_number(" ".join(words(text))))
    waves = float(chance.uniform(1.7, 2.3))
    spectrum = np.zeros((LAYERS, height, width // 2 + 1), np.complex64)
    rows, columns = min(_MEAN_WAVES, height), min(_MEAN_WAVES, width // 2 + 1)
    size = (LAYERS, rows, columns)
    spectrum[:, :rows, :columns] = chance.standard_normal(size) + 1j * chance.standard_normal(size)
    spectrum[:, 0, 0] = 0
    mean = np.fft.irfft2(spectrum, (height, width)).astype(np.float32)
    spread = mean.std()
    return Prior(mean * np.float32(0.5 / spread) if spread > 0 else mean, waves)


def guidance_of(cfg: float) -> float:
    """Give how far to go from the negative prompt to the positive one: cfg 1 is exactly the positive."""
    return 1 + _GUIDANCE_A_CFG * (cfg - 1)


def decoded(layers: Floats, canvas: Canvas, size: tuple[int, int] | None = None) -> Floats:
    """Paint one latent picture.

    Parameters
    ----------
    layers
        The four layers [4, h, w].
    canvas
        What they were made for.
    size
        Width and height of a quick picture; if None, it is eight times as large as the layers, and fine.

    Returns
    -------
    picture [height, width, 3] in 0..1; an even grey if nothing was ever drawn.
    """
    width, height = size or (layers.shape[2] * SCALE, layers.shape[1] * SCALE)
    base = canvas.base
    if base is not None and base.shape[:2] != (height, width):
        base = _resized(base, width, height)
    if canvas.style is None:
        return base if base is not None else np.full((height, width, 3), 0.5, np.float32)
    painting = paint(layers, canvas.style, width, height, fine=size is None)
    if base is None:
        return painting
    strength = np.float32(canvas.strength)
    # the base in the new colours comes first, the new forms come after
    luma = base @ np.array([0.299, 0.587, 0.114], np.float32)
    tinted = coloured(luma, canvas.style.colours)
    aim = tinted * (1 - strength) + painting * strength
    share = np.minimum(np.float32(1), np.float32(1.6) * strength)
    return np.asarray(base + (aim - base) * share, np.float32)


def encoded(picture: Floats) -> Floats:
    """Give the layers [4, height / 8, width / 8] of a picture: brightness and colours, at 1/8 of its size."""
    height, width = picture.shape[0] // SCALE, picture.shape[1] // SCALE
    blocks = picture[: height * SCALE, : width * SCALE].reshape(height, SCALE, width, SCALE, 3)
    red, green, blue = np.moveaxis(blocks.mean((1, 3)), -1, 0)
    luma = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    detail = blocks.std((1, 3)).mean(-1)
    return np.stack([4 * (red - luma), 4 * (blue - luma), 4 * luma - 2, 8 * detail - 1]).astype(np.float32)


def _resized(picture: Floats, width: int, height: int) -> Floats:
    rows = np.arange(height) * len(picture) // height
    columns = np.arange(width) * picture.shape[1] // width
    return np.asarray(picture[rows[:, np.newaxis], columns], np.float32)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])

"""Painting: four smooth layers and a ramp of colours become a picture, in one of five manners.

The layers are called u, v, tone and hue after what most manners use them for; they are fields [height, width]
of mean 0 and about unit variance. All lengths are relative to the shorter side, so that a picture of another
size is the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from comfy_notebook.servers.embedded.values import Floats

_F = np.float32
_WRAP = 2
_SHEETS = 8
_RIDGES = 7
_CLOUD_SIZES = (3, 6, 12, 24, 48)
_CLOUD_DETAIL = 8
_STARS = 110
_SHARP = frozenset({"paper", "rosette"})
_MOST_FINE_PIXELS = 2048**2


@dataclass(frozen=True)
class Style:
    """How to paint: a manner, its colours [n, 3] from dark to light, and a seed for what is left to chance."""

    manner: str
    colours: Floats
    seed: int


class _Layers(NamedTuple):
    u: Floats
    v: Floats
    tone: Floats
    hue: Floats

    @property
    def side(self) -> int:
        height, width = self.tone.shape
        return int(min(height, width))

    def places(self) -> tuple[Floats, Floats]:
        """Give x and y of each pixel, in shorter sides."""
        height, width = self.tone.shape
        y = np.arange(height, dtype=_F)[:, np.newaxis] / _F(self.side)
        x = np.arange(width, dtype=_F)[np.newaxis] / _F(self.side)
        return np.broadcast_to(x, (height, width)), np.broadcast_to(y, (height, width))


def paint(layers: Floats, style: Style, width: int, height: int, *, fine: bool = False) -> Floats:
    """Paint layers [4, h, w] as a picture [height, width, 3] in 0..1; a fine one has smoother edges."""
    detail = 2 if fine and style.manner in _SHARP and width * height <= _MOST_FINE_PIXELS else 1
    fields = _Layers(*(_enlarged(layer, detail * width, detail * height) for layer in layers))
    picture = MANNERS[style.manner](fields, style)
    if detail == 1:
        return picture
    return np.asarray(picture.reshape(height, detail, width, detail, 3).mean((1, 3)), _F)


def coloured(place: Floats, colours: Floats) -> Floats:
    """Give each place, 0 dark to 1 light, its colour."""
    index = np.clip(place * _F(len(colours)), 0, len(colours) - 1).astype(np.intp)
    return np.asarray(colours[index], _F)


def _silk(fields: _Layers, style: Style) -> Floats:
    """Draped cloth, or water: folds across one direction, bent by the layers and lit from above."""
    u, v, tone, hue = fields
    x, y = fields.places()
    tilt = np.random.default_rng(style.seed).uniform(-0.9, 0.9)
    along = (x * _F(np.sin(tilt)) + y * _F(np.cos(tilt))) * _F(7.5) + _F(1.25) * tone + _F(0.5) * u
    folds = np.sin(along) + _F(0.3) * np.sin(_F(2.17) * along + _F(1.5) * v)
    folds = (_F(0.75) + _F(0.25) * np.tanh(v)) * (folds + _F(0.1) * np.sin(_F(4.7) * along + _F(2) * hue))
    down, across = np.gradient(folds * _F(fields.side / 22))
    light = (_F(0.75) - _F(0.38) * across - _F(0.55) * down) / np.sqrt(1 + across**2 + down**2)
    place = _F(0.5) + _F(0.17) * hue + _F(0.1) * tone + _F(0.15) * folds + _F(0.22) * (light - _F(0.62))
    colour = coloured(np.clip(place, 0.03, 0.97), style.colours)
    shade = _F(0.8) + _F(0.3) * np.clip(light, -0.3, 1)
    shine = _F(0.1) * np.clip(light, 0, 1) ** 12
    return np.asarray(np.clip(colour * shade[..., np.newaxis] + shine[..., np.newaxis], 0, 1), _F)


def _paper(fields: _Layers, style: Style) -> Floats:
    """Sheets of paper, each cut along a contour and lying on the one below."""
    u, v, tone, hue = fields
    bent = tone + _F(0.3) * np.sin(_F(1.6) * u + v)
    level = (np.tanh(bent * _F(0.62)) * _F(0.54) + _F(0.5)) * _F(_SHEETS)
    return _sheets(level, _F(0.05) * hue, style.colours, fields.side)


def _rosette(fields: _Layers, style: Style) -> Floats:
    """Sheets of paper around a centre, cut like petals."""
    chance = np.random.default_rng(style.seed)
    petals, twist = int(chance.integers(4, 11)), _F(chance.uniform(0.3, 1.1) * chance.choice([-1, 1]))
    x, y = fields.places()
    left, top = chance.uniform(-0.24, 0.24, 2)
    x = _F(2) * (x - x.mean() - _F(left)) + _F(0.07) * fields.u
    y = _F(2) * (y - y.mean() - _F(top)) + _F(0.07) * fields.v
    radius = np.sqrt(x**2 + y**2) + _F(1e-4)
    angle = np.arctan2(y, x)
    petal = np.abs(np.sin(_F(petals / 2) * (angle + twist * radius))) * np.clip(3 * radius, 0, 1)
    distance = radius * _F(chance.uniform(4.2, 5.6)) + _F(0.9) * petal + _F(0.22) * fields.tone
    tint = _F(0.05) * fields.hue + _F(0.02) * fields.tone
    return _sheets(_F(_SHEETS) - distance, tint, style.colours, fields.side)


def _ridges(fields: _Layers, style: Style) -> Floats:
    """Ranges of hills behind each other, under a wide sky and, sometimes, a sun."""
    chance = np.random.default_rng(style.seed)
    x, y = fields.places()
    y = y / y[-1:].max()
    sky = _F(0.97) - _F(0.55) * y ** _F(1.2) + _F(0.04) * fields.tone + _F(0.02) * fields.hue
    picture = coloured(np.clip(sky, 0, 1), style.colours)
    picture = _with_sun(picture, fields, style, chance)
    hills, covered = np.zeros_like(fields.tone), np.zeros_like(fields.tone)
    for index in range(_RIDGES):
        near = _F((index + 1) / (_RIDGES + 0.3))
        below = y - _skyline(fields, x[0], index, near)
        hill = np.clip(below * _F(len(y)) + _F(0.5), 0, 1)  # an edge is one pixel wide
        haze = np.clip(below / _F(0.3), 0, 1)
        place = _F(0.8) - _F(0.74) * near + _F(0.16) * haze * (1 - near) + _F(0.015) * fields.tone
        hills = place if index == 0 else hills + (place - hills) * hill
        covered = np.maximum(covered, hill)
    share = covered[..., np.newaxis]
    return np.asarray(np.clip(picture * (1 - share) + coloured(hills, style.colours) * share, 0, 1), _F)


def _nebula(fields: _Layers, style: Style) -> Floats:
    """Glowing clouds, drawn out into threads by the layers, and stars."""
    u, v, tone, hue = fields
    chance = np.random.default_rng(style.seed)
    x, y = fields.places()
    threads = _threads(x + _F(0.13) * u, y + _F(0.13) * v, chance)
    density = _F(1) / (1 + np.exp(_F(-1.5) * tone - _F(2.3) * (threads - _F(0.45))))
    place = _F(0.03) + _F(0.8) * density ** _F(1.7) + _F(0.14) * np.tanh(hue) * density
    colour = coloured(np.asarray(place, _F), style.colours)
    turned = (np.roll(style.colours, 1, axis=1) + style.colours) * _F(0.5)
    share = (_F(0.55) * density / (1 + np.exp(_F(-3) * (hue - _F(0.4)))))[..., np.newaxis]
    colour = colour * (1 - share) + coloured(_F(0.62) + _F(0.2) * np.tanh(u), turned) * share
    core = (np.clip(density - _F(0.72), 0, 1) / _F(0.28)) ** 2 * _F(0.55)
    picture = colour * (_F(0.5) + _F(0.7) * density)[..., np.newaxis]
    picture = picture + core[..., np.newaxis] * style.colours[-len(style.colours) // 12]
    return np.asarray(np.clip(picture + _stars(tone.shape, fields.side, chance)[..., np.newaxis], 0, 1), _F)


MANNERS: Mapping[str, Callable[[_Layers, Style], Floats]] = MappingProxyType(
    {"silk": _silk, "paper": _paper, "rosette": _rosette, "ridges": _ridges, "nebula": _nebula},
)


def _enlarged(layer: Floats, width: int, height: int) -> Floats:
    # the layers go on over their edges as if tiled; without that, the edges would show
    rows, columns = layer.shape
    image = Image.fromarray(np.ascontiguousarray(np.pad(layer, _WRAP, mode="wrap"), np.float32))
    box = (_WRAP, _WRAP, _WRAP + columns, _WRAP + rows)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box=box), np.float32)


def _sheets(level: Floats, tint: Floats, colours: Floats, side: int) -> Floats:
    """Paint a landscape of heights as sheets of paper, one for each whole number, with shadows between."""
    sheet = np.floor(level)
    above = level - sheet
    down, across = np.gradient(level)
    steepness = np.sqrt(across**2 + down**2) + _F(1e-5)
    slope = steepness * _F(side / 100) + _F(0.05)
    smooth = np.clip(above / steepness, 0, 1)  # an edge is one pixel wide
    colour = coloured((sheet - _F(0.45) + smooth + _F(0.08) * above) / _F(_SHEETS) + tint, colours)
    lit = np.clip(_F(0.5) - (across * _F(0.25) + down * _F(0.425)) / steepness, 0, 1)
    distance = (1 - above) / slope
    shade = (_F(0.16) + _F(0.42) * lit) * np.exp(-distance / _F(1.5)) + _F(0.12) * np.exp(-distance / _F(5))
    rim = np.exp(-above / slope / _F(0.25)) * smooth * (1 - _F(0.5) * lit)
    return np.asarray(np.clip(colour * (1 - shade)[..., np.newaxis] + _F(0.1) * rim[..., np.newaxis], 0, 1), _F)


def _with_sun(picture: Floats, fields: _Layers, style: Style, chance: np.random.Generator) -> Floats:
    shines, across, radius = chance.random() < 0.6, chance.uniform(0.25, 0.75), chance.uniform(0.05, 0.09)
    if not shines:
        return picture
    x, y = fields.places()
    distance = np.hypot(x - _F(across) * x.max(), y - _F(0.24) * y.max())
    disc = np.clip((_F(radius) - distance) * _F(fields.side) + _F(0.5), 0, 1)
    glow = _F(0.4) * np.exp(-((distance / _F(3 * radius)) ** 2))
    amount = np.maximum(disc * _F(0.9), glow)[..., np.newaxis]
    return np.asarray(picture * (1 - amount) + style.colours[-1] * amount, _F)


def _skyline(fields: _Layers, x: Floats, index: int, near: np.float32) -> Floats:
    layers = [fields.tone, fields.hue, fields.u, fields.v]
    height = len(fields.tone)
    large = layers[index % 4][int(height * (0.12 + 0.76 * (index * 37 % 100) / 100))]
    bend = layers[(index + 1) % 4][int(height * (0.2 + 0.6 * (index * 61 % 100) / 100))]
    small = sum(
        _F(0.5**octave) * np.sin(x * _F(9 * 1.9**octave) + bend * _F(1.5) + _F(index * 1.7 + octave))
        for octave in range(4)
    )
    base = _F(0.3) + _F(0.72) * near ** _F(1.15)
    rise = _F(0.075) * (large - large.mean()) * (_F(1.25) - near) + _F(0.012) * small * (_F(0.5) + near)
    return np.asarray(base - rise, _F)


def _threads(x: Floats, y: Floats, chance: np.random.Generator) -> Floats:
    """Add up ridged noise of ever smaller size."""
    total = np.zeros_like(x)
    weight = 0.5
    for cells in _CLOUD_SIZES:
        tile = _enlarged(chance.standard_normal((2 * cells, 2 * cells), dtype=_F), *(2 * [2 * cells * _CLOUD_DETAIL]))
        scale = _F(len(tile) / 2)
        total += _F(weight) * (1 - _F(1.15) * np.abs(_looked_up(tile, x * scale, y * scale)))
        weight *= 0.56
    return total


def _looked_up(tile: Floats, x: Floats, y: Floats) -> Floats:
    """Interpolate a tile that repeats, at places counted in its pixels."""
    left, top = np.floor(x), np.floor(y)
    right_share, bottom_share = x - left, y - top
    size = len(tile)
    x0, y0 = left.astype(np.intp) % size, top.astype(np.intp) % size
    x1, y1 = (x0 + 1) % size, (y0 + 1) % size
    upper = tile[y0, x0] * (1 - right_share) + tile[y0, x1] * right_share
    lower = tile[y1, x0] * (1 - right_share) + tile[y1, x1] * right_share
    return np.asarray(upper * (1 - bottom_share) + lower * bottom_share, _F)


def _stars(shape: tuple[int, ...], side: int, chance: np.random.Generator) -> Floats:
    height, width = shape
    light = np.zeros((height, width), np.float32)
    for row, column, magnitude in chance.random((_STARS, 3)):
        bright = magnitude**5
        radius = side * (0.0013 + 0.0032 * bright)
        reach = int(6 * radius) + 2
        y, x = row * height, column * width
        rows = slice(max(0, int(y) - reach), int(y) + reach)
        columns = slice(max(0, int(x) - reach), int(x) + reach)
        down, across = np.ogrid[rows, columns]
        down, across = down[down[:, 0] < height], across[:, across[0] < width]
        distance = ((down - y) ** 2 + (across - x) ** 2) / radius**2
        halo = np.exp(-distance / 2) + 0.12 * bright * np.exp(-np.sqrt(distance) / 1.6)
        light[rows, columns] += ((0.36 + 0.54 * bright) * halo).astype(np.float32)
    return light

"""Colours from words: which ones a prompt names or suggests, and a smooth ramp of them from dark to light."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from comfy_notebook.servers.embedded.values import Floats

RAMP = 512
# ramps drawn by hand, dark to light
_THEMES = {
    "dusk": "14142b 3b2a5e 8a3f7b e0637a f7a072 fde3b4",
    "ocean": "04141f 0b3a53 12708a 2bb0b0 9fe0cf f4fbee",
    "forest": "0d1b12 1f3d2b 3f6b45 86a45c d3cf8f f6f1dc",
    "ember": "170a0c 4a1219 9c2a1f e2602f f7ac52 fdeec2",
    "rose": "241023 5b1f43 a63a63 e4748a f5b5ae fdece2",
    "desert": "26160f 6b3a24 b56b3f dfa066 efd3a2 fbf3e0",
    "aurora": "071021 12315a 116a73 2fb58a a5e6a0 f4fbd9",
    "ice": "0d1a2b 2c4a6e 6b93b8 a9cbe0 dcebf2 fbfdfd",
    "night": "05060f 10163a 2a2f74 5b4fb5 a88be0 f0dcf5",
    "gold": "1a1206 4d3411 97691d d6a23a f2d487 fdf6dd",
    "ink": "101114 33363d 666a73 a2a6ad d5d6d8 f8f7f4",
    "spring": "15302b 2f6f5e 7ab98d f2b8c6 f8d9d0 fdf6ee",
    "neon": "0b0620 3a0f6b a31fae f23d8f ff8a5c ffe9a8",
    "earth": "1c1410 4b342a 80604a b08d6a d9c2a0 f6ecdc",
}
_SUGGESTIONS = {
    "dusk": "sunset dusk evening twilight sunrise dawn warm horizon",
    "ocean": "ocean sea water wave waves river lake underwater fish whale beach coast lagoon rain",
    "forest": "forest tree trees jungle leaf leaves moss meadow nature garden grass fox bear frog",
    "ember": "fire flame lava volcano ember dragon autumn fall phoenix sun hot",
    "rose": "rose flower flowers love portrait woman girl romantic wine berry blossom",
    "desert": "desert sand dune dunes canyon camel lion savanna mars clay",
    "aurora": "aurora northern lights magic fairy emerald alien glow",
    "ice": "ice snow winter glacier arctic cold frost cloud clouds sky wolf penguin mist fog",
    "night": "night space galaxy stars star moon cosmos nebula universe astronaut midnight dream",
    "gold": "gold golden royal king queen crown honey bee luxury harvest",
    "ink": "ink monochrome charcoal noir minimal sketch pencil stone",
    "spring": "spring pastel cherry bird birds butterfly baby soft kitten cute candy",
    "neon": "neon cyberpunk city synthwave robot futuristic party electric disco",
    "earth": "earth mountain mountains house wood vintage coffee dog cat horse old castle",
}
_THEME_OF = {word: theme for theme, words in _SUGGESTIONS.items() for word in words.split()}
# hue in degrees and chroma, in OKLCH
_COLOURS = {
    "red": (27, 0.19), "crimson": (20, 0.19), "scarlet": (30, 0.2), "maroon": (20, 0.12),
    "orange": (58, 0.17), "amber": (72, 0.16), "brown": (55, 0.08), "beige": (80, 0.05),
    "yellow": (98, 0.17), "lime": (125, 0.19), "green": (148, 0.16), "olive": (112, 0.1),
    "mint": (165, 0.1), "teal": (190, 0.1), "turquoise": (188, 0.12), "cyan": (200, 0.12),
    "blue": (255, 0.16), "azure": (240, 0.14), "navy": (264, 0.13), "indigo": (278, 0.17),
    "violet": (295, 0.18), "purple": (308, 0.18), "lavender": (300, 0.1), "magenta": (330, 0.21),
    "pink": (355, 0.15), "coral": (35, 0.15), "salmon": (32, 0.12), "copper": (50, 0.11),
    "black": (270, 0.0), "white": (90, 0.01), "grey": (260, 0.01), "gray": (260, 0.01), "silver": (250, 0.015),
}  # fmt: skip
_LIGHTNESS = (0.16, 0.33, 0.5, 0.67, 0.83, 0.96)


@dataclass(frozen=True)
class Lch:
    """A colour in OKLCH: lightness 0..1, chroma 0..0.4, hue in radians."""

    lightness: float
    chroma: float
    hue: float


def words(text: str) -> list[str]:
    """Give the words of a prompt, in small letters."""
    return re.findall(r"\w+", text.lower())


def ramp(positive: str, negative: str, guidance: float, choice: int) -> Floats:
    """Give the colours of a picture, [RAMP, 3] in 0..1, from dark to light.

    Parameters
    ----------
    positive, negative
        The prompts. Colours and things they name decide; what the negative one names is avoided.
    guidance
        How strongly words act; raises the chroma.
    choice
        Decides where no word does.
    """
    wanted, unwanted = words(positive), set(words(negative))
    stops = _stops([word for word in wanted if word not in unwanted], unwanted, choice)
    strength = 0.72 + 0.4 * (1 - math.exp(-guidance / 7))
    avoided = [
        math.radians(_COLOURS[word][0]) for word in sorted(unwanted) if word in _COLOURS and _COLOURS[word][1] > 0.02
    ]
    stops = [_away(stop, avoided, strength) for stop in stops]
    return _interpolated(np.array([_to_oklab(stop) for stop in stops]))


def _stops(wanted: list[str], unwanted: set[str], choice: int) -> list[Lch]:
    colours = list(dict.fromkeys(word for word in wanted if word in _COLOURS))
    themes = list(dict.fromkeys(_THEME_OF[word] for word in wanted if word in _THEME_OF))
    if colours:
        return _stops_of_colours(colours, wanted)
    free = sorted(set(_THEMES) - {_THEME_OF.get(word, word) for word in unwanted} - {"ink"})
    theme = themes[0] if themes else free[choice % len(free)]
    stops = [_from_hex(each) for each in _THEMES[theme].split()]
    if len(themes) > 1:  # the second theme has the lights
        other = [_from_hex(each) for each in _THEMES[themes[1]].split()]
        stops = [*stops[:3], *other[3:]]
    return stops


def _stops_of_colours(colours: list[str], wanted: list[str]) -> list[Lch]:
    given = [_COLOURS[word] for word in colours]
    stops = []
    for index, lightness in enumerate(_LIGHTNESS):
        place = index / (len(_LIGHTNESS) - 1) * (len(given) - 1)
        hue, chroma = given[round(place)]
        drift = (index - 2.5) * (9 if len(given) == 1 else 4)  # a single hue alone looks flat
        shape = 0.55 + 0.45 * math.sin(math.pi * (0.12 + 0.76 * lightness))
        stops.append(Lch(lightness, chroma * shape, math.radians(hue + drift)))
    dark, light = "black" in wanted or "dark" in wanted, "white" in wanted or "light" in wanted
    if dark != light:
        power = 1.5 if dark else 0.7
        stops = [Lch(stop.lightness**power, stop.chroma, stop.hue) for stop in stops]
    return stops


def _away(stop: Lch, avoided: Iterable[float], strength: float) -> Lch:
    chroma, hue = stop.chroma * strength, stop.hue
    for unwanted in avoided:
        distance = math.remainder(hue - unwanted, math.tau)
        if abs(distance) < 1:  # a radian away, it has another name
            hue = unwanted + distance + math.copysign(1, distance)
    return Lch(stop.lightness, chroma, hue)


def _interpolated(stops: NDArray[np.float64]) -> Floats:
    """Draw a smooth line through colours in OKLab, and give it in sRGB."""
    place = np.linspace(0, len(stops) - 1, RAMP)
    known = np.arange(len(stops))
    lab = np.stack([np.interp(place, known, stops[:, axis]) for axis in range(3)], axis=1)
    kernel = np.hanning(RAMP // 6)
    kernel /= kernel.sum()
    padded = np.pad(lab, [(len(kernel) // 2, len(kernel) - 1 - len(kernel) // 2), (0, 0)], mode="edge")
    smooth = np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in range(3)], axis=1)
    return np.clip(_to_srgb(smooth), 0, 1).astype(np.float32)


def _from_hex(code: str) -> Lch:
    srgb = np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    lms = np.cbrt(_RGB_TO_LMS @ linear)
    lightness, a, b = _LMS_TO_LAB @ lms
    return Lch(float(lightness), math.hypot(a, b), math.atan2(b, a))


def _to_oklab(colour: Lch) -> list[float]:
    return [
        colour.lightness,
        colour.chroma * math.cos(colour.hue),
        colour.chroma * math.sin(colour.hue),
    ]


def _to_srgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    lms = (lab @ np.linalg.inv(_LMS_TO_LAB).T) ** 3
    linear = np.clip(lms @ np.linalg.inv(_RGB_TO_LMS).T, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


# B. Ottosson, "A perceptual color space for image processing", 2020
_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)

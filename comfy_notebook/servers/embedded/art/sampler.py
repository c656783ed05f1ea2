"""Diffusion of a random field: from noise, step by step, to four smooth layers that the painter can paint.

The "model" is exact instead of learned: for a Gaussian field whose power falls with frequency, as that of
clouds or landscapes does, the best guess of the clean field given a noisy one is a Wiener filter. Following
that guess while the noise goes down is what a sampler does with a neural network, too.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from comfy_notebook.servers.embedded.values import Floats

LAYERS = 4
_SIGMA_MAX, _SIGMA_MIN = 14.6, 0.03
_RHO = 7.0


@dataclass(frozen=True)
class Prior:
    """What the field is expected to be: a mean [4, h, w], and how many waves cross it."""

    mean: Floats
    waves: float


def sigmas(scheduler: str, steps: int, denoise: float = 1.0) -> NDArray[np.float64]:
    """Give the noise levels of a run, `steps` + 1 falling numbers that end in 0.

    With `denoise` below 1 they are the tail of a longer run, so that the start keeps what was there.
    """
    whole = max(steps, round(steps / denoise)) if denoise > 0 else steps
    x = np.linspace(0, 1, whole)
    low, high = math.log(_SIGMA_MIN), math.log(_SIGMA_MAX)
    if scheduler == "karras":
        levels = (_SIGMA_MAX ** (1 / _RHO) + x * (_SIGMA_MIN ** (1 / _RHO) - _SIGMA_MAX ** (1 / _RHO))) ** _RHO
    elif scheduler in {"exponential", "kl_optimal"}:
        levels = np.exp(high + x * (low - high))
    elif scheduler == "beta":
        levels = np.exp(high + (0.5 - 0.5 * np.cos(np.pi * x)) * (low - high))
    elif scheduler == "linear_quadratic":
        levels = _SIGMA_MAX * (1 - x) ** 2 + _SIGMA_MIN
    else:
        levels = np.exp(high + x**0.8 * (low - high))
    return np.append(levels, 0)[-(steps + 1) :]


def sample(
    start: Floats,
    positive: Prior,
    negative: Prior,
    *,
    guidance: float,
    levels: NDArray[np.float64],
    sampler: str,
    noise: np.random.Generator,
) -> Iterator[tuple[Floats, float]]:
    """Take the noise out of a field [4, h, w], giving after each step the best guess and the noise level.

    Parameters
    ----------
    start
        The clean field to start from; noise of the first level is added here.
    positive, negative
        What is wanted and what is not.
    guidance
        How far to go from the one to the other; 1 is exactly what is wanted.
    levels
        Falling noise levels; the last is 0.
    sampler
        The name of a sampler; those of a family (ancestral or SDE, second order, plain) walk alike.
    noise
        Where all randomness comes from.
    """

    def draw() -> Floats:
        return noise.standard_normal(start.shape, dtype=np.float32)

    guess_at = _denoiser(start.shape, positive, negative, guidance)
    x = start + draw() * np.float32(levels[0])
    restless = "ancestral" in sampler or "sde" in sampler or sampler in {"ddpm", "lcm", "er_sde"}
    careful = sampler.startswith(("heun", "dpm", "uni", "deis", "res", "ipndm", "lms", "sa_", "seeds"))
    for level, following in itertools.pairwise(levels):
        guess = guess_at(x, level)
        target, added = _ancestral(level, following) if restless else (following, 0.0)
        slope = (x - guess) / np.float32(level)
        stepped = x + slope * np.float32(target - level)
        if careful and target > 0:
            slope = (slope + (stepped - guess_at(stepped, target)) / np.float32(target)) / 2
            stepped = x + slope * np.float32(target - level)
        x = stepped + draw() * np.float32(added) if added else stepped
        yield (guess if following else x), float(following)


def _ancestral(level: float, following: float) -> tuple[float, float]:
    if following == 0:
        return 0.0, 0.0
    added = min(following, math.sqrt(following**2 * (level**2 - following**2) / level**2))
    return math.sqrt(following**2 - added**2), added


def _denoiser(
    shape: tuple[int, ...], positive: Prior, negative: Prior, guidance: float
) -> Callable[[Floats, float], Floats]:
    wanted, unwanted = _power(shape, positive), _power(shape, negative)

    def guess(x: Floats, level: float) -> Floats:
        best = _wiener(x, positive.mean, wanted, level)
        if guidance == 1:
            return best
        worst = _wiener(x, negative.mean, unwanted, level)
        return worst + np.float32(guidance) * (best - worst)

    return guess


def _wiener(x: Floats, mean: Floats, power: Floats, level: float) -> Floats:
    spectrum: Any = np.fft.rfft2(x - mean)
    spectrum *= power / (power + np.float32(level) ** 2)
    return np.asarray(mean + np.fft.irfft2(spectrum, x.shape[-2:]), np.float32)


def _power(shape: tuple[int, ...], prior: Prior) -> Floats:
    height, width = shape[-2:]
    # frequencies count waves per picture side, so that a larger picture has the same forms, larger
    rows, columns = np.fft.fftfreq(height) * height, np.fft.rfftfreq(width) * width
    side = min(height, width)
    frequency = np.hypot(rows[:, np.newaxis] * side / height, columns * side / width)
    power = 1 / (1 + (frequency / prior.waves) ** 2) ** 5
    weight = np.full(power.shape, 2.0)
    weight[:, 0] = 1
    if width % 2 == 0:
        weight[:, -1] = 1
    return np.asarray(power * (height * width) / (power * weight).sum(), np.float32)

import math
import sys

import numpy as np
import pytest
from PIL import Image

from comfy_notebook.experiments.metrics import difference, measure


def plain(level, size=(16, 12), mode="L"):
    return Image.new(mode, size, level)


def test_the_same_is_the_same():
    told = measure(plain(7), plain(7, mode="L").convert("RGB"))
    assert (told.mean_absolute_difference, told.psnr) == (0, math.inf)
    assert str(told) == "the same, pixel by pixel"
    assert difference(plain(7), plain(7)) is None


def test_black_against_white_is_as_far_as_can_be():
    told = measure(plain(0), plain(255))
    assert (told.mean_absolute_difference, told.psnr) == (1.0, 0.0)


def test_the_numbers_are_those_of_their_definitions():
    one = np.random.default_rng(1).integers(0, 255, (20, 30, 3), np.uint8)
    other = np.random.default_rng(2).integers(0, 255, (20, 30, 3), np.uint8)
    told = measure(Image.fromarray(one), Image.fromarray(other))
    gap = (one.astype(float) - other.astype(float)) / 255
    assert told.mean_absolute_difference == pytest.approx(np.abs(gap).mean())
    assert told.psnr == pytest.approx(10 * math.log10(1 / (gap**2).mean()))


def test_transparency_counts():
    told = measure(plain((9, 9, 9, 0), mode="RGBA"), plain((9, 9, 9), mode="RGB"))
    assert told.mean_absolute_difference == 0.25


def test_sixteen_bits_count():
    one, other = (Image.fromarray(np.full((9, 9), level, np.uint16)) for level in (1000, 1001))
    assert measure(one, other).mean_absolute_difference == pytest.approx(1 / 65535)
    assert measure(one, one.copy()).psnr == math.inf


def test_sizes_that_differ_are_said():
    told = measure(plain(0, (4, 3)), plain(0, (5, 3)))
    assert (told.mean_absolute_difference, told.psnr, told.ssim) == (None, None, None)
    assert str(told) == "they differ in size: 4\u00d73 and 5\u00d73"
    assert difference(plain(0, (4, 3)), plain(0, (5, 3))) is None


def test_what_is_missing_for_ssim_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    told = measure(plain(0), plain(5))
    assert told.ssim is None
    assert "scikit-image, which is not installed" in str(told)
    assert "7 pixels a side" in str(measure(plain(0, (6, 9)), plain(5, (6, 9))))


def test_ssim_is_scikit_images():
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(3)
    one = rng.integers(0, 255, (32, 24, 3), np.uint8)
    other = np.clip(one + rng.normal(0, 20, one.shape), 0, 255).astype(np.uint8)
    told = measure(Image.fromarray(one), Image.fromarray(other))
    assert told.ssim == pytest.approx(metrics.structural_similarity(one, other, channel_axis=2, data_range=255))
    assert "SSIM 0." in str(told)


def test_a_small_difference_is_drawn_so_that_it_is_seen():
    one = plain(100, mode="L").convert("RGB")
    other = one.copy()
    other.putpixel((3, 4), (104, 100, 100))
    drawn, strength = difference(one, other)
    assert strength == 63
    assert drawn.getpixel((3, 4)) == (252, 0, 0)
    assert drawn.getpixel((0, 0)) == (0, 0, 0)

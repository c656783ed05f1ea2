import io
import sys

import numpy as np
import pytest
from PIL import Image

from comfy_notebook import Media, MediaError, MissingExtraError

LEFT, RIGHT = (10, 20, 30), (200, 100, 50)


class Store:
    def __init__(self, content):
        self.content = content

    def read(self, media):
        return self.content

    async def aread(self, media):
        return self.content


def media(image, suffix="PNG", **options):
    out = io.BytesIO()
    image.save(out, suffix, **options)
    return Media(f"http://x/a.{suffix.lower()}", origin=Store(out.getvalue()))


@pytest.fixture
def picture():
    image = Image.new("RGB", (5, 3), LEFT)
    image.paste(RIGHT, (3, 0, 5, 3))
    return image


def test_a_picture_is_rows_of_pixels_of_channels(picture):
    array = media(picture).numpy()
    assert (array.shape, array.dtype) == ((3, 5, 3), np.uint8)
    assert tuple(array[2, 0]) == LEFT
    assert tuple(array[2, 4]) == RIGHT
    array[:] = 0  # it is the caller's own


async def test_the_awaitable_twin(picture):
    assert (await media(picture).anumpy()).shape == (3, 5, 3)


@pytest.mark.parametrize(
    ("mode", "shape", "kind"),
    [
        ("RGBA", (3, 5, 4), np.uint8),
        ("L", (3, 5), np.uint8),
        ("1", (3, 5), np.uint8),
        ("LA", (3, 5, 4), np.uint8),
        ("P", (3, 5, 3), np.uint8),
        ("I;16", (3, 5), np.uint16),
    ],
)
def test_shapes_and_types(picture, mode, shape, kind):
    array = media(picture.convert("L").convert(mode) if mode == "I;16" else picture.convert(mode)).numpy()
    assert (array.shape, array.dtype) == (shape, kind)


def test_sixteen_bits_are_kept():
    values = np.array([[0, 1, 256], [65_535, 40_000, 255]], np.uint16)
    assert (media(Image.fromarray(values)).numpy() == values).all()
    assert (media(Image.fromarray(values), "TIFF").numpy() == values).all()
    image = media(Image.fromarray(values.astype(">u2")), "TIFF")
    assert (image.numpy() == values).all()
    assert image.numpy().dtype == np.uint16


def test_colors_are_red_green_and_blue_whatever_the_file_has(picture):
    printed = media(picture.convert("CMYK"), "TIFF").numpy()
    assert printed.shape == (3, 5, 3)
    assert abs(printed[0, 4].astype(int) - RIGHT).max() <= 2
    black_and_white = media(Image.new("1", (2, 2), 1)).numpy()
    assert (black_and_white == 255).all()
    clear = picture.convert("P")
    assert media(clear, transparency=clear.getpixel((0, 0))).numpy()[0, 0, 3] == 0


def test_an_animation_is_its_first_frame(picture):
    assert media(picture, "GIF", save_all=True, append_images=[Image.new("RGB", (5, 3))]).numpy().shape == (3, 5, 3)


def test_what_is_no_picture_is_told_so():
    with pytest.raises(MediaError, match="no picture"):
        Media("http://x/a.png", origin=Store(b"<html>")).numpy()


def test_without_numpy_it_says_what_to_install(picture, monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(MissingExtraError, match="pip install numpy"):
        media(picture).numpy()

import io
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encoded, gradient, noise, shown
from PIL import Image, ImageCms, features

from comfy_notebook.notebook.media.encoding import encode_within
from comfy_notebook.notebook.media.pictures import drawing, picture
from comfy_notebook.notebook.media.recipe import recipe_for

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of damaged metadata
FEW, MANY = recipe_for(4), recipe_for(100)
SAVED = {"PNG": {}, "JPEG": {}, "WEBP": {}, "GIF": {}, "BMP": {}, "TIFF": {}, "AVIF": {}}


def value(image, left):
    """The brightness at a part of the width."""
    return image.convert("L").getpixel((int(left * (image.width - 1)), image.height // 2))


@pytest.mark.parametrize("recipe", [FEW, MANY])
@pytest.mark.parametrize("kind", SAVED)
def test_formats(kind, recipe):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow does not write AVIF")
    made = picture(encoded(noise(1000, 500), kind, **SAVED[kind]), recipe)
    assert (made.width, made.height, made.problem) == (1000, 500, "")
    assert max(made.small.width, made.small.height) <= recipe.thumbnail_side * (1.25 if recipe.quick else 1)
    assert made.small.width == 2 * made.small.height
    assert made.large.width > made.small.width
    assert len(made.small.content) + len(made.large.content) <= recipe.limit
    for part in (made.small, made.large):
        assert shown(part).format in ("WEBP", "JPEG", kind)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_modes_keep_dark_dark_and_bright_bright(mode):
    image = gradient(1000, 500, "L" if mode.startswith("I") or mode == "F" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    elif mode in ("I", "F"):
        image = image.convert(mode)
    content = encoded(image, "TIFF" if mode in ("CMYK", "YCbCr", "F", "I") else "PNG")
    small = shown(picture(content, MANY).small)
    assert value(small, 0.1) < 60
    assert value(small, 0.9) > 195


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bits_are_scaled_not_cut_off(order):
    pixels = np.full((500, 1000), 32768, order)
    out = io.BytesIO()
    Image.frombuffer("I;16" if order[0] == "<" else "I;16B", (1000, 500), pixels.tobytes(), "raw").save(out, "TIFF")
    made = picture(out.getvalue(), FEW)
    assert 120 <= value(shown(made.small), 0.5) <= 136
    assert "more than 8 bits a channel" in made.notes


def test_floats_from_0_to_1_are_taken_as_they_are_and_others_stretched():
    pixels = np.full((40, 80), 0.25, np.float32)
    pixels[0, 0] = 1
    assert 56 <= value(shown(picture(encoded(Image.fromarray(pixels), "TIFF"), FEW).small), 0.5) <= 72
    pixels[:, 40:] = 300
    assert value(shown(picture(encoded(Image.fromarray(pixels), "TIFF"), FEW).small), 0.9) > 250


def test_floats_that_are_no_numbers():
    pixels = np.full((40, 80), np.nan, np.float32)
    assert picture(encoded(Image.fromarray(pixels), "TIFF"), FEW).small is not None


@pytest.mark.parametrize("size", [(900, 700), (3000, 2000)])
@pytest.mark.parametrize("kind", ["RGBA", "P"])
def test_transparency_is_kept(kind, size):
    image = Image.new("RGBA", size, (255, 0, 0, 0))
    image.paste((0, 255, 0, 255), (0, 0, size[0] // 2, size[1]))
    content = encoded(image if kind == "RGBA" else image.quantize(8), "PNG")
    small = shown(encode_in(content, 100)).convert("RGBA")
    assert small.getpixel((small.width - 5, 5))[3] == 0
    assert small.getpixel((5, 5))[3] == 255
    assert small.getpixel((5, 5))[1] > 240


def encode_in(content, count):
    return picture(content + b" " * 200_000, recipe_for(count)).small  # too large to be shown as it is


def test_transparency_of_one_color():
    image = gradient(1000, 500, "L")
    small = shown(encode_in(encoded(image, "PNG", transparency=255), 100))
    assert small.mode == "RGBA"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright(orientation):
    image = gradient(1000, 500)
    exif = Image.Exif()
    exif[0x0112] = orientation
    made = picture(encoded(image, "JPEG", exif=exif) + b" " * 200_000, FEW)
    expected = {1: "ab", 2: "ba", 3: "ba", 4: "ab"}.get(orientation)
    assert (made.width, made.height) == ((1000, 500) if expected else (500, 1000))
    small = shown(made.small)
    if expected:
        assert (value(small, 0.1) < value(small, 0.9)) == (expected == "ab")


def test_colors_are_converted_by_their_profile():
    image = Image.new("RGB", (900, 900), (200, 100, 50))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    swapped = encoded(
        image, "PNG", icc_profile=lab.tobytes()
    )  # a profile that does not fit is no reason to show nothing
    assert picture(swapped, FEW).small is not None
    assert picture(encoded(image, "PNG", icc_profile=b"\0" * 500), FEW).small is not None


def test_a_profile_with_other_primaries_changes_the_colors(tmp_path):
    image = Image.new("RGB", (900, 900), (200, 100, 50))
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.find(b"rXYZ"), profile.find(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"  # red and green have changed places
    profile = bytes(profile).replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    content = encoded(image, "PNG", icc_profile=profile) + b" " * 200_000
    red, green, _ = shown(picture(content, FEW).small).convert("RGB").getpixel((9, 9))
    assert green > red


def test_the_original_is_shown_where_it_is_small():
    original = encoded(gradient(32, 32))
    made = picture(original, FEW)
    assert (made.small.content, made.small.mime, made.large) == (original, "image/png", None)
    original = encoded(noise(300, 300, strength=3), "PNG")
    assert picture(original, recipe_for(4)).small.content != original


def test_the_original_is_the_preview_where_it_fits():
    original = encoded(noise(1200, 800), "JPEG", quality=60)
    assert 40_000 < len(original) < FEW.limit * 0.9
    made = picture(original, FEW)
    assert (made.large.content, made.large.mime) == (original, "image/jpeg")
    assert made.small.content != original


@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_what_browsers_do_not_show_is_never_shown_as_it_is(kind):
    made = picture(encoded(gradient(32, 32), kind), FEW)
    assert made.small.mime == "image/webp"


def test_the_same_picture_is_made_the_same():
    content = encoded(noise())
    assert picture(content, FEW) == picture(content, FEW)


@pytest.mark.parametrize("strength", [0, 6, 30, 200])
@pytest.mark.parametrize("count", [1, 4, 24, 100, 300, 1000])
def test_no_picture_takes_more_than_its_share(strength, count):
    recipe = recipe_for(count)
    made = picture(encoded(noise(strength=strength), compress_level=1), recipe)
    parts = [part for part in (made.small, made.large) if part]
    assert sum(len(part.content) for part in parts) <= recipe.limit
    assert parts


def test_formats_of_thumbnails(monkeypatch):
    content, clear = encoded(noise()), encoded(noise().convert("LA"))
    for name, kind in (("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")):
        monkeypatch.setenv("COMFY_NOTEBOOK_THUMBNAIL_FORMAT", name)
        assert shown(picture(content, recipe_for(4)).small).format == kind
    monkeypatch.setenv("COMFY_NOTEBOOK_THUMBNAIL_FORMAT", "jpeg")
    assert shown(picture(clear, recipe_for(4)).small).format == "WEBP"


def test_a_side_of_one_pixel():
    made = picture(encoded(noise(20_000, 1)), MANY)
    assert (made.width, made.height, made.problem) == (20_000, 1, "")
    assert made.small.height == 1


# -- animations -----------------------------------------------------------------------------------------------


def animation(kind, count=20, side=300, **options):
    frames = [noise(side, side, seed) for seed in range(count)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, loop=0, **options)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_move(kind):
    content = animation(kind, 3, 100)
    made = picture(content, FEW)
    assert made.moving[0].content == content
    assert shown(made.small).n_frames == 1
    assert made.notes == ("3 frames",)


def test_a_large_animation_becomes_smaller():
    content = animation("PNG", 60, 300)
    assert len(content) > FEW.moving_limit
    (smaller,) = picture(content, FEW).moving
    assert len(smaller.content) <= FEW.moving_limit // 8
    image = shown(smaller)
    assert 10 < image.n_frames <= 60
    total = 0
    for number in range(image.n_frames):
        image.seek(number)
        image.load()
        total += image.info["duration"]
    assert total == 6000


def test_an_animation_that_is_cut_off_later_shows_its_first_frame():
    content = animation("GIF", 20, 300)
    made = picture(content[: len(content) // 2], recipe_for(100))
    assert made.small is not None


def test_pages_are_no_animation():
    made = picture(encoded(gradient(), "TIFF", save_all=True, append_images=[gradient()] * 4), FEW)
    assert made.moving == ()
    assert made.notes == ("the first of 5 pages",)


# -- what is large, broken, or no picture ------------------------------------------------------------------------


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb(side):
    """A PNG of many pixels, all black."""
    row = zlib.compressobj(9)
    data = b"".join([*(row.compress(b"\0" * (side // 8 + 1)) for _ in range(side)), row.flush()])
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_decompression_bomb_says_so_and_is_not_decoded():
    content = bomb(60_000)
    began = time.monotonic()
    made = picture(content, FEW)
    assert made.problem.startswith("its 60,000 \u00d7 60,000 pixels are too many to show")
    assert made.small is None
    assert time.monotonic() - began < 1


def test_a_large_picture_shows_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = picture(bomb(14_000), FEW)  # more than Pillow opens by itself
    assert (made.width, made.problem) == (14_000, "")


@pytest.mark.parametrize("kind", [b"VP8X", b"VP8L", b"VP8 "])
def test_a_webp_bomb_is_refused_before_it_takes_memory(kind):
    head = {
        b"VP8X": b"\0\0\0\0" + b"\xfe\x3f\0" * 2,
        b"VP8L": b"\x2f" + ((0x3FFE) | (0x3FFE << 14)).to_bytes(4, "little"),
        b"VP8 ": b"\0\0\0\x9d\x01\x2a" + b"\xff\x3f" * 2,
    }[kind]
    content = b"RIFF" + struct.pack("<I", 30) + b"WEBP" + kind + struct.pack("<I", len(head)) + head.ljust(14, b"\0")
    assert "too many to show" in picture(content, FEW).problem


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is not a picture, but empty"),
        (b"<!DOCTYPE html><html>login</html>", "it is not a picture, but a web page (a login page?)"),
        (b'{"error": 1}', "it is not a picture, but JSON"),
        (b"Not found", "it is not a picture, but text"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n\0", "it is not a picture, but something of no known format"),
        (encoded(noise(64, 64))[:200], "it cannot be decoded: image file is truncated"),
        (b"\x89PNG\r\n\x1a\n", "it cannot be decoded"),
        (b"RIFF\0\0\0\0WEBP", "cut off"),
    ],
)
def test_what_is_no_picture_says_so(content, why):
    made = picture(content, FEW)
    assert why in made.problem
    assert (made.small, made.large) == (None, None)


HEADS = [encoded(noise(40, 30), kind)[:300] for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")]


@settings(deadline=None)
@given(st.sampled_from([b"", *HEADS]), st.binary(max_size=300), st.integers(0, 300))
def test_arbitrary_bytes_never_raise(head, rest, at):
    made = picture(head[:at] + rest, MANY)
    assert made.problem or made.small


@settings(deadline=None)
@given(st.sampled_from([encoded(noise(40, 30), kind) for kind in SAVED if kind != "AVIF"]), st.data())
def test_damaged_pictures_never_raise(content, data):
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    made = picture(bytes(damaged), MANY)
    assert made.problem or made.small


def test_drawings_are_shown_as_they_are_if_they_are_some():
    assert drawing(b"<svg/>", FEW).small.content == b"<svg/>"
    assert "a web page" in drawing(b"<html>", FEW).problem
    large = drawing(b"<svg>" + b" " * 1_000_000, FEW)
    assert (large.small, large.notes) == (None, ("too large to be shown here",))


def test_hard_pictures_have_previews_all_the_same():
    made = picture(encoded(noise(strength=25), compress_level=1), FEW)
    assert made.large.width >= 1.3 * made.small.width
    assert len(made.small.content) + len(made.large.content) > FEW.limit * 0.5


def test_encoding_gives_up_below_the_smallest_size():
    assert encode_within(noise(), 0, smallest=1) is None
    assert encode_within(noise(), 50, smallest=24) is None
    assert encode_within(noise(), 3_000, smallest=24).width < 200

"""What image nodes do to pixels: by the book, and pixel for pixel as the real server does."""

import re

import numpy as np
import pytest
from PIL import Image

from .conformance_kit import node, png

# resampling adds up products in another order than torch does, and pictures are saved rounded down
ROUNDING = 1


def chance():
    return np.random.default_rng(0)


def noise(height, width, channels):
    return chance().integers(0, 256, (height, width, channels), dtype=np.uint8)


def slope(height, width):
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4, y * 6, (x + y) * 2], -1).astype(np.uint8)


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def moving(channels):
    return [Image.fromarray(noise(3, 4, channels) ^ np.uint8(17 * index)) for index in range(3)]


def animated(kind, channels, **options):
    first, *rest = moving(channels)
    return png(first, format=kind, save_all=True, append_images=rest, **options)


RGB = noise(3, 4, 3)
INDEXED = Image.fromarray(RGB).quantize(16)
SMALL = {
    "rgb.png": png(RGB),
    "rgba.png": png(noise(3, 4, 4)),
    "grey.png": png(RGB[..., 0].copy()),
    "grey-alpha.png": png(Image.merge("LA", Image.fromarray(RGB).split()[:2])),
    "indexed.png": png(INDEXED),
    "indexed-clear.png": png(INDEXED, transparency=3),
    "indexed-alpha.png": png(INDEXED, transparency=bytes([5, 100, 200])),
    "rgb-clear.png": png(RGB, transparency=tuple(int(value) for value in RGB[0, 0])),
    "grey-clear.png": png(RGB[..., 0].copy(), transparency=int(RGB[0, 0, 0])),
    "one-bit.png": png(Image.fromarray(RGB[..., 0] > 128)),
    "sixteen-bit.png": png(Image.fromarray(RGB[..., 0].astype(np.uint16) * 257)),
    "thirty-two-bit.tiff": png(Image.fromarray(RGB[..., 0].astype(np.int32) * 257), format="TIFF"),
    "float.tiff": png(Image.fromarray(RGB[..., 0].astype(np.float32)), format="TIFF"),
    "turned.jpg": png(Image.fromarray(RGB), format="JPEG", exif=exif(6)),
    "mirrored.jpg": png(Image.fromarray(RGB), format="JPEG", exif=exif(5)),
    "cmyk.jpg": png(Image.fromarray(RGB).convert("CMYK"), format="JPEG"),
    "bitmap.bmp": png(RGB, format="BMP"),
    "moving.gif": animated("GIF", 3),
    "moving.webp": animated("WEBP", 4, lossless=True),
    "moving.png": animated("PNG", 4),
    "sizes.tiff": png(Image.fromarray(RGB), format="TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))]),
}
LOADERS = {
    "picture": (0, lambda name: node("LoadImage", image=name)),
    "mask": (1, lambda name: node("LoadImage", image=name)),
    **{
        channel: (0, lambda name, channel=channel: node("LoadImageMask", image=name, channel=channel))
        for channel in ("alpha", "red", "green", "blue")
    },
}


def numbers(server, name, loader):
    """Load a file and give what PreviewAny shows of it, as numbers; by design, "arrays" look different."""
    slot, load = LOADERS[loader]
    graph = {"1": load(name), "2": node("PreviewAny", source=["1", slot])}
    (text,) = server.outputs(graph)["2"]["text"]
    return np.array([float(each) for each in re.findall(r"\d+\.\d*(?:e-?\d+)?", text)])


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("name", SMALL)
def test_files_are_loaded_as_the_real_server_does(pair, unique, name, loader):
    ours, real = (numbers(server, server.upload(SMALL[name], unique + name)["name"], loader) for server in pair)
    assert ours.shape == real.shape
    assert ours.size > 0
    assert np.abs(ours - real).max() < 1e-3


def loaded(server, unique, *contents):
    """Upload files and give a graph that loads them as nodes a, b, ..."""
    graph = {}
    for letter, content in zip("abc", contents, strict=False):
        name = server.upload(content, f"{unique}{letter}.png")["name"]
        graph[letter] = node("LoadImage", image=name)
    return graph


def made(server, unique, contents, class_type, **inputs):
    graph = loaded(server, unique, *contents) | {"1": node(class_type, **inputs)}
    graph["2"] = node("PreviewImage", images=["1", 0])
    return server.pictures(graph)


OPERATIONS = {
    **{
        f"scale {method} {width}x{height} {crop}": (
            "ImageScale",
            {"image": ["a", 0], "upscale_method": method, "width": width, "height": height, "crop": crop},
        )
        for method in ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
        for width, height, crop in (
            (100, 80, "disabled"), (20, 11, "disabled"), (64, 64, "center"), (0, 50, "disabled"),
            (33, 0, "center"), (0, 0, "disabled"), (1, 1, "center"), (200, 10, "center"), (53, 37, "disabled"),
        )
    },
    **{
        f"scale {method} by {factor}": (
            "ImageScaleBy", {"image": ["a", 0], "upscale_method": method, "scale_by": factor},
        )
        for method in ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")
        for factor in (0.5, 1.37, 2)
    },
    **{
        f"blend {mode} {factor} of {first} and {second}": (
            "ImageBlend",
            {"image1": [first, 0], "image2": [second, 0], "blend_factor": factor, "blend_mode": mode},
        )
        for mode in ("normal", "multiply", "screen", "overlay", "soft_light", "difference")
        for factor in (0, 0.5, 1)
        for first, second in (("a", "b"), ("b", "a"))
    },
    **{
        f"blur {radius} {sigma}": ("ImageBlur", {"image": ["a", 0], "blur_radius": radius, "sigma": sigma})
        for radius, sigma in ((1, 1), (3, 0.5), (5, 2.3), (31, 10), (2, 0.1))
    },
    **{
        f"crop {width}x{height}+{x}+{y}": (
            "ImageCrop", {"image": ["a", 0], "width": width, "height": height, "x": x, "y": y},
        )
        for width, height, x, y in ((10, 10, 0, 0), (100, 100, 5, 5), (10, 10, 90, 90), (1, 1, 59, 39))
    },
    "invert": ("ImageInvert", {"image": ["a", 0]}),
    "batch": ("ImageBatch", {"image1": ["a", 0], "image2": ["b", 0]}),
    "batch the other way": ("ImageBatch", {"image1": ["b", 0], "image2": ["a", 0]}),
    "one colour": ("EmptyImage", {"width": 5, "height": 3, "batch_size": 2, "color": 0xFE8001}),
}  # fmt: skip
INEXACT = ("bilinear", "area", "bicubic", "blend", "blur", "batch")


@pytest.mark.parametrize("name", OPERATIONS)
def test_pixels_are_those_of_the_real_server(pair, unique, name):
    contents = [png(slope(40, 60)), png(noise(37, 53, 3))]
    class_type, inputs = OPERATIONS[name]
    ours, real = (made(server, unique, contents, class_type, **inputs) for server in pair)
    assert [each.shape for each in ours] == [each.shape for each in real]
    allowed = ROUNDING if any(word in name for word in INEXACT) else 0
    for mine, its in zip(ours, real, strict=True):
        assert np.abs(mine.astype(int) - its).max() <= allowed


def test_inverting_twice_gives_the_picture(server, unique):
    original = noise(9, 7, 3)
    graph = loaded(server, unique, png(original)) | {
        "1": node("ImageInvert", image=["a", 0]),
        "2": node("ImageInvert", image=["1", 0]),
        "3": node("PreviewImage", images=["2", 0]),
        "4": node("PreviewImage", images=["1", 0]),
    }
    twice, once = server.pictures(graph)
    twice, once = (twice, once) if np.abs(twice.astype(int) - original).max() <= 1 else (once, twice)
    assert np.abs(twice.astype(int) - original).max() <= 1
    assert np.abs(once.astype(int) - (255 - original)).max() <= 1


def test_scaling_up_by_nearest_repeats_pixels(server, unique):
    original = noise(5, 4, 3)
    (scaled,) = made(
        server, unique, [png(original)], "ImageScaleBy", image=["a", 0], upscale_method="nearest-exact", scale_by=3
    )
    assert (scaled == original.repeat(3, 0).repeat(3, 1)).all()


def test_scaling_by_area_averages(server, unique):
    original = np.kron(noise(4, 4, 1)[..., 0], np.ones((5, 5))).astype(np.uint8)
    (scaled,) = made(
        server, unique, [png(original)],
        "ImageScale", image=["a", 0], upscale_method="area", width=4, height=4, crop="disabled",
    )  # fmt: skip
    assert np.abs(scaled[..., 0].astype(int) - original[::5, ::5]).max() <= 1


def test_a_crop_to_the_centre_keeps_the_middle(server, unique):
    original = slope(20, 60)
    (scaled,) = made(
        server, unique, [png(original)],
        "ImageScale", image=["a", 0], upscale_method="nearest-exact", width=20, height=20, crop="center",
    )  # fmt: skip
    assert (scaled == original[:, 20:40]).all()


def test_cropping_cuts_out(server, unique):
    original = noise(20, 30, 3)
    (cut,) = made(server, unique, [png(original)], "ImageCrop", image=["a", 0], width=5, height=50, x=7, y=3)
    assert (cut == original[3:, 7:12]).all()


@pytest.mark.parametrize("size", [(8, 8), (17, 3)])
def test_one_colour_fills_a_picture(server, unique, size):
    first, second = made(server, unique, [], "EmptyImage", width=size[0], height=size[1], batch_size=2, color=0xFE8001)
    assert first.shape == (size[1], size[0], 3)
    assert (first == [0xFE, 0x80, 0x01]).all()
    assert (second == first).all()

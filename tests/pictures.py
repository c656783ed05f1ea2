"""Pictures for tests."""

import io

import numpy as np
from PIL import Image


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def gradient(width=1000, height=500, mode="RGB"):
    """A picture that is dark at the left and bright at the right."""
    row = np.linspace(0, 255, width).astype(np.uint8)
    return Image.fromarray(np.tile(row, (height, 1))).convert(mode)


def noise(width=1024, height=1024, seed=0, strength=6.0):
    """A picture as hard to compress as a photograph: smooth shapes and fine noise; more of it is harder."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 255, (16, 16, 3), np.uint8)).resize((width, height))
    pixels = np.asarray(coarse) + generator.normal(0, strength, (height, width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def shown(part):
    """The picture that a browser would show."""
    image = Image.open(io.BytesIO(part.content))
    image.load()
    assert image.size == (part.width, part.height)
    return image

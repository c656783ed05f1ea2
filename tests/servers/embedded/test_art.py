import os
import subprocess
import sys
import time

import numpy as np
import pytest

from comfy_notebook.servers.embedded.art.painter import MANNERS
from comfy_notebook.servers.embedded.art.palette import ramp
from comfy_notebook.servers.embedded.art.sampler import sigmas
from comfy_notebook.servers.embedded.art.studio import style_of
from comfy_notebook.servers.embedded.catalog import CATALOG
from comfy_notebook.servers.embedded.nodes import diffusion
from comfy_notebook.servers.embedded.values import Interrupted, Run

SAMPLERS = CATALOG["KSampler"].required["sampler_name"].type
SCHEDULERS = CATALOG["KSampler"].required["scheduler"].type
MODEL = diffusion.BuiltIn("model", "any")


def a_run(report=lambda *_: None, check=lambda: None):
    return Run(None, {}, check, report)


def latent(width=64, height=64, batch=1):
    return diffusion.empty_latent(width=width, height=height, batch_size=batch)[0]


def sampled(text="a galaxy", negative="", start=None, run=None, **more):
    inputs = {"seed": 1, "steps": 4, "cfg": 8.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0} | more
    return diffusion.sample(
        run or a_run(),
        model=MODEL,
        positive=diffusion.Conditioning(text),
        negative=diffusion.Conditioning(negative),
        latent_image=start or latent(),
        **inputs,
    ).values[0]


def decoded(samples):
    return diffusion.decode(a_run(), samples=samples, vae=MODEL).values[0]


def painted(*args, **more):
    return decoded(sampled(*args, **more))


def difference(one, other):
    return float(np.abs(one - other).mean())


def test_the_same_inputs_give_the_same_picture():
    assert (painted() == painted()).all()


def test_the_same_inputs_give_the_same_picture_in_every_process():
    script = (
        "from comfy_notebook.servers.embedded.art.studio import style_of\n"
        "style = style_of('an ocean', 'violet, magenta, cyan, mountain', 8, 3)\n"
        "print(style.manner, style.colours.sum(0).tolist())\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True, text=True, timeout=20, check=True,
        ).stdout
        for seed in range(6)
    }  # fmt: skip
    assert len(said) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"seed": 2**64 - 1},
        {"text": "a galaxy of stars"},
        {"text": "a red fox"},
        {"negative": "purple"},
        {"cfg": 2.0},
        {"steps": 9},
        {"sampler_name": "dpmpp_2m"},
        {"sampler_name": "euler_ancestral"},
        {"scheduler": "karras"},
    ],
)
def test_another_input_gives_another_picture(change):
    assert difference(painted(**{"text": "a galaxy"} | change), painted()) > 1e-3


@pytest.mark.parametrize("text", ["mountains", "galaxy", "ocean", "a rose", "a map"])
def test_seeds_differ_clearly(text):
    pictures = [painted(text, seed=seed, start=latent(128, 128)) for seed in range(4)]
    for index, one in enumerate(pictures):
        for other in pictures[:index]:
            assert difference(one, other) > 0.02


@pytest.mark.parametrize(("width", "height", "batch"), [(64, 64, 1), (72, 200, 2), (512, 64, 1), (16, 16, 3)])
def test_pictures_are_as_large_as_asked_for(width, height, batch):
    picture = painted(start=latent(width, height, batch))
    assert picture.shape == (batch, height, width, 3)
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert picture.std() > 0.02


def test_the_pictures_of_a_batch_differ_and_the_first_is_that_of_a_single_one():
    batch = painted(start=latent(batch=3))
    assert difference(batch[0], batch[1]) > 0.01
    assert np.abs(batch[0] - painted()[0]).max() < 1e-5


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_ends_in_a_picture(sampler):
    samples = sampled(sampler_name=sampler, steps=6)["samples"]
    assert np.isfinite(samples).all()
    assert 0.1 < samples.std() < 4


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("steps", [1, 2, 20])
@pytest.mark.parametrize("denoise", [0.05, 0.5, 1.0])
def test_noise_only_goes_down(scheduler, steps, denoise):
    levels = sigmas(scheduler, steps, denoise)
    assert len(levels) == steps + 1
    assert levels[-1] == 0
    assert (np.diff(levels) < 0).all()


@pytest.mark.parametrize("manner", MANNERS)
def test_every_manner_paints(manner):
    from comfy_notebook.servers.embedded.art.painter import Style, paint

    layers = sampled()["samples"][0]
    picture = paint(layers, Style(manner, ramp("blue", "", 8, 1), 3), 96, 64)
    assert picture.shape == (64, 96, 3)
    assert picture.std() > 0.02


@pytest.mark.parametrize(("word", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_colours_that_are_named_prevail(word, channel):
    colours = painted(f"something {word}").mean((0, 1, 2))
    assert colours.argmax() == channel


def test_colours_to_avoid_are_avoided():
    def blueness(negative):
        colours = ramp("an ocean", negative, 8, 1).mean(0)
        return colours[2] - colours[0]

    assert blueness("blue, cyan, teal") < blueness("") - 0.1


def test_things_that_are_named_choose_the_manner_unless_unwanted():
    assert style_of("a mountain", "", 8, 1).manner == "ridges"
    assert style_of("a mountain", "mountain", 8, 1).manner != "ridges"


def test_a_ramp_goes_from_dark_to_light():
    for text in ("", "sunset", "red", "a blue and orange city", "black", "white snow"):
        luma = ramp(text, "", 8, 5) @ [0.299, 0.587, 0.114]
        assert luma[0] < 0.3
        assert luma[-1] > 0.6
        assert (np.diff(luma) > -0.02).all()


@pytest.fixture
def photograph():
    y, x = np.mgrid[:64, :96] / 64
    return np.stack([x / 1.5, y, 0.5 + 0.5 * np.sin(9 * x)], -1).astype(np.float32)[np.newaxis]


def encoded(picture):
    return diffusion.encode(pixels=picture, vae=MODEL)[0]


def test_what_is_encoded_comes_back(photograph):
    latent_image = encoded(photograph)
    assert latent_image["samples"].shape == (1, 4, 8, 12)
    assert np.abs(decoded(latent_image) - photograph).max() < 1e-6


def test_a_picture_of_odd_size_is_cut_to_multiples_of_eight():
    picture = np.zeros((2, 21, 35, 3), np.float32)
    assert decoded(encoded(picture)).shape == (2, 16, 32, 3)


def test_less_denoising_keeps_more_of_the_start(photograph):
    start = encoded(photograph)
    kept = [difference(painted(start=start, denoise=denoise), photograph) for denoise in (0.0, 0.2, 0.5, 0.8, 1.0)]
    assert kept[0] < 1e-6
    assert kept[1] < kept[2] < kept[3]
    assert kept[1] < 0.12 < kept[4]


def test_a_painting_can_be_painted_over():
    first = sampled(seed=1)
    again = decoded(sampled(seed=2, start=first, denoise=0.3))
    other = decoded(sampled(seed=2))
    assert difference(again, decoded(first)) < difference(other, decoded(first))


def test_a_latent_that_nobody_drew_on_is_grey():
    assert (decoded(latent()) == 0.5).all()


def test_each_step_is_reported_and_previews_lead_from_noise_to_the_picture():
    previews = []

    def report(value, total, preview):
        previews.append((value, total, np.asarray(preview(), np.float32) / 255))

    final = decoded(sampled(run=a_run(report), steps=10, start=latent(256, 256)))[0]
    assert [each[:2] for each in previews] == [(step, 10) for step in range(1, 11)]
    distances = [difference(picture, final) for _, _, picture in previews]
    assert distances[0] > 0.15
    assert distances[-1] < 0.02
    assert distances[0] > distances[5] > distances[-1]


def test_previews_are_small_and_keep_the_shape():
    sizes = []
    sampled(run=a_run(lambda _, __, preview: sizes.append(preview().size)), steps=1, start=latent(1024, 512))
    assert sizes == [(320, 160)]


def test_a_run_is_interrupted_between_steps():
    steps = []

    def check():
        if len(steps) == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        sampled(run=a_run(lambda *step: steps.append(step), check), steps=1000)
    assert len(steps) == 3


def test_it_takes_little_time():
    began = time.perf_counter()
    painted("mountains", steps=20, start=latent(512, 512))
    assert time.perf_counter() - began < 3

import io
import os
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from clips import clip, tone
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import encoded, gradient, shown

from comfy_notebook.notebook.media import containers
from comfy_notebook.notebook.media.players import sound, video
from comfy_notebook.notebook.media.recipe import recipe_for

av = pytest.importorskip("av")
RECIPE = recipe_for(4)


def coded(codec, container, seconds=2, rate=48000):
    out = io.BytesIO()
    with av.open(out, "w", format=container) as target:
        stream = target.add_stream(codec, rate=rate, layout="stereo")
        for _ in range(seconds * 10):
            samples = np.random.default_rng(0).integers(-9000, 9000, (1, rate // 10 * 2)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
            frame.sample_rate = rate
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "mime", "name"),
    [
        (("mp4", "libx264", "yuv420p"), "video/mp4", "H.264"),
        (("mp4", "libx264", "yuv444p"), "", "H.264"),
        (("mp4", "libx264", "yuv420p10le"), "", "H.264"),
        (("mov", "libx264", "yuv420p"), "video/mp4", "H.264"),
        (("webm", "libvpx", "yuv420p"), "video/webm", "VP8"),
        (("webm", "libvpx-vp9", "yuv420p"), "video/webm", "VP9"),
        (("mp4", "libx265", "yuv420p"), "", "HEVC"),
        (("mov", "prores_ks", "yuv422p10le"), "", "ProRes"),
        (("matroska", "libx264", "yuv420p"), "", "H.264"),
        (("matroska", "ffv1", "yuv420p"), "", "FFV1"),
        (("avi", "mpeg4", "yuv420p"), "", "MPEG-4"),
    ],
)
@pytest.mark.parametrize("pyav", [True, False])
def test_videos(kind, mime, name, pyav, monkeypatch):
    try:
        content = clip(*kind)
    except (ValueError, av.FFmpegError) as error:
        pytest.skip(f"this PyAV does not write it: {error}")
    if not pyav:
        monkeypatch.setitem(sys.modules, "av", None)
    made = video(content, RECIPE)
    assert made.problem == ""
    if pyav:
        assert made.codec == name
        assert (made.width, made.height) == (160, 96)
        assert made.seconds == pytest.approx(2.0, abs=0.1)
        assert shown(made.small).size == (160, 96)
    else:
        assert made.codec in (name, "")
        assert made.small is None
    if pyav or kind[2] == "yuv420p":  # which only PyAV tells
        assert made.plays_as == mime
        assert bool(made.notes) == (not mime)
        assert mime or "browsers do not play" in made.notes[0]


def test_the_poster_is_not_a_dark_frame():
    poster = shown(video(clip(dark=10), RECIPE).small).convert("L")
    assert poster.getpixel((80, 48)) > 150
    poster = shown(video(clip(dark=99), RECIPE).small).convert("L")
    assert poster.getpixel((80, 48)) < 30


def test_a_sound_that_does_not_play_is_told():
    made = video(clip("mov", sound_codec="pcm_s16le"), RECIPE)
    assert made.plays_as == "video/mp4"
    assert made.notes == ("browsers do not play its PCM sound",)


def test_a_video_that_is_cut_off_has_a_poster():
    content = clip("webm", "libvpx", frames=60)
    made = video(content[: len(content) * 2 // 3], RECIPE)
    assert made.small is not None


@pytest.mark.parametrize(
    ("kind", "mime", "name"),
    [
        (("libmp3lame", "mp3"), "audio/mpeg", "MP3"),
        (("flac", "flac"), "audio/flac", "FLAC"),
        (("libopus", "ogg"), "audio/ogg", "Opus"),
        (("libvorbis", "ogg"), "audio/ogg", "Vorbis"),
        (("aac", "mp4"), "audio/mp4", "AAC"),
        (("aac", "adts"), "audio/aac", "AAC"),
        (("alac", "mp4"), "", "Apple Lossless"),
        (("pcm_s16le", "wav"), "audio/wav", "PCM"),
        (("pcm_s16be", "aiff"), "", "PCM"),
        (("wmav2", "asf"), "", "WMA"),
    ],
)
@pytest.mark.parametrize("pyav", [True, False])
def test_sounds(kind, mime, name, pyav, monkeypatch):
    try:
        content = coded(*kind)
    except (ValueError, av.FFmpegError) as error:
        pytest.skip(f"this PyAV does not write it: {error}")
    if not pyav:
        monkeypatch.setitem(sys.modules, "av", None)
    made = sound(content, RECIPE)
    assert (made.plays_as, made.problem) == (mime, "")
    assert made.codec in (name, "" if not pyav else name)
    if pyav:
        assert (made.channels, made.rate) == (2, 48000)
        assert made.seconds == pytest.approx(2.0, abs=0.2)
        assert made.small is not None
    assert bool(made.notes) == (not mime)


def heights(made):
    """How high each bar of a waveform is."""
    image = np.asarray(shown(made.small).convert("RGBA"))[:, :, 3] > 0
    return image[:, ::4].sum(axis=0)


def test_the_waveform_shows_when_it_is_loud():
    bars = heights(sound(tone(loud=lambda at: 0.8 if at > 1 else 0.1), RECIPE))
    assert bars[:80].max() < bars[100:].min()
    assert len(bars) == 180


def test_the_waveform_is_small_and_has_no_background():
    made = sound(tone(channels=2), RECIPE)
    assert len(made.small.content) < 3_000
    image = shown(made.small).convert("RGBA")
    assert image.getpixel((0, 0))[3] == 0
    red, green, blue, alpha = image.getpixel((0, 48))
    assert alpha == 255
    assert all(100 < shade < 160 for shade in (red, green, blue))  # to be seen on white and on black


def test_silence_and_next_to_nothing():
    assert heights(sound(tone(loud=lambda at: 0), RECIPE)).max() < 10
    assert sound(tone(0.01), RECIPE).problem == ""


@pytest.mark.parametrize("container", ["wav", "mp3"])
def test_an_hour_takes_no_longer_than_a_moment(container):
    if container == "wav":
        content = tone(3600, rate=1000)
    else:
        piece = coded("libmp3lame", "mp3", 60)
        content = piece[: len(piece) // 100 * 100] * 60
    began = time.monotonic()
    made = sound(content, RECIPE)
    assert time.monotonic() - began < 5
    assert made.seconds == pytest.approx(3600, rel=0.05)
    assert len(heights(made)) > 50  # 200 on a machine at rest: what is heard in the time that it may take


@pytest.mark.parametrize("make", [video, sound])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        encoded(gradient()),
    ],
)
def test_what_is_no_video_or_sound_says_so(make, content, monkeypatch):
    monkeypatch.setattr(av, "open", lambda *a, **k: pytest.fail("FFmpeg was asked"))
    made = make(content, RECIPE)
    assert made.problem.startswith("it is not a ")
    assert (made.small, made.plays_as) == (None, "")


HEADS = [
    clip(frames=2)[:400],
    clip("webm", "libvpx", frames=2)[:400],
    tone(0.1)[:100],
    b"OggS",
    b"fLaC",
    b"\xff\xfb\x90",
]


@settings(deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=200), st.integers(0, 400))
def test_arbitrary_bytes_never_raise(head, rest, at):
    for make in (video, sound):
        made = make(head[:at] + rest, RECIPE)
        assert made.bytes == len(head[:at] + rest)


@given(st.binary(max_size=80))
def test_containers_of_arbitrary_bytes(content):
    container = containers.container_of(content)
    if container:
        containers.plays_as(container, containers.tracks_of(content, container), video=True)
        assert containers.demuxer(container)


def test_a_wav_whose_codec_no_browser_has():
    content = bytearray(tone(0.1))
    content[20:22] = struct.pack("<H", 0x31)  # GSM
    assert sound(bytes(content), RECIPE).plays_as == ""


FORKED = """
import os, sys, threading, time
from comfy_notebook.notebook.media.players import video
from comfy_notebook.notebook.media.recipe import recipe_for

made, over = threading.Event(), threading.Event()

def work():
    video(open(sys.argv[1], "rb").read(), recipe_for(1))
    made.set()
    over.wait()

threading.Thread(target=work, daemon=True).start()
made.wait()
child = os.fork()
if child == 0:
    os._exit(0)
until = time.monotonic() + 10
while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < until:
    time.sleep(0.05)
if ended[0] == 0:
    os.kill(child, 9)
os._exit(0 if ended == (child, 0) else 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_does_not_wait_for_what_made_a_poster(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(clip())
    command = [sys.executable, "-c", FORKED, tmp_path / "clip.mp4"]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0

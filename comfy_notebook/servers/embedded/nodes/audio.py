"""Nodes that make, load and save sound."""

from __future__ import annotations

import io
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.codec.codec import UnknownCodecError

from comfy_notebook.servers.embedded import metadata
from comfy_notebook.servers.embedded.values import Audio, Floats, Outcome, Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from av.audio.stream import AudioStream
    from av.container import OutputContainer

_LAYOUTS = {1: "mono", 2: "stereo"}
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
_NO_SETTINGS: Mapping[str, int] = MappingProxyType({})


def empty_audio(*, duration: float, sample_rate: int, channels: int) -> tuple[Audio]:
    """Give silence: `duration` in seconds, `sample_rate` in Hz."""
    waveform = np.zeros((1, channels, round(duration * sample_rate)), np.float32)
    return ({"waveform": waveform, "sample_rate": sample_rate},)


def load_audio(run: Run, *, audio: str) -> Outcome:
    """Give the sound of an audio or video file, waveform [1, channels, samples]."""
    pieces = []
    with av.open(str(run.files.find(audio))) as container:
        if not container.streams.audio:
            raise ValueError("No audio stream found in the file.")
        stream = container.streams.audio[0]
        planar = av.AudioResampler(format="fltp")
        for frame in container.decode(stream):
            run.check()
            pieces += [piece.to_ndarray() for piece in planar.resample(frame)]
        pieces += [piece.to_ndarray() for piece in planar.resample(None)]
        rate = stream.rate
    if not pieces:
        raise ValueError("No audio frames decoded.")
    waveform = np.concatenate(pieces, axis=1, dtype=np.float32)[np.newaxis]
    return Outcome(({"waveform": waveform, "sample_rate": rate},))


def save_audio(run: Run, *, audio: Audio, filename_prefix: str) -> Outcome:
    """Save each sound of the batch as FLAC."""
    return _save(run, audio, filename_prefix, kind="flac", codec="flac")


def save_audio_mp3(run: Run, *, audio: Audio, filename_prefix: str, quality: str) -> Outcome:
    """Save each sound of the batch as MP3; "V0" is the best variable bit rate."""
    return _save(run, audio, filename_prefix, kind="mp3", codec="libmp3lame", settings=_rate_of(quality))


def save_audio_opus(run: Run, *, audio: Audio, filename_prefix: str, quality: str) -> Outcome:
    """Save each sound of the batch as Opus, resampled if Opus does not know its rate."""
    rate = next((rate for rate in _OPUS_RATES if rate >= audio["sample_rate"]), _OPUS_RATES[-1])
    audio = _resampled(audio, rate)
    return _save(run, audio, filename_prefix, kind="opus", codec="libopus", settings=_rate_of(quality))


def encoder(name: str) -> str:
    """Give back the name of an encoder.

    Raises
    ------
    RuntimeError
        If the PyAV installed here was built without it.
    """
    try:
        av.Codec(name, "w")
    except UnknownCodecError:
        raise RuntimeError(
            f"the PyAV installed here ({av.__version__}) has no encoder {name!r}; a newer one may have it"
        ) from None
    return name


def add_sound(container: OutputContainer, codec: str, audio: Audio) -> AudioStream:
    """Add a stream for a sound to a file that is being written."""
    channels = audio["waveform"].shape[1]
    stream: Any = container.add_stream(encoder(codec), rate=audio["sample_rate"], layout=_layout(channels))
    found: AudioStream = stream
    return found


def encode_sound(container: OutputContainer, stream: AudioStream, audio: Audio, item: int = 0) -> None:
    """Write one sound of a batch into its stream."""
    waveform = np.ascontiguousarray(audio["waveform"][item], np.float32)
    frame = av.AudioFrame.from_ndarray(waveform, format="fltp", layout=_layout(len(waveform)))
    frame.sample_rate = audio["sample_rate"]
    frame.pts = 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _layout(channels: int) -> str:
    if channels not in _LAYOUTS:
        raise ValueError(f"sound of {channels} channels cannot be saved: one or two are needed")
    return _LAYOUTS[channels]


def _rate_of(quality: str) -> dict[str, int]:
    if quality == "V0":
        return {"qscale": True}  # by quality, of which the best is the default
    return {"bit_rate": int(quality.removesuffix("k")) * 1000}


def _save(
    run: Run, audio: Audio, prefix: str, *, kind: str, codec: str, settings: Mapping[str, int] = _NO_SETTINGS
) -> Outcome:
    series = run.files.series(prefix, "output")
    saved = []
    for item in range(len(audio["waveform"])):
        run.check()
        content = io.BytesIO()
        with av.open(content, "w", format=kind) as container:
            container.metadata.update(metadata.entries(run))
            stream = add_sound(container, codec, audio)
            for name, value in settings.items():
                setattr(stream.codec_context, name, value)
            encode_sound(container, stream, audio, item)
        saved.append(series.save(content.getvalue(), f".{kind}", item))
    return Outcome(ui={"audio": saved})


def _resampled(audio: Audio, rate: int) -> Audio:
    if rate == audio["sample_rate"]:
        return audio
    return {
        "waveform": np.stack([_resampled_item(each, audio["sample_rate"], rate) for each in audio["waveform"]]),
        "sample_rate": rate,
    }


def _resampled_item(waveform: Floats, old: int, new: int) -> Floats:
    layout = _layout(len(waveform))
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(waveform), format="fltp", layout=layout)
    frame.sample_rate = old
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=new)
    pieces = [piece.to_ndarray() for part in (frame, None) for piece in resampler.resample(part)]
    return np.concatenate(pieces, axis=1, dtype=np.float32)

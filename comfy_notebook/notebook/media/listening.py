"""Listens to sounds with PyAV: how long, how many channels, and how loud when.

A short sound is decoded whole, a long one here and there, so that an hour takes little longer than a minute. Nothing
of what is decoded is kept but a peak for each bar of the waveform.
"""

from __future__ import annotations

import logging
import time
from array import array
from dataclasses import dataclass
from typing import Any

from comfy_notebook.notebook.media.frames import codec_of, open_alone, seconds_of

BARS = 180
_WHOLE_SECONDS = 90.0
_SECONDS = 2.0  # for all of it
_FRAMES_AT_ONE_PLACE = 3
_FULL = 32768
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a sound holds; ``peaks`` are 0 to 1, one for each bar, and none if it could not be decoded."""

    codec: str
    seconds: float
    channels: int
    rate: int
    peaks: tuple[float, ...]


def listen(content: bytes, demuxer: str) -> Heard | None:
    """Listen to a sound; None if it has none that can be read."""
    try:
        with open_alone(content, demuxer) as container:
            if not container.streams.audio:
                return None
            stream = container.streams.audio[0]
            stream.thread_count = 1
            context = stream.codec_context  # read before it decodes: PyAV 19 crashes on one that could not be opened
            codec, channels, rate = context.name, context.channels, context.sample_rate
            seconds = seconds_of(container, stream)
            peaks = _Peaks(seconds)
            try:
                _read(container, stream, peaks)
            except Exception as error:  # noqa: BLE001 - cut off or damaged: what came before will do
                _log.debug("a sound cannot be decoded further: %s", error)
            return Heard(codec_of(codec), seconds or peaks.end, channels, rate, peaks.bars())
    except Exception as error:  # noqa: BLE001 - demuxers of hostile content raise anything
        _log.debug("a sound cannot be listened to: %s", error)
        return None


class _Peaks:
    """The loudest sample of each moment; moments grow when a sound is longer than it says, or does not say."""

    def __init__(self, seconds: float) -> None:
        self._step = (seconds or 1.0) / BARS
        self._peaks: dict[int, int] = {}
        self.end = 0.0

    def add(self, at: float, samples: array[int], rate: int) -> None:
        """Take note of samples that begin at a time in seconds."""
        self.end = max(self.end, at + len(samples) / rate)
        size = max(1, int(rate * self._step))
        for start in range(0, len(samples), size):
            part = samples[start : start + size]
            bar = int((at + start / rate) / self._step)
            low, high = min(part), max(part)
            self._peaks[bar] = max(self._peaks.get(bar, 0), high, -low)
        while len(self._peaks) > 4 * BARS:
            self._halve()

    def bars(self) -> tuple[float, ...]:
        """Return the peaks, in as many bars as are drawn."""
        if not self._peaks:
            return ()
        count = max(self._peaks) + 1
        bars = [0] * min(count, BARS)
        for moment, peak in self._peaks.items():
            place = moment * len(bars) // count
            bars[place] = max(bars[place], peak)
        return tuple(min(1.0, bar / _FULL) for bar in bars)

    def _halve(self) -> None:
        self._step *= 2
        halved: dict[int, int] = {}
        for moment, peak in self._peaks.items():
            halved[moment // 2] = max(halved.get(moment // 2, 0), peak)
        self._peaks = halved


def _read(container: Any, stream: Any, peaks: _Peaks) -> None:
    seconds = seconds_of(container, stream)
    end = time.monotonic() + _SECONDS
    if seconds <= _WHOLE_SECONDS:
        _decode(container, stream, peaks, 1 << 62, end)
        return
    for bar in range(BARS):
        if time.monotonic() > end:
            return
        container.seek(int((bar + 0.3) / BARS * seconds / stream.time_base), stream=stream)
        _decode(container, stream, peaks, _FRAMES_AT_ONE_PLACE, end)


def _decode(container: Any, stream: Any, peaks: _Peaks, most: int, end: float) -> None:
    from av import AudioResampler

    resampler = AudioResampler(format="s16", layout="mono")
    for number, frame in enumerate(container.decode(stream)):
        at = max(0.0, frame.time or 0.0)
        for plain in resampler.resample(frame):
            samples = array("h")
            samples.frombytes(bytes(plain.planes[0])[: plain.samples * 2])
            if samples:
                peaks.add(at, samples, plain.sample_rate)
        if number + 1 >= most or time.monotonic() > end:
            return

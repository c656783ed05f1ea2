"""Short videos and sounds in memory."""

import io
import math
import wave
from array import array

import av
import numpy as np


def clip(container="mp4", codec="libx264", pixels="yuv420p", *, dark=0, frames=24, sound_codec=None):
    """A video of 160 x 96 at 12 frames a second, the first ones black."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as target:
        stream = target.add_stream(codec, rate=12)
        stream.width, stream.height, stream.pix_fmt = 160, 96, pixels
        audio = target.add_stream(sound_codec, rate=48000, layout="mono") if sound_codec else None
        for number in range(frames):
            shade = 0 if number < dark else 200
            frame = av.VideoFrame.from_ndarray(np.full((96, 160, 3), shade, np.uint8), format="rgb24")
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
        if audio:
            quiet = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.int16), format="s16", layout="mono")
            quiet.sample_rate = 48000
            target.mux(audio.encode(quiet))
            target.mux(audio.encode())
    return out.getvalue()


def tone(seconds=2.0, rate=8000, channels=1, loud=lambda at: 0.5):
    """A WAV of a tone whose loudness depends on the time."""
    samples = array("h")
    for number in range(int(seconds * rate)):
        value = int(32767 * loud(number / rate) * math.sin(number))
        samples.extend([value] * channels)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return out.getvalue()

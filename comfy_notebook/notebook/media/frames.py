"""Looks into videos with PyAV: their size and length, and a frame that stands for them."""

from __future__ import annotations

import io
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfy_notebook.demuxing import open_container
from comfy_notebook.notebook.media.containers import Tracks

if TYPE_CHECKING:
    from PIL.Image import Image

_POSTER_SIDE = 1280
_PLACES = (0.0, 0.1, 0.3, 0.6)  # where to look for a frame, in parts of the length
_BRIGHT = 24  # of 255, on average, from where a frame is not dark
_SECONDS = 2.0  # for all of it
_FRAMES = 60  # decoded at one place, at most
_LARGEST_PIXELS = 8192 * 8192
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a video holds; ``poster`` is None if no frame of it could be decoded."""

    tracks: Tracks
    width: int
    height: int
    seconds: float
    poster: Image | None


def open_alone(content: bytes, demuxer: str) -> Any:
    """Open a file with one of FFmpeg's demuxers, which may open nothing else."""
    options = {"protocol_whitelist": "", "enable_drefs": "0"}
    return open_container(io.BytesIO(content), demuxer, io_open=_refuse, options=options)


def seconds_of(container: Any, stream: Any) -> float:
    """Return how long it plays, or 0 if it does not say."""
    if stream.duration and stream.time_base:
        return float(max(0, stream.duration * stream.time_base))
    return max(0.0, (container.duration or 0) / 1_000_000)


def look(content: bytes, demuxer: str) -> Seen | None:
    """Look into a video, for two seconds at most; None if it has none that can be read."""
    try:
        with open_alone(content, demuxer) as container:
            if not container.streams.video:
                return None
            stream = container.streams.video[0]
            stream.thread_count = 1
            sounds = container.streams.audio
            context = stream.codec_context  # read before it decodes: PyAV 19 crashes on one that could not be opened
            width, height = context.width, context.height
            sound = codec_of(sounds[0].codec_context.name) if sounds else ""
            tracks = Tracks(codec_of(context.name or ""), sound, context.pix_fmt or "")
            seconds = seconds_of(container, stream)
            poster = _poster(container, stream, seconds) if _decodable(context) else None
            return Seen(tracks, width, height, seconds, poster)
    except Exception as error:  # noqa: BLE001 - demuxers and decoders of hostile content raise anything
        _log.debug("a video cannot be looked into: %s", error)
        return None


def codec_of(name: str) -> str:
    """Return the codec that a decoder, perhaps a library, is for."""
    names = {"libdav1d": "av1", "libaom-av1": "av1", "libvpx": "vp8", "libvpx-vp9": "vp9", "mp3float": "mp3",
             "libopus": "opus", "libvorbis": "vorbis"}  # fmt: skip
    return names.get(name, name)


def _decodable(context: Any) -> bool:
    return bool(0 < context.width * context.height <= _LARGEST_PIXELS)


def _poster(container: Any, stream: Any, seconds: float) -> Image | None:
    """Return the first of a few frames that is not dark, else the brightest of them."""
    best, brightest = None, -1.0
    end = time.monotonic() + _SECONDS
    for place in _PLACES:
        frame = _frame_at(container, stream, place * seconds, end)
        if frame is not None:
            image = _image(frame)
            light = _light(image)
            if light >= _BRIGHT:
                return image
            if light > brightest:
                best, brightest = image, light
        if not seconds or time.monotonic() > end:
            break
    return best


def _frame_at(container: Any, stream: Any, seconds: float, end: float) -> Any:
    import av

    frame = None
    try:
        if seconds:
            container.seek(int(seconds / stream.time_base), stream=stream)
        for number, frame in enumerate(container.decode(stream)):
            if frame.time is None or frame.time >= seconds or number >= _FRAMES or time.monotonic() > end:
                break
    except (av.FFmpegError, OSError, ValueError) as error:  # cut off: what came before will do
        _log.debug("a frame cannot be decoded: %s", error)
    return frame


def _image(frame: Any) -> Image:
    from av.video.reformatter import VideoReformatter
    from PIL.Image import Transpose

    scale = min(1.0, _POSTER_SIDE / max(frame.width, frame.height))
    width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    # PyAV keeps one with each thread otherwise, on whose end a forked child waits for ever
    image: Image = VideoReformatter().reformat(frame, width, height, "rgb24").to_image()
    turns = {90: Transpose.ROTATE_90, 180: Transpose.ROTATE_180, 270: Transpose.ROTATE_270}
    turn = turns.get(round(getattr(frame, "rotation", 0)) % 360)
    return image.transpose(turn) if turn is not None else image


def _light(image: Image) -> float:
    from PIL import ImageStat

    return float(ImageStat.Stat(image.reduce(max(1, max(image.size) // 64)).convert("L")).mean[0])


def _refuse(url: str, _flags: int, _options: dict[str, str]) -> Any:
    raise PermissionError(f"a media file may not open another one: {url}")

"""Nodes that make videos of pictures and sound."""

from __future__ import annotations

import io
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.video.reformatter import VideoReformatter

from comfy_notebook.servers.embedded import metadata
from comfy_notebook.servers.embedded.nodes.audio import add_sound, encode_sound, encoder
from comfy_notebook.servers.embedded.values import Audio, Floats, Outcome, Run, Video, to_bytes

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

_MP4 = {"auto", "mp4"}
_H264 = {"auto", "h264"}
_WEBM = {"vp9": ("libvpx-vp9", "yuv420p"), "av1": ("libsvtav1", "yuv420p10le")}


def create_video(*, images: Floats, fps: float, audio: Audio | None = None) -> tuple[Video]:
    """Give a video of pictures [frames, height, width, 3], `fps` a second, with sound if there is any."""
    return (Video(images, fps, audio),)


def save_video(run: Run, *, video: Video, filename_prefix: str, format: str, codec: str) -> Outcome:  # noqa: A002
    """Save a video as MP4 with H.264, and AAC if it has sound; both sides have to be even."""
    if format not in _MP4:
        raise ValueError(f"{format!r} is not a valid VideoContainer")
    if codec not in _H264:
        raise ValueError(f"{codec!r} is not a valid VideoCodec")
    content = io.BytesIO()
    with av.open(content, "w", format="mp4", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(metadata.entries(run))
        stream = _video_stream(container, "libx264", video.images, video.fps)
        sound = _trimmed(video)
        sound_stream = add_sound(container, "aac", sound) if sound is not None else None
        _encode(run, container, stream, video.images)
        if sound is not None and sound_stream is not None:
            encode_sound(container, sound_stream, sound)
    return _outcome(run, video.images, filename_prefix, content, ".mp4")


def save_webm(
    run: Run,
    *,
    images: Floats,
    filename_prefix: str,
    codec: str,
    fps: float,
    crf: float,
) -> Outcome:
    """Save pictures as WebM with VP9 or AV1; a higher `crf` means a smaller file."""
    if codec not in _WEBM:
        raise ValueError(f"{codec!r} is no codec of SaveWEBM")
    name, pixels = _WEBM[codec]
    content = io.BytesIO()
    with av.open(content, "w", format="webm") as container:
        container.metadata.update(metadata.entries(run))
        stream = _video_stream(container, name, images, fps, pixels)
        stream.bit_rate = 0
        stream.options = {"crf": str(crf), **({"preset": "6"} if codec == "av1" else {})}
        _encode(run, container, stream, images)
    return _outcome(run, images, filename_prefix, content, ".webm")


def _video_stream(
    container: OutputContainer, codec: str, images: Floats, fps: float, pixels: str = "yuv420p"
) -> VideoStream:
    rate = Fraction(round(fps * 1000), 1000)
    stream: Any = container.add_stream(encoder(codec), rate=rate)
    stream.height, stream.width = images.shape[1:3]
    stream.pix_fmt = pixels
    found: VideoStream = stream
    return found


def _encode(run: Run, container: OutputContainer, stream: VideoStream, images: Floats) -> None:
    reformatter = VideoReformatter()  # PyAV keeps one with each thread otherwise, on whose end a forked child waits
    for pixels in images:
        run.check()
        frame = av.VideoFrame.from_ndarray(to_bytes(pixels[..., :3]), format="rgb24")
        container.mux(stream.encode(reformatter.reformat(frame, format=stream.pix_fmt)))
    container.mux(stream.encode(None))


def _trimmed(video: Video) -> Audio | None:
    if video.audio is None:
        return None
    rate = video.audio["sample_rate"]
    longest = math.ceil(rate / video.fps * len(video.images))
    return {"waveform": video.audio["waveform"][:, :, :longest], "sample_rate": rate}


def _outcome(run: Run, images: Floats, prefix: str, content: io.BytesIO, suffix: str) -> Outcome:
    series = run.files.series(prefix, "output", (images.shape[2], images.shape[1]))
    return Outcome(ui={"images": [series.save(content.getvalue(), suffix)], "animated": [True]})

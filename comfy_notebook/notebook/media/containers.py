"""What a video or sound file is by its first bytes, what is in it, and whether browsers play that.

A suffix says little: there are MP4s with codecs that no browser has. Without PyAV, codecs are read from where the
common containers name them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEAD = 1 << 16
_BROWSERS_VIDEO = frozenset({"h264", "vp8", "vp9", "av1"})
_BROWSERS_SOUND = frozenset({"aac", "mp3", "opus", "vorbis", "flac"})
_PCM = frozenset({"pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le"})
# Container → (video codecs, sound codecs, MIME type of a video, of a sound) that browsers play from it.
_PLAYED = {
    "MP4": (_BROWSERS_VIDEO - {"vp8"}, _BROWSERS_SOUND - {"vorbis"}, "video/mp4", "audio/mp4"),
    "QuickTime": (frozenset({"h264"}), frozenset({"aac", "mp3"}), "video/mp4", "audio/mp4"),
    "WebM": (frozenset({"vp8", "vp9", "av1"}), frozenset({"opus", "vorbis"}), "video/webm", "audio/webm"),
    "Ogg": (frozenset(), frozenset({"opus", "vorbis", "flac"}), "", "audio/ogg"),
    "WAV": (frozenset(), _PCM, "", "audio/wav"),
    "FLAC": (frozenset(), frozenset({"flac"}), "", "audio/flac"),
    "MP3": (frozenset(), frozenset({"mp3"}), "", "audio/mpeg"),
    "AAC": (frozenset(), frozenset({"aac"}), "", "audio/aac"),
}
_DEMUXERS = {  # FFmpeg's names; never guessed by it, as some of its formats open other files
    "MP4": "mov",
    "QuickTime": "mov",
    "WebM": "matroska",
    "Matroska": "matroska",
    "Ogg": "ogg",
    "WAV": "wav",
    "FLAC": "flac",
    "MP3": "mp3",
    "AAC": "aac",
    "AVI": "avi",
    "Windows Media": "asf",
    "AIFF": "aiff",
}
_FOURCCS = {
    b"avc1": "h264", b"avc3": "h264", b"hvc1": "hevc", b"hev1": "hevc", b"vp08": "vp8", b"vp09": "vp9",
    b"av01": "av1", b"mp4v": "mpeg4", b"apcn": "prores", b"apch": "prores", b"apcs": "prores", b"apco": "prores",
    b"ap4h": "prores", b"ap4x": "prores", b"jpeg": "mjpeg", b"mp4a": "aac", b"Opus": "opus", b"fLaC": "flac",
    b".mp3": "mp3", b"alac": "alac", b"ac-3": "ac3",
}  # fmt: skip
_MATROSKA_IDS = {
    b"V_VP8": "vp8", b"V_VP9": "vp9", b"V_AV1": "av1", b"V_MPEG4/ISO/AVC": "h264", b"V_MPEGH/ISO/HEVC": "hevc",
    b"V_FFV1": "ffv1", b"V_PRORES": "prores", b"A_OPUS": "opus", b"A_VORBIS": "vorbis", b"A_AAC": "aac",
    b"A_FLAC": "flac", b"A_MPEG/L3": "mp3", b"A_PCM/INT/LIT": "pcm_s16le",
}  # fmt: skip
_SIGNATURES = (
    (b"OggS", "Ogg"),
    (b"fLaC", "FLAC"),
    (b"ID3", "MP3"),
    (b"FORM", "AIFF"),
    (b"0&\xb2u\x8ef\xcf\x11", "Windows Media"),
)
_WAV_CODES = {3: {32: "pcm_f32le"}, 1: {8: "pcm_u8", 16: "pcm_s16le", 24: "pcm_s24le", 32: "pcm_s32le"}}
_OF_VIDEO = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "prores", "mjpeg", "ffv1"})
_NAMES = {
    "h264": "H.264", "hevc": "HEVC", "vp8": "VP8", "vp9": "VP9", "av1": "AV1", "prores": "ProRes", "ffv1": "FFV1",
    "mpeg4": "MPEG-4", "mjpeg": "Motion JPEG", "aac": "AAC", "mp3": "MP3", "opus": "Opus", "vorbis": "Vorbis",
    "flac": "FLAC", "alac": "Apple Lossless", "wmav2": "WMA",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tracks:
    """The codecs of a file, as FFmpeg calls them; "" for a track that is not there or not known.

    ``pixels`` is the video's pixel format, "" if unknown.
    """

    video: str = ""
    sound: str = ""
    pixels: str = ""


def container_of(content: bytes) -> str:
    """Return what kind of file it is, or "" if it is of no known kind."""
    head = content[:64]
    if head[4:8] == b"ftyp" or head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "QuickTime" if head[4:8] != b"ftyp" or head[8:12] == b"qt  " else "MP4"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "WebM" if b"webm" in head else "Matroska"
    if head.startswith(b"RIFF"):
        return {b"WAVE": "WAV", b"AVI ": "AVI"}.get(head[8:12], "")
    found = next((name for signature, name in _SIGNATURES if head.startswith(signature)), "")
    if not found and len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # MPEG sound without tags
        return "AAC" if head[1] & 0xF6 == 0xF0 else "MP3"
    return found


def demuxer(container: str) -> str:
    """Return what FFmpeg calls a container."""
    return _DEMUXERS[container]


def tracks_of(content: bytes, container: str) -> Tracks:
    """Read which codecs a file names, without FFmpeg."""
    codecs: list[str] = []
    if container in ("MP4", "QuickTime"):
        codecs = [_FOURCCS.get(found[1], "") for found in re.finditer(rb"stsd.{12}(.{4})", content, re.DOTALL)]
    elif container in ("WebM", "Matroska"):
        names = re.findall(rb"[VA]_[A-Z0-9]+(?:/[A-Z0-9]+)*", content[:_HEAD])
        codecs = [_MATROSKA_IDS.get(name, name[2:].decode().lower()) for name in names]
    elif container == "WAV":
        codecs = [_wav_codec(content)]
    elif container == "Ogg":
        marks = ((b"OpusHead", "opus"), (b"\x01vorbis", "vorbis"), (b"\x7fFLAC", "flac"))
        codecs = [name for mark, name in marks if mark in content[:_HEAD]]
    elif container in ("FLAC", "MP3", "AAC"):
        codecs = [container.lower()]
    video = next((codec for codec in codecs if codec in _OF_VIDEO), "")
    return Tracks(video, next((codec for codec in codecs if codec and codec not in _OF_VIDEO), ""))


def plays_as(container: str, tracks: Tracks, *, video: bool) -> str:
    """Return the MIME type as which browsers play it, or "" if they do not.

    A codec that is not known is believed to be a usual one: a player that does not start is no worse than none.
    """
    if container not in _PLAYED:
        return ""
    videos, sounds, video_mime, sound_mime = _PLAYED[container]
    if not video:
        return sound_mime if tracks.sound in sounds or not tracks.sound else ""
    if tracks.video == "h264" and not tracks.pixels.startswith(("yuv420p", "yuvj420p", "gray", "nv12")):
        return video_mime if not tracks.pixels else ""
    if tracks.video == "h264" and tracks.pixels.endswith(("le", "be")):  # 10 bits a channel
        return ""
    return video_mime if tracks.video in videos or not tracks.video else ""


def silent(container: str, tracks: Tracks) -> bool:
    """Whether a video that plays has a sound that does not."""
    return bool(tracks.sound) and container in _PLAYED and tracks.sound not in _PLAYED[container][1]


def codec_name(codec: str) -> str:
    """Return what users call a codec."""
    return _NAMES.get(codec, "PCM" if codec.startswith("pcm_") else codec)


def _wav_codec(content: bytes) -> str:
    at = content.find(b"fmt ", 0, _HEAD)
    if at < 0:
        return ""
    code = int.from_bytes(content[at + 8 : at + 10], "little")
    if code == 0xFFFE:  # the code is in the extension
        code = int.from_bytes(content[at + 32 : at + 34], "little")
    bits = int.from_bytes(content[at + 22 : at + 24], "little")
    return _WAV_CODES.get(code, {}).get(bits, f"format {code} of {bits} bits")

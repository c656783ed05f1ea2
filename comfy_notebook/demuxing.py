"""Opens video and sound files with PyAV, whatever its version."""

from __future__ import annotations

from typing import Any


def open_container(file: Any, demuxer: str, **options: Any) -> Any:
    """Open a file with one of FFmpeg's demuxers; its tags may be in any encoding.

    The demuxer is said, so that no playlist is taken for a file and followed to others.
    """
    import av

    try:
        return av.open(file, format=demuxer, metadata_errors="replace", **options)
    except TypeError:  # PyAV 19 is no longer told about tags in other encodings; nothing was read yet
        return av.open(file, format=demuxer, **options)

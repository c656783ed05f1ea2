"""What kind of file it is, by its name's suffix."""

from __future__ import annotations

# Suffix → (kind, MIME type). The standard library's mimetypes differ from machine to machine.
_TYPES = {
    ".png": ("image", "image/png"),
    ".apng": ("image", "image/apng"),
    ".jpg": ("image", "image/jpeg"),
    ".jpeg": ("image", "image/jpeg"),
    ".webp": ("image", "image/webp"),
    ".gif": ("image", "image/gif"),
    ".avif": ("image", "image/avif"),
    ".bmp": ("image", "image/bmp"),
    ".tif": ("image", "image/tiff"),
    ".tiff": ("image", "image/tiff"),
    ".svg": ("image", "image/svg+xml"),
    ".mp4": ("video", "video/mp4"),
    ".m4v": ("video", "video/mp4"),
    ".webm": ("video", "video/webm"),
    ".mov": ("video", "video/quicktime"),
    ".mkv": ("video", "video/x-matroska"),
    ".avi": ("video", "video/x-msvideo"),
    ".mp3": ("audio", "audio/mpeg"),
    ".wav": ("audio", "audio/wav"),
    ".flac": ("audio", "audio/flac"),
    ".ogg": ("audio", "audio/ogg"),
    ".opus": ("audio", "audio/ogg"),
    ".aac": ("audio", "audio/aac"),
    ".m4a": ("audio", "audio/mp4"),
    ".wma": ("audio", "audio/x-ms-wma"),
    ".glb": ("file", "model/gltf-binary"),
    ".gltf": ("file", "model/gltf+json"),
    ".obj": ("file", "model/obj"),
    ".txt": ("file", "text/plain"),
    ".json": ("file", "application/json"),
    ".zip": ("file", "application/zip"),
}
_UNKNOWN_TYPE = ("file", "application/octet-stream")


def media_type(filename: str) -> tuple[str, str]:
    """Return (kind, MIME type) of a file by its name's suffix; any case."""
    dot = filename.rfind(".")
    return _TYPES.get(filename[dot:].lower(), _UNKNOWN_TYPE) if dot >= 0 else _UNKNOWN_TYPE

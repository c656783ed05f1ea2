"""Files that a run takes in: what a user may give for a picture, a sound or a video, as something to upload."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import unquote, urlsplit

from comfy_notebook.media import Media

_SIGNATURES = (
    (b"\x89PNG\r\n", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"fLaC", ".flac"),
    (b"ID3", ".mp3"),
    (b"OggS", ".ogg"),
    (b"\x1aE\xdf\xa3", ".webm"),
)
_RIFF = {b"WEBP": ".webp", b"WAVE": ".wav"}
_ARRAY_DIMENSIONS = (2, 3)
_CHANNELS = (1, 3, 4)


class NotAFileError(ValueError):
    """The value cannot be made a file; the message says why."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to upload that lies on this machine."""

    path: Path

    @property
    def name(self) -> str:
        """The file's own name, which the server keeps."""
        return self.path.name

    def read(self) -> bytes:
        """Return its content; OSError if it cannot be read."""
        return self.path.read_bytes()


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file to upload that is fetched first, without any credentials."""

    url: str

    @property
    def name(self) -> str:
        """The last part of the URL's path."""
        return unquote(urlsplit(self.url).path.rpartition("/")[2]) or "download"


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file to upload that an earlier run made; its server is asked as that run's was."""

    media: Media

    @property
    def name(self) -> str:
        """The file's name on that server."""
        return self.media.filename


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file to upload that was made in memory."""

    name: str
    content: bytes

    def read(self) -> bytes:
        """Return its content."""
        return self.content


@dataclass(frozen=True, slots=True)
class MaskedFile:
    """A picture to upload with its mask, put together once both are at hand."""

    picture: LocalFile | RemoteFile | ResultFile | MadeFile
    mask: LocalFile | RemoteFile | ResultFile | MadeFile

    @property
    def name(self) -> str:
        """The picture's name, told from that of the picture alone."""
        return f"{PurePath(self.picture.name).stem}-masked.png"


FileValue = LocalFile | RemoteFile | ResultFile | MadeFile | MaskedFile


def as_file(value: Any) -> FileValue | None:
    """Read ``value`` as a file to upload, or None if it can only be the name of a file on the server.

    Parameters
    ----------
    value
        A path, an http(s) URL, a result's media, bytes, an open binary file, a PIL image, or a numpy array or
        torch tensor of shape (height, width) or (height, width, 1, 3 or 4), as uint8 or as floats from 0 to 1; or a
        pair of them: a picture and its mask, which is white where the picture is to be changed. What was read as a
        file already stays one.

    Raises
    ------
    NotAFileError
        If it is none of these.
    """
    if isinstance(value, FileValue):
        return value
    if isinstance(value, Media):
        return ResultFile(value)
    if isinstance(value, tuple):
        return _pair(value)
    if isinstance(value, str):
        return _named(value)
    if isinstance(value, PurePath):
        if not _is_file(str(value)):
            raise NotAFileError(f"there is no file {value}")
        return LocalFile(Path(value).expanduser())
    return named_by_content(_content(value))


def _pair(value: tuple[Any, ...]) -> MaskedFile:
    if len(value) != 2:
        raise NotAFileError(f"{len(value)} values are given: a picture takes one, or a pair of a picture and its mask")
    picture, mask = (as_file(part) for part in value)
    if picture is None or mask is None or isinstance(picture, MaskedFile) or isinstance(mask, MaskedFile):
        raise NotAFileError("a picture and its mask must both be files here, or pictures in memory")
    return MaskedFile(picture, mask)


def _named(name: str) -> FileValue | None:
    if name.startswith(("http://", "https://")):
        return RemoteFile(name)
    return LocalFile(Path(name).expanduser()) if _is_file(name) else None


def _content(value: Any) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if hasattr(value, "read"):
        content = value.read()
        if not isinstance(content, bytes):
            raise NotAFileError("the file is open as text; open it with mode 'rb'")
        return content
    if hasattr(value, "save") and hasattr(value, "mode"):
        return _png(value)
    if hasattr(value, "__array__") or hasattr(value, "detach"):
        return _png(_picture(value))
    raise NotAFileError(f"a {type(value).__name__} is neither a file, nor bytes, nor a picture")


def named_by_content(content: bytes) -> MadeFile:
    """Name bytes after what they are, so that the same content has one name on the server."""
    return MadeFile(f"{hashlib.sha256(content).hexdigest()[:16]}{_suffix(content)}", content)


def _suffix(content: bytes) -> str:
    if content[:4] == b"RIFF":
        return _RIFF.get(content[8:12], ".bin")
    if content[4:8] == b"ftyp":
        return ".mp4"
    return next((suffix for start, suffix in _SIGNATURES if content.startswith(start)), ".bin")


def _is_file(name: str) -> bool:
    try:
        return Path(name).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a NUL in it, no such user
        return False


def _png(image: Any) -> bytes:
    if image.mode not in ("1", "L", "LA", "I;16", "P", "RGB", "RGBA"):  # what PNG holds
        image = image.convert("RGBA" if image.mode in ("PA", "La", "RGBa") else "RGB")
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _picture(array: Any) -> Any:
    import numpy as np
    from PIL import Image

    if hasattr(array, "detach"):  # a torch tensor, perhaps on a GPU
        array = array.detach().cpu().numpy()
    array = np.asarray(array)
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim not in _ARRAY_DIMENSIONS or (array.ndim == 3 and array.shape[2] not in _CHANNELS):
        raise NotAFileError(f"an array of shape {array.shape} is no picture: give (height, width, channels)")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    return Image.fromarray(_bytes_of_pixels(array))


def _bytes_of_pixels(array: Any) -> Any:
    import numpy as np

    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if not np.issubdtype(array.dtype, np.floating):
        raise NotAFileError(f"an array of {array.dtype} is no picture: give uint8, or floats from 0 to 1")
    if not np.isfinite(array).all() or array.min() < -0.001 or array.max() > 1.001:
        raise NotAFileError("an array of floats must lie between 0 and 1; divide by 255 first")
    return (array.clip(0, 1) * 255 + 0.5).astype(np.uint8)

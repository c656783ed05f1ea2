"""What came back from a run: its state, its files and texts, and what really ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, SupportsIndex, overload

from comfy_notebook.errors import ComfyError, MediaError

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable, Sequence

    from PIL.Image import Image

COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"

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


class Origin(Protocol):
    """Where a result's files come from."""

    def read(self, media: Media) -> bytes:
        """Return a file's content, blocking; MediaError if it can no longer be had."""

    async def aread(self, media: Media) -> bytes:
        """Return a file's content; MediaError if it can no longer be had."""


class Shown:
    """Shows itself in IPython and Jupyter: as HTML where there is a front end for it, else as text.

    The one import against the direction of all others: a result is shown also where nothing else of the notebook
    room was loaded.
    """

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> dict[str, Any]:
        from comfy_notebook.notebook.show import mimebundle

        return mimebundle(self, include, exclude)

    def _repr_html_(self) -> str:
        from comfy_notebook.notebook.show import html

        return html(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002 - IPython's protocol
        from comfy_notebook.notebook.show import text

        printer.text(text(self))


class Media(Shown, str):  # noqa: SLOT000 - it carries a connection
    """A file that a run made: its URL, and what can be done with it.

    It is a ``str``, the URL under which the server gives it out, correctly encoded, so that it goes wherever a
    URL goes.

    Attributes
    ----------
    filename, subfolder, type
        The file on the server; ``type`` is the folder: "output", "temp" or "input".
    kind
        "image", "video", "audio" or "file".
    mime
        Its MIME type by its suffix.
    var
        The output's name, from a ``$output.name`` title, else the node's id.
    node_id
        The node that made it.
    """

    filename: str
    subfolder: str
    type: str
    kind: str
    mime: str
    var: str
    node_id: str
    _origin: Origin | None

    def __new__(
        cls,
        url: str,
        *,
        filename: str = "",
        subfolder: str = "",
        type: str = "output",  # noqa: A002 - ComfyUI's name for it
        var: str = "",
        node_id: str = "",
        origin: Origin | None = None,
    ) -> Self:
        """Make one from its URL; what it is follows from the file name's suffix."""
        self = super().__new__(cls, url)
        self.filename, self.subfolder, self.type = filename, subfolder, type
        self.var, self.node_id = var, node_id
        self.kind, self.mime = media_type(filename or url.partition("?")[0])
        self._origin = origin
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        """Pickle it without its connection: what is fetched later, is fetched without credentials."""
        names = ("filename", "subfolder", "type", "var", "node_id")
        return (str(self),), {name: getattr(self, name) for name in names}

    def __getstate__(self) -> None:
        return None

    def bytes(self) -> builtins.bytes:
        """Return the original file's content.

        Raises
        ------
        MediaError
            If the server no longer has it and it was not kept here, or the server does not answer.
        """
        return (self._origin or _Anonymous()).read(self)

    async def abytes(self) -> builtins.bytes:
        """Return the original file's content; the awaitable twin of :meth:`bytes`."""
        return await (self._origin or _Anonymous()).aread(self)

    def pil(self) -> Image:
        """Return the picture as a PIL image, loaded.

        Raises
        ------
        MediaError
            If it is no picture that Pillow reads, or as for :meth:`bytes`.
        """
        return _decode(self.bytes(), self.filename)

    async def apil(self) -> Image:
        """Return the picture as a PIL image; the awaitable twin of :meth:`pil`."""
        return _decode(await self.abytes(), self.filename)

    def save(self, path: str | Path) -> Path:
        """Write the original file to ``path``, or into it under its own name if that is a folder.

        Returns the path written; OSError if it cannot be.
        """
        return _write(self.bytes(), path, self.filename)

    async def asave(self, path: str | Path) -> Path:
        """Write the original file; the awaitable twin of :meth:`save`."""
        return _write(await self.abytes(), path, self.filename)


class MediaList(Shown, list[Media]):
    """A list of media that shows itself as a gallery; slices are such lists, too."""

    @overload
    def __getitem__(self, index: SupportsIndex) -> Media: ...
    @overload
    def __getitem__(self, index: slice) -> MediaList: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Media | MediaList:
        """Return one, or a list of them for a slice."""
        if isinstance(index, slice):
            return MediaList(super().__getitem__(index))
        return super().__getitem__(index)


@dataclass(repr=False)
class ExecuteResult(Shown):
    """What came back from a run.

    Attributes
    ----------
    status
        "completed", "failed" or "cancelled".
    msg
        A sentence that says what happened; empty only if completed.
    error
        What went wrong, with the node where it did; None if completed.
    warnings
        What a user should know though the run completed.
    prompt_id
        The run's id on the server, or None if it was never sent.
    duration
        Seconds from submit to last output; None if it was never sent.
    server
        Where it ran.
    images, videos, audios, files
        The files' URLs in the order that the server reported them; each file is in one of the lists.
    texts
        The texts in that order.
    images_by_var, videos_by_var, audios_by_var, files_by_var, texts_by_var
        The same by output name (``$output.name``), else by node id.
    outputs
        The server's raw outputs, by node id.
    params
        The values that ran, by parameter, seeds included.
    workflow
        The API graph as it was sent.
    """

    status: str
    msg: str = ""
    error: ComfyError | None = None
    warnings: list[str] = field(default_factory=list)
    prompt_id: str | None = None
    duration: float | None = None
    server: str = ""
    images: MediaList = field(default_factory=MediaList)
    videos: MediaList = field(default_factory=MediaList)
    audios: MediaList = field(default_factory=MediaList)
    files: MediaList = field(default_factory=MediaList)
    texts: list[str] = field(default_factory=list)
    images_by_var: dict[str, MediaList] = field(default_factory=dict)
    videos_by_var: dict[str, MediaList] = field(default_factory=dict)
    audios_by_var: dict[str, MediaList] = field(default_factory=dict)
    files_by_var: dict[str, MediaList] = field(default_factory=dict)
    texts_by_var: dict[str, list[str]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    workflow: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def failure(cls, error: ComfyError, **attributes: Any) -> ExecuteResult:
        """Make the result of a run that failed, with what is known of it."""
        return cls(status=FAILED, msg=str(error), error=error, **attributes)

    @property
    def media(self) -> MediaList:
        """All files: images, videos, audios, then others."""
        return MediaList([*self.images, *self.videos, *self.audios, *self.files])

    def raise_for_status(self) -> ExecuteResult:
        """Return the result if it completed, else raise its error."""
        if self.error is not None:
            raise self.error
        return self

    def counts(self) -> str:
        """Say how much came back: ``"4 images, 1 text"``."""
        kinds: Sequence[tuple[str, Sequence[Any]]] = (
            ("image", self.images),
            ("video", self.videos),
            ("audio", self.audios),
            ("text", self.texts),
            ("file", self.files),
        )
        words = [f"{len(items)} {kind}{'s' if len(items) > 1 else ''}" for kind, items in kinds if items]
        return ", ".join(words) or "no outputs"

    def __repr__(self) -> str:
        seconds = "" if self.duration is None else f", {self.duration:.2f} s"
        return f"<ExecuteResult {self.status}: {self.counts()}{seconds}>"


def media_type(filename: str) -> tuple[str, str]:
    """Return (kind, MIME type) of a file by its name's suffix; any case."""
    dot = filename.rfind(".")
    return _TYPES.get(filename[dot:].lower(), _UNKNOWN_TYPE) if dot >= 0 else _UNKNOWN_TYPE


class _Anonymous:
    """Fetches what has no connection of its own, as after unpickling: by URL, without credentials."""

    def read(self, media: Media) -> bytes:
        import httpx

        try:
            return httpx.get(media).raise_for_status().content
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise MediaError(f"{media.filename or media} can no longer be fetched: {error}.") from None

    async def aread(self, media: Media) -> bytes:
        import asyncio

        return await asyncio.to_thread(self.read, media)


def _decode(content: bytes, filename: str) -> Image:
    import io

    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(f"{filename} is no picture that Pillow reads: {error}.") from None
    return image


def _write(content: bytes, path: str | Path, filename: str) -> Path:
    target = Path(path).expanduser()
    if target.is_dir():
        target /= Path(filename.replace("\\", "/")).name or "output"
    target.write_bytes(content)
    return target

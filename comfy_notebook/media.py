"""The files that a run made: URLs that can do more, and lists of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, Self, SupportsIndex, overload

from comfy_notebook.kinds import media_type

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL.Image import Image


class Origin(Protocol):
    """Where a result's files come from. What it has read, it leaves in the cache, and its digest on the media.

    Every method raises MediaError if the file can no longer be had.
    """

    def read(self, media: Media) -> bytes:
        """Return a file's content, blocking."""

    async def aread(self, media: Media) -> bytes:
        """Return a file's content."""

    def write(self, media: Media, file: BinaryIO) -> None:
        """Write a file's content into ``file``, blocking, without holding a large one in memory."""

    async def awrite(self, media: Media, file: BinaryIO) -> None:
        """Write a file's content into ``file``."""


class InMemory:
    """The origin of one file whose content is at hand, whatever it is called."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, media: Media) -> bytes:  # noqa: ARG002 - there is one
        """Return it."""
        return self._content

    async def aread(self, media: Media) -> bytes:  # noqa: ARG002
        """Return it."""
        return self._content

    def write(self, media: Media, file: BinaryIO) -> None:  # noqa: ARG002
        """Write it."""
        file.write(self._content)

    async def awrite(self, media: Media, file: BinaryIO) -> None:  # noqa: ARG002
        """Write it."""
        file.write(self._content)


class Shown:
    """Shows itself in IPython and Jupyter: as HTML where there is a front end for it, else as text.

    Results import what shows, fetches and saves them where it is used, against the direction of all other imports,
    so that they can be loaded, and show themselves, where nothing else of this package was.
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
    URL goes. Its content is kept in the cache of originals once it was read, and is read from there from then on,
    also from a pickle and when the server is gone.

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
    digest
        The SHA-256 of its content, 64 hexadecimal digits, once it was read; else None.
    """

    filename: str
    subfolder: str
    type: str
    kind: str
    mime: str
    var: str
    node_id: str
    digest: str | None
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
        digest: str | None = None,
        origin: Origin | None = None,
    ) -> Self:
        """Make one from its URL; what it is follows from the file name's suffix."""
        self = super().__new__(cls, url)
        self.filename, self.subfolder, self.type = filename, subfolder, type
        self.var, self.node_id = var, node_id
        self.kind, self.mime = media_type(filename or url.partition("?")[0])
        self.digest = digest
        self._origin = origin
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        """Pickle it without its connection: it is read from the cache, else fetched without credentials."""
        names = ("filename", "subfolder", "type", "var", "node_id", "digest")
        return (str(self),), {name: getattr(self, name) for name in names}

    def __getstate__(self) -> None:
        return None

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself, as for any string: a copy in this process keeps its connection."""
        return self

    @property
    def origin(self) -> Origin | None:
        """Where its content comes from; None if it is fetched by its URL."""
        return self._origin

    def reconnect(self, origin: Origin | None) -> None:
        """Have its content come from there from now on, as one that was pickled and is back in its process."""
        self._origin = origin

    def bytes(self) -> builtins.bytes:
        """Return the original file's content.

        Raises
        ------
        MediaError
            If the server no longer has it and it was not kept here, or the server does not answer.
        """
        kept = self._kept()
        return self._source().read(self) if kept is None else kept

    async def abytes(self) -> builtins.bytes:
        """Return the original file's content; the awaitable twin of :meth:`bytes`."""
        import asyncio

        kept = await asyncio.to_thread(self._kept) if self.digest else None
        return await self._source().aread(self) if kept is None else kept

    def pil(self) -> Image:
        """Return the picture as a PIL image, loaded.

        Raises
        ------
        MediaError
            If it is no picture that Pillow reads, or as for :meth:`bytes`.
        """
        from comfy_notebook.pixels import decoded

        return decoded(self.bytes(), self.filename)

    async def apil(self) -> Image:
        """Return the picture as a PIL image; the awaitable twin of :meth:`pil`."""
        from comfy_notebook.pixels import decoded

        return decoded(await self.abytes(), self.filename)

    def numpy(self) -> NDArray[Any]:
        """Return the picture as an array.

        Returns
        -------
        array of uint8, (height, width, 3) or, with transparency, (height, width, 4)
            The first frame of an animation. A picture in shades of grey has the shape (height, width); if it has 16
            bits, they are uint16. (Pillow reads colors at 8 bits.)

        Raises
        ------
        MediaError
            As for :meth:`pil`.
        MissingExtraError
            If numpy is not installed.
        """
        from comfy_notebook.pixels import array

        return array(self.pil())

    async def anumpy(self) -> NDArray[Any]:
        """Return the picture as an array; the awaitable twin of :meth:`numpy`."""
        from comfy_notebook.pixels import array

        return array(await self.apil())

    def save(self, path: str | Path) -> Path:
        """Write the original file to ``path``, or into it if that is a folder.

        A file at ``path`` is replaced. In a folder it goes by its own name, made fit for any system, and never takes
        the place of another file: ``a (2).png``.

        Returns the path written; OSError if it cannot be, MediaError as for :meth:`bytes`.
        """
        from comfy_notebook.saving import save

        return save(self, path)

    async def asave(self, path: str | Path) -> Path:
        """Write the original file; the awaitable twin of :meth:`save`."""
        from comfy_notebook.saving import asave

        return await asave(self, path)

    def write_to(self, file: BinaryIO) -> None:
        """Write the content into an open file, piece by piece; MediaError as for :meth:`bytes`."""
        if not self._copy(file):
            self._source().write(self, file)

    async def awrite_to(self, file: BinaryIO) -> None:
        """Write the content into an open file; the awaitable twin of :meth:`write_to`."""
        import asyncio

        if not await asyncio.to_thread(self._copy, file):
            await self._source().awrite(self, file)

    def _source(self) -> Origin:
        from comfy_notebook.anonymous import ANONYMOUS

        return self._origin or ANONYMOUS

    def _kept(self) -> builtins.bytes | None:
        from comfy_notebook.cache import default_cache

        return default_cache().get(self.digest) if self.digest else None

    def _copy(self, file: BinaryIO) -> bool:
        from comfy_notebook.cache import default_cache

        return self.digest is not None and default_cache().copy(self.digest, file)


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

    def download(self, folder: str | Path, name: str = "{filename}") -> list[Path]:
        """Write all files into a folder, several at a time.

        Nothing is ever written outside the folder or over another file (``a (2).png``), and no file in part. What
        the server calls its files is made fit for any system.

        Parameters
        ----------
        folder
            Made if need be.
        name
            The files' names as for ``str.format``, without their suffix, which is the original's: ``{var}``,
            ``{index}`` (counted from 0 in each output's list, as in ``result.images_by_var``), ``{filename}`` (the
            server's name), ``{node_id}``, ``{kind}``. A slash makes folders: ``"{var}/{index:03}"``.

        Returns
        -------
        list of Path
            Where they are, in the list's order.

        Raises
        ------
        ParameterError
            If ``name`` has a field that there is not; nothing was fetched.
        MediaError
            If files cannot be had or written; its ``problems`` list them, and all others were written.
        """
        from comfy_notebook.saving import download
        from comfy_notebook.servers.portal import portal

        return portal.wait(download(self, folder, name, {}))

    async def adownload(self, folder: str | Path, name: str = "{filename}") -> list[Path]:
        """Write all files into a folder; the awaitable twin of :meth:`download`."""
        from comfy_notebook.saving import download
        from comfy_notebook.servers.portal import portal

        return await portal.cross(download(self, folder, name, {}))

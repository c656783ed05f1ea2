"""Pictures in a terminal that can show them: kitty's protocol, or sixels (iTerm2, WezTerm, Windows Terminal, ...).

IPython hands what an object offers under a MIME type to whoever has registered for it: where the terminal can show
pictures and the user asked for them, results offer one of ours. Everywhere else nothing of this is loaded.
"""

from __future__ import annotations

import base64
import io
import math
import os
import shutil
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from traitlets import TraitError

from comfy_notebook.errors import MediaError, MissingExtraError
from comfy_notebook.media import Media, MediaList
from comfy_notebook.results import ExecuteResult

if TYPE_CHECKING:
    from PIL.Image import Image

MIME = "application/vnd.comfy-notebook.terminal+json"
_MOST = 12  # pictures
_TILES = 4  # to a row
_TILE, _GAP = 320, 8  # pixels
_ONE = 640  # pixels of a single picture's longer side
_COLUMNS_OF_ONE, _COLUMNS_OF_TILE, _ROWS = 44, 20, 30
_WORKERS = 4


class NoLibraryError(MissingExtraError, TraitError):
    """The library that shows pictures is not installed; as a TraitError, it leaves the setting as it was."""


def use(shell: Any, choice: str) -> None:
    """Have results show their pictures in this shell ("auto"), if it is in a terminal that can, or not ("off").

    Raises
    ------
    MissingExtraError
        If it is in a terminal, and the library that shows pictures there is not installed.
    """
    if choice == "auto" and _in_terminal(shell) and _renderer() is not None:
        shell.mime_renderers = {MIME: show, **shell.mime_renderers}
    elif MIME in getattr(shell, "mime_renderers", {}):
        shell.mime_renderers = {mime: handler for mime, handler in shell.mime_renderers.items() if mime != MIME}


def use_if_installed(shell: Any, choice: str) -> None:
    """As :func:`use`, for a choice from a configuration: without the library, everything else works."""
    try:
        use(shell, choice)
    except MissingExtraError as error:
        warnings.warn(str(error), stacklevel=2)


def wanted() -> bool:
    """Whether the shell shows pictures in its terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return MIME in getattr(shell, "mime_renderers", {}) and sys.stdout.isatty()


def offer(shown: Any, text: str) -> dict[str, Any] | None:
    """Return what :func:`show` takes: the text, and the pictures in one; None if there is no picture."""
    pictures = _pictures(shown)
    if not pictures:
        return None
    with ThreadPoolExecutor(_WORKERS) as workers:
        tiles = list(filter(None, workers.map(_tile, pictures[:_MOST], [len(pictures) == 1] * _MOST)))
    if not tiles:
        return None
    out = io.BytesIO()
    sheet(tiles).save(out, "PNG", compress_level=1)
    return {"text": text, "png": base64.b64encode(out.getvalue()).decode(), "tiles": len(tiles)}


def show(offered: dict[str, Any], _metadata: Any = None) -> None:
    """Print the text, and the pictures below it."""
    print(offered["text"])  # noqa: T201 - it is IPython's way of showing
    renderer = _renderer()
    if renderer is None or not sys.stdout.isatty():
        return
    from PIL import Image
    from rich.console import Console

    image = Image.open(io.BytesIO(base64.b64decode(offered["png"])))
    cells = _columns(offered["tiles"], *image.size)
    Console(file=sys.stdout, force_terminal=True).print(renderer(image, width=cells, height="auto"))


def sheet(tiles: list[Image]) -> Image:
    """Return pictures side by side, in rows of up to four, as one; each in the middle of its place."""
    from PIL import Image

    if len(tiles) == 1:
        return tiles[0]
    columns = min(len(tiles), _TILES)
    made = Image.new("RGBA", (columns * (_TILE + _GAP) - _GAP, math.ceil(len(tiles) / columns) * (_TILE + _GAP) - _GAP))
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        left, top = column * (_TILE + _GAP), row * (_TILE + _GAP)
        made.paste(tile, (left + (_TILE - tile.width) // 2, top + (_TILE - tile.height) // 2))
    return made


def _pictures(shown: Any) -> MediaList:
    if isinstance(shown, ExecuteResult):
        return shown.images
    media = [shown] if isinstance(shown, Media) else shown if isinstance(shown, MediaList) else []
    return MediaList(item for item in media if item.kind == "image")


def _tile(media: Media, single: bool) -> Image | None:
    try:
        image = media.pil()
    except MediaError:
        return None  # the text names it
    side = _ONE if single else _TILE
    image = image.convert("RGBA")
    image.thumbnail((side, side), reducing_gap=2.0)
    return image


def _columns(tiles: int, width: int, height: int) -> int:
    """Return how many columns of the terminal the sheet takes; a character is about twice as high as wide."""
    columns = min(_COLUMNS_OF_ONE, width // 8) if tiles == 1 else _COLUMNS_OF_TILE * min(tiles, _TILES)
    return max(1, min(columns, shutil.get_terminal_size().columns - 1, _ROWS * 2 * width // max(height, 1)))


def _in_terminal(shell: Any) -> bool:
    """Whether a shell is IPython's in a terminal that someone looks at; a kernel's or a pipe's is not."""
    streams = (sys.__stdin__, sys.__stdout__, sys.stdout)
    if os.environ.get("TERM") == "dumb" or not hasattr(shell, "mime_renderers"):
        return False
    return all(stream is not None and stream.isatty() for stream in streams)


def _renderer() -> Any:
    """Return the library's class for this terminal, which it asks once what it can show; None if it shows none."""
    try:
        from textual_image import renderable
    except ImportError:
        raise NoLibraryError(
            "Pictures in a terminal take textual-image, which is not installed.",
            hint='pip install textual-image rich, or: %config ComfyMagics.terminal_images = "off"',
        ) from None
    usable = (renderable.TGPImage, renderable.SixelImage)  # its others are blocks of color
    return renderable.Image if renderable.Image in usable else None

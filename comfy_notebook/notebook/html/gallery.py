"""A result's files as HTML: pictures in a grid, players, texts, links."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.errors import MediaError
from comfy_notebook.notebook.html.parts import data_url, row, size
from comfy_notebook.notebook.html.pictures import Encoded, NotAPictureError, Picture, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfy_notebook.results import Media

# (columns, longest side in CSS pixels) by how many pictures and videos there are: rows come out even, and fill
# no more than a notebook's cell has beside open side bars.
_LAYOUTS = {1: (1, 512), 2: (2, 420), 3: (3, 280), 4: (2, 320), 5: (3, 280), 6: (3, 280), 9: (3, 280)}
_FEW, _LAYOUT_OF_FEW = 12, (4, 208)
_LAYOUT_OF_MANY = (0, 160)  # as many to a row as fit
_GAP = 8
_AUDIO_WIDTH = 360
_PICTURES_BYTES = 4_000_000  # of pictures in one result
_PLAYER_BYTES = 8_000_000  # of one video or sound
_PLAYABLE = frozenset({"video/mp4", "video/webm", "audio/mpeg", "audio/wav", "audio/flac", "audio/ogg", "audio/mp4"})
_WORKERS = 4


@dataclass(frozen=True, slots=True)
class Item:
    """A file with its content, and its picture if it is one; ``problem`` says why there is none.

    ``side`` is how large it is to be shown, in CSS pixels.
    """

    media: Media
    side: int
    content: bytes = field(default=b"", repr=False)
    picture: Picture | None = None
    problem: str = ""

    @property
    def is_visual(self) -> bool:
        """Whether it is something to look at."""
        return self.media.kind in ("image", "video")


def prepare(media: Sequence[Media]) -> list[Item]:
    """Fetch and decode all files, several at a time; what fails is an item that says so."""
    _, side = _layout(sum(item.kind in ("image", "video") for item in media))
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="comfy_notebook-pictures") as pool:
        return list(pool.map(lambda item: _prepare(item, side), media))


def within_budget(items: Sequence[Item]) -> tuple[list[Item], str]:
    """Leave out what would make the notebook large: first the larger pictures, then thumbnails.

    Returns
    -------
    tuple
        The items with what is shown of them, and a line that says what is not, or "".
    """
    left = _PICTURES_BYTES
    kept, hidden, small_only = list(items), 0, 0
    for index, item in enumerate(items):
        if item.picture is not None:
            left -= len(item.picture.small.content)
            if left < 0:
                kept[index] = replace(item, picture=None, problem=f"{item.media.filename} is not shown here.")
                hidden += 1
    for index, item in enumerate(kept):
        if item.picture is not None and item.picture.large is not None:
            left -= len(item.picture.large.content)
            if left < 0:
                kept[index] = replace(item, picture=replace(item.picture, large=None))
                small_only += 1
    parts = [f"{small_only} are shown as thumbnails only"] if small_only else []
    parts += [f"{hidden} are not shown"] if hidden else []
    return kept, f"To keep the notebook small, {' and '.join(parts)}." if parts else ""


def gallery(items: Sequence[Item]) -> Markup:
    """Show files side by side, as :func:`prepare` made them."""
    columns, _ = _layout(sum(item.is_visual for item in items))
    side = max((item.side for item in items), default=0)
    return row(map(_item, items), _GAP, columns * (side + _GAP) - _GAP if columns > 1 else None)


def _layout(count: int) -> tuple[int, int]:
    return _LAYOUTS.get(count, _LAYOUT_OF_FEW if count <= _FEW else _LAYOUT_OF_MANY)


def _prepare(media: Media, side: int) -> Item:
    if media.kind == "file":  # only linked to
        return Item(media, side)
    try:
        content = media.bytes()
    except MediaError as error:
        return Item(media, side, problem=str(error))
    if media.kind != "image" or media.mime == "image/svg+xml":
        return Item(media, side, content)
    try:
        return Item(media, side, content, encode(content, media.mime, side))
    except NotAPictureError as error:
        return Item(media, side, content, problem=f"{media.filename}: {error}.")


def _item(item: Item) -> Markup:
    if item.problem:
        return _missing(item)
    if item.picture is not None:
        return _picture(item, item.picture)
    if item.media.mime == "image/svg+xml":
        return _svg(item)
    if item.media.kind == "video":
        return _video(item)
    if item.media.kind == "audio":
        return _audio(item)
    return _file(item)


def _picture(item: Item, picture: Picture) -> Markup:
    small, large = picture.small, picture.large
    caption = f"{item.media.filename} · {picture.width}\u00d7{picture.height}"
    longest = max(picture.width, picture.height)
    image = _image(small, max(1, round(picture.width * min(1, item.side / longest))), caption)
    if large is None:
        return Markup('<div style="max-width:100%">{}</div>').format(image)
    return Markup(
        '<details class="cnb-zoom" style="max-width:100%">'
        '<summary style="list-style:none;cursor:pointer" title="{0}">{1}</summary>'
        '<figure style="margin:4px 0">{2}<figcaption>{0}</figcaption></figure></details>'
    ).format(caption, image, _image(large, large.width, caption))


def _image(encoded: Encoded, width: int, alt: str) -> Markup:
    height = max(1, round(encoded.height * width / encoded.width))
    return Markup('<img src="{}" width="{}" height="{}" alt="{}" style="max-width:100%;display:block">').format(
        data_url(encoded.content, encoded.mime), width, height, alt
    )


def _svg(item: Item) -> Markup:
    """Show a drawing inside an image element, where it can run nothing."""
    return Markup('<img src="{}" width="{}" alt="{}" style="max-width:100%">').format(
        data_url(item.content, item.media.mime), item.side, item.media.filename
    )


def _video(item: Item) -> Markup:
    if not _playable(item):
        return _file(item)
    return _captioned(
        item,
        Markup('<video controls muted loop preload="metadata" width="{}" style="max-width:100%" src="{}"></video>'),
        item.side,
    )


def _audio(item: Item) -> Markup:
    if not _playable(item):
        return _file(item)
    return _captioned(
        item,
        Markup('<audio controls preload="none" style="width:{}px;max-width:100%" src="{}"></audio>'),
        _AUDIO_WIDTH,
    )


def _playable(item: Item) -> bool:
    return item.media.mime in _PLAYABLE and len(item.content) <= _PLAYER_BYTES


def _captioned(item: Item, player: Markup, width: int) -> Markup:
    return Markup('<figure style="margin:0;max-width:100%">{}<figcaption>{} · {}</figcaption></figure>').format(
        player.format(width, data_url(item.content, item.media.mime)),
        item.media.filename,
        size(len(item.content)),
    )


def _file(item: Item) -> Markup:
    about = [item.media.mime, *([size(len(item.content))] if item.content else [])]
    return Markup('<p style="margin:4px 0"><a href="{}">{}</a> · {}</p>').format(
        str(item.media), item.media.filename, " · ".join(about)
    )


def _missing(item: Item) -> Markup:
    return Markup('<p style="margin:4px 0;padding:12px;border:1px dashed rgba(128,128,128,.5)">{}</p>').format(
        item.problem
    )

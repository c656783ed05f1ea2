"""A result's files as HTML: pictures in a grid, players, texts, links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.notebook.html.parts import data_url, row, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfy_notebook.notebook.media.encoding import Encoded
    from comfy_notebook.notebook.media.pipeline import Item

# (columns, longest side in CSS pixels) by how many pictures and videos there are: rows come out even, and fill
# no more than a notebook's cell has beside open side bars.
_LAYOUTS = {1: (1, 512), 2: (2, 420), 3: (3, 280), 4: (2, 320), 5: (3, 280), 6: (3, 280), 9: (3, 280)}
_FEW, _LAYOUT_OF_FEW = 12, (4, 208)
_LAYOUT_OF_MANY = (0, 160)  # as many to a row as fit
_GAP = 8
_AUDIO_WIDTH = 360


def gallery(items: Sequence[Item]) -> Markup:
    """Show files side by side, as they were prepared."""
    columns, side = _layout(sum(item.is_visual for item in items))
    return row((_item(item, side) for item in items), _GAP, columns * (side + _GAP) - _GAP if columns > 1 else None)


def _layout(count: int) -> tuple[int, int]:
    return _LAYOUTS.get(count, _LAYOUT_OF_FEW if count <= _FEW else _LAYOUT_OF_MANY)


def _item(item: Item, side: int) -> Markup:
    if item.problem:
        return _missing(item)
    if item.media.kind == "video":
        return _video(item, side)
    if item.media.kind == "audio":
        return _audio(item)
    if item.small is not None:
        return _picture(item, item.small, side)
    return _file(item)


def _picture(item: Item, small: Encoded, side: int) -> Markup:
    made = item.made
    caption = _caption(item)
    longest = max(made.width, made.height)
    width = max(1, round(made.width * min(1, side / longest))) if longest else side
    image = _image(small, width, caption)
    if item.large is None:
        return Markup('<div style="max-width:100%">{}</div>').format(image)
    return Markup(
        '<details class="cnb-zoom" style="max-width:100%">'
        '<summary style="list-style:none;cursor:pointer" title="{0}">{1}</summary>'
        '<figure style="margin:4px 0">{2}<figcaption>{0}</figcaption></figure></details>'
    ).format(caption, image, _image(item.large, item.large.width, caption))


def _caption(item: Item) -> str:
    made = item.made
    pixels = f"{made.width}\u00d7{made.height}" if made.width else ""
    seconds = f"{made.seconds:.1f} s" if made.seconds else ""
    return " · ".join(filter(None, (item.media.filename, pixels, seconds, *made.notes)))


def _image(encoded: Encoded, width: int, alt: str) -> Markup:
    height = round(encoded.height * width / encoded.width) if encoded.width else 0
    return Markup('<img src="{}" width="{}"{} alt="{}" style="max-width:100%;display:block">').format(
        data_url(encoded.content, encoded.mime),
        width,
        Markup(' height="{}"').format(max(1, height)) if encoded.width else "",
        alt,
    )


def _video(item: Item, side: int) -> Markup:
    if item.player is None:
        return _captioned(item, _image(item.small, side, "poster")) if item.small else _file(item)
    poster = Markup(' poster="{}"').format(data_url(item.small.content, item.small.mime)) if item.small else ""
    return _captioned(
        item,
        Markup(
            '<video controls muted loop preload="metadata" width="{}" style="max-width:100%"{} src="{}"></video>'
        ).format(side, poster, data_url(item.player.content, item.player.mime)),
    )


def _audio(item: Item) -> Markup:
    wave = _image(item.small, _AUDIO_WIDTH, "waveform") if item.small else ""
    if item.player is None:
        return _captioned(item, Markup("{}").format(wave)) if wave else _file(item)
    return _captioned(
        item,
        Markup('{}<audio controls preload="none" style="width:{}px;max-width:100%" src="{}"></audio>').format(
            wave, _AUDIO_WIDTH, data_url(item.player.content, item.player.mime)
        ),
    )


def _captioned(item: Item, shown: Markup) -> Markup:
    link = _link(item) if item.player is None else item.media.filename
    rest = _caption(item).removeprefix(item.media.filename)
    return Markup('<figure style="margin:0;max-width:100%">{}<figcaption>{}{} · {}</figcaption></figure>').format(
        shown, link, rest, size(item.made.bytes)
    )


def _link(item: Item) -> Markup:
    return Markup('<a href="{}">{}</a>').format(str(item.media), item.media.filename)


def _file(item: Item) -> Markup:
    about = [item.media.mime, *([size(item.made.bytes)] if item.made.bytes else []), *item.made.notes]
    return Markup('<p style="margin:4px 0">{} · {}</p>').format(_link(item), " · ".join(about))


def _missing(item: Item) -> Markup:
    return Markup('<p style="margin:4px 0;padding:12px;border:1px dashed rgba(128,128,128,.5)">{}</p>').format(
        item.problem
    )

"""Players of videos and sounds: what browsers play, with a poster or waveform; of the rest that, and a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.notebook.html.captions import caption, original
from comfy_notebook.notebook.html.grid import cell_style
from comfy_notebook.notebook.html.parts import breakable, data_url
from comfy_notebook.notebook.html.pictures import image

if TYPE_CHECKING:
    from comfy_notebook.notebook.html.grid import Grid
    from comfy_notebook.notebook.media.encoding import Encoded
    from comfy_notebook.notebook.media.pipeline import Item

_AUDIO_WIDTH = 420


def video(item: Item, grid: Grid) -> Markup:
    """Show a video at the height of its row."""
    width, height = grid.fitted(item.made.width, item.made.height)
    return _figure(item, moving_picture(item, width, height), cell_style(width, height, grid))


def moving_picture(item: Item, width: int, height: int) -> Markup:
    """Return a video's player, or what is shown in its place; ``width`` and ``height`` in CSS pixels."""
    still = image(item.small, width, height, f"A frame of {item.media.filename}") if item.small else Markup()
    if item.player is None:
        return still
    # where players are taken out, what is in them stays
    poster = Markup(' poster="{}"').format(data_url(item.small.content, item.small.mime)) if item.small else ""
    return Markup(
        '<video controls muted loop preload="metadata" width="{}" height="{}" aria-label="{}" '
        'style="max-width:100%;height:auto"{} src="{}">{}</video>'
    ).format(width, height, item.media.filename, poster, data_url(item.player.content, item.player.mime), still)


def sound(item: Item) -> Markup:
    """Show a sound's waveform above its player."""
    style = Markup("width:{}px;max-width:100%;margin:0 0 8px").format(_AUDIO_WIDTH)
    return _figure(item, sound_player(item, _AUDIO_WIDTH), style)


def sound_player(item: Item, width: int) -> Markup:
    """Return a sound's waveform above its player; ``width`` in CSS pixels."""
    wave = image(item.small, width, 64, f"Waveform of {item.media.filename}") if item.small else Markup()
    player = _player(item.media.filename, item.player, width) if item.player else Markup()
    return Markup("{}{}").format(wave, player)


def _player(name: str, content: Encoded, width: int) -> Markup:
    return Markup(
        '<audio controls preload="none" aria-label="{}" style="width:{}px;max-width:100%" src="{}"></audio>'
    ).format(name, width, data_url(content.content, content.mime))


def _figure(item: Item, shown: Markup, style: Markup) -> Markup:
    return Markup('<figure class="cnb-play" style="{}">{}<figcaption dir="auto">{} · {}</figcaption></figure>').format(
        style, shown, breakable(caption(item)), original(item)
    )

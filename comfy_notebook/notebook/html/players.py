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
    still = image(item.small, width, height, f"A frame of {item.media.filename}") if item.small else Markup()
    if item.player is None:
        shown = still
    else:  # where players are taken out, what is in them stays
        poster = Markup(' poster="{}"').format(data_url(item.small.content, item.small.mime)) if item.small else ""
        shown = Markup(
            '<video controls muted loop preload="metadata" width="{}" height="{}" aria-label="{}" '
            'style="max-width:100%;height:auto"{} src="{}">{}</video>'
        ).format(width, height, item.media.filename, poster, data_url(item.player.content, item.player.mime), still)
    return _figure(item, shown, cell_style(width, height, grid))


def sound(item: Item) -> Markup:
    """Show a sound's waveform above its player."""
    wave = image(item.small, _AUDIO_WIDTH, 64, f"Waveform of {item.media.filename}") if item.small else Markup()
    player = _player(item.media.filename, item.player) if item.player else Markup()
    style = Markup("width:{}px;max-width:100%;margin:0 0 8px").format(_AUDIO_WIDTH)
    return _figure(item, Markup("{}{}").format(wave, player), style)


def _player(name: str, content: Encoded) -> Markup:
    return Markup(
        '<audio controls preload="none" aria-label="{}" style="width:{}px;max-width:100%" src="{}"></audio>'
    ).format(name, _AUDIO_WIDTH, data_url(content.content, content.mime))


def _figure(item: Item, shown: Markup, style: Markup) -> Markup:
    return Markup('<figure class="cnb-play" style="{}">{}<figcaption dir="auto">{} · {}</figcaption></figure>').format(
        style, shown, breakable(caption(item)), original(item)
    )

"""Prepares videos and sounds: a picture to show, what is known of them, and whether browsers play them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from comfy_notebook.notebook.media import containers
from comfy_notebook.notebook.media.encoding import Encoded, encode_within, scaled
from comfy_notebook.notebook.media.prepared import Prepared
from comfy_notebook.notebook.media.waveform import drawn

if TYPE_CHECKING:
    from comfy_notebook.notebook.media.recipe import Recipe

_POSTER_SIDE = 640
_log = logging.getLogger(__name__)


def video(content: bytes, recipe: Recipe) -> Prepared:
    """Prepare a video: with a poster where PyAV is installed."""
    from comfy_notebook.notebook.media.frames import look

    container = containers.container_of(content)
    if not container:
        return _strange(content, "video")
    seen = look(content, containers.demuxer(container)) if _pyav() else None
    tracks = seen.tracks if seen else containers.tracks_of(content, container)
    mime = containers.plays_as(container, tracks, video=True)
    notes = _not_played(container, tracks.video) if not mime else ()
    if mime and containers.silent(container, tracks):
        notes = (f"browsers do not play its {containers.codec_name(tracks.sound)} sound",)
    if seen is None and _pyav():
        return Prepared(len(content), problem="it cannot be played: it is cut off or damaged")
    if seen is None:
        return Prepared(len(content), codec=containers.codec_name(tracks.video), plays_as=mime, notes=notes)
    poster = None
    if seen.poster is not None:
        side = min(_POSTER_SIDE, max(320, recipe.thumbnail_side))
        poster = encode_within(scaled(seen.poster, side), recipe.limit, smallest=64, kind=recipe.format)
    return Prepared(
        len(content),
        poster,
        width=seen.width,
        height=seen.height,
        seconds=seen.seconds,
        codec=containers.codec_name(tracks.video),
        plays_as=mime,
        notes=notes,
    )


def sound(content: bytes, recipe: Recipe) -> Prepared:  # noqa: ARG001 - as the others
    """Prepare a sound: with its waveform where PyAV is installed."""
    from comfy_notebook.notebook.media.listening import listen

    container = containers.container_of(content)
    if not container:
        return _strange(content, "sound")
    heard = listen(content, containers.demuxer(container)) if _pyav() else None
    codec = heard.codec if heard else containers.tracks_of(content, container).sound
    mime = containers.plays_as(container, containers.Tracks(sound=codec), video=False)
    notes = () if mime else _not_played(container, codec)
    if heard is None:
        return Prepared(len(content), codec=containers.codec_name(codec), plays_as=mime, notes=notes)
    return Prepared(
        len(content),
        Encoded(*drawn(heard.peaks)) if heard.peaks else None,
        seconds=heard.seconds,
        codec=containers.codec_name(codec),
        channels=heard.channels,
        rate=heard.rate,
        plays_as=mime,
        notes=notes,
    )


def _pyav() -> bool:
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    except Exception as error:  # noqa: BLE001 - installed, but its libraries are not
        _log.warning("PyAV cannot be used, so videos have no posters: %s", error)
        return False
    return True


def _strange(content: bytes, kind: str) -> Prepared:
    from comfy_notebook.notebook.media.formats import what

    return Prepared(len(content), problem=f"it is not a {kind}, but {what(content)}")


def _not_played(container: str, codec: str) -> tuple[str]:
    name = containers.codec_name(codec)
    return (f"browsers do not play {name + ' in ' if name and name != container else ''}{container} files",)

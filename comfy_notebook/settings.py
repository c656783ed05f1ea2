"""Every setting once: its name, environment variable, default and meaning.

A value is looked for in three places: the argument, then the environment variable, then the default.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; ``secret`` ones are never shown."""

    name: str
    variable: str
    default: str | None
    meaning: str
    secret: bool = False

    def resolve(self, given: str | None = None) -> str | None:
        """Return the value that holds: the one given, else the environment's, else the default."""
        if given is not None:
            return given
        return os.environ.get(self.variable) or self.default

    def number(self) -> float:
        """Return the value that holds as a number; what is none, is told once and the default instead."""
        value = self.resolve() or "0"
        try:
            number = float(value)
        except ValueError:
            number = -1.0
        if 0 <= number < float("inf"):
            return number
        _refuse(self, value, "is no number that it can be")
        return float(self.default or 0)

    def choice(self, among: Collection[str]) -> str:
        """Return the value that holds, in lower case; what is not ``among`` these, is told and the default instead."""
        value = (self.resolve() or "").lower()
        if value not in among:
            _refuse(self, value, f"is none of {', '.join(sorted(among))}")
            return self.default or ""
        return value


@lru_cache
def _refuse(setting: Setting, value: str | None, why: str) -> None:
    _log.warning("%s=%s %s; %s is used.", setting.variable, value, why, setting.default)


def several(given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the servers that hold: those given, else the environment's. Several in a text have spaces between them."""
    named = SERVER.resolve(given if given is None or isinstance(given, str) else " ".join(given))
    return tuple(dict.fromkeys((named or "").split()))


def is_history_on() -> bool:
    """Whether runs are recorded, and form values kept."""
    return HISTORY.choice(("on", "off")) == "on"


SERVER = Setting(
    "comfyui_url",
    "COMFYUI_BASE_URL",
    None,
    'Where ComfyUI runs: a URL, or several with spaces between, or "embedded" for the built-in engine. '
    "Without it: 127.0.0.1:8188 if a ComfyUI answers there, else the built-in engine if it can run the workflow.",
)
API_KEY = Setting(
    "api_key",
    "COMFYUI_API_KEY",
    None,
    "Sent to the server, and to no one else, as a bearer token (for a server behind a login).",
    secret=True,
)
COOKIES = Setting(
    "cookies",
    "COMFYUI_COOKIES",
    None,
    'Sent to the server, and to no one else: "name=value; name2=value2", a JSON object, '
    "or a URL that answers with either.",
    secret=True,
)
COMFY_ORG_API_KEY = Setting(
    "comfy_org_api_key",
    "COMFY_ORG_API_KEY",
    None,
    "comfy.org's key for partner nodes. It travels inside the run's extra_data, never as the server's key.",
    secret=True,
)
CACHE_FOLDER = Setting(
    "cache_folder",
    "COMFY_NOTEBOOK_CACHE",
    None,
    "Where originals of shown results are kept. Without it: comfy_notebook in the user's cache directory.",
)
CACHE_MEGABYTES = Setting(
    "cache_megabytes",
    "COMFY_NOTEBOOK_CACHE_MB",
    "4096",
    "How large that folder may grow, in MB; what was not used for longest goes first.",
)
DATA_FOLDER = Setting(
    "data_folder",
    "COMFY_NOTEBOOK_DATA",
    None,
    "Where the history of runs and the values of forms are kept. Without it: comfy_notebook in the user's data "
    "directory.",
)
HISTORY = Setting(
    "history",
    "COMFY_NOTEBOOK_HISTORY",
    "on",
    'Whether runs are recorded in the history, and form values kept: "on", or "off", and then nothing is written.',
)
THUMBNAIL_SIDE = Setting(
    "thumbnail_side",
    "COMFY_NOTEBOOK_THUMBNAIL_SIDE",
    "480",
    "The longest side of a thumbnail in pixels where a result has a few pictures; one or two are larger, many smaller.",
)
THUMBNAIL_FORMAT = Setting(
    "thumbnail_format",
    "COMFY_NOTEBOOK_THUMBNAIL_FORMAT",
    "webp",
    'What thumbnails and previews are encoded as: "webp", "jpeg", "png" or "avif".',
)
PICTURES_KB = Setting(
    "pictures_kb",
    "COMFY_NOTEBOOK_PICTURES_KB",
    "4000",
    "What all pictures of one output may take in the notebook, thumbnails and previews together, in KB of its file.",
)
PICTURE_KB = Setting(
    "picture_kb",
    "COMFY_NOTEBOOK_PICTURE_KB",
    "168",
    "What one picture may take in the notebook, thumbnail and preview together, in KB of its file.",
)
VIDEO_KB = Setting(
    "video_kb",
    "COMFY_NOTEBOOK_VIDEO_KB",
    "8000",
    "How large a video may be, in KB, to be in the notebook; of a larger one there is a picture.",
)
AUDIO_KB = Setting(
    "audio_kb",
    "COMFY_NOTEBOOK_AUDIO_KB",
    "8000",
    "How large a sound may be, in KB, to be in the notebook; of a larger one there is its waveform.",
)
PLAYERS_KB = Setting(
    "players_kb",
    "COMFY_NOTEBOOK_PLAYERS_KB",
    "32000",
    "How large all videos and sounds of one output may be together, in KB, to be in the notebook.",
)

ALL = (
    SERVER,
    API_KEY,
    COOKIES,
    COMFY_ORG_API_KEY,
    CACHE_FOLDER,
    CACHE_MEGABYTES,
    DATA_FOLDER,
    HISTORY,
    THUMBNAIL_SIDE,
    THUMBNAIL_FORMAT,
    PICTURES_KB,
    PICTURE_KB,
    VIDEO_KB,
    AUDIO_KB,
    PLAYERS_KB,
)

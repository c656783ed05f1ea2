"""Every setting once: its name, environment variable, default and meaning.

A value is looked for in three places: the argument, then the environment variable, then the default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


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


SERVER = Setting(
    "comfyui_url",
    "COMFYUI_BASE_URL",
    None,
    'Where ComfyUI runs: a URL, or "embedded" for the built-in engine. '
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

ALL = (SERVER, API_KEY, COOKIES, COMFY_ORG_API_KEY, CACHE_FOLDER, CACHE_MEGABYTES)

"""The way to the server of a recorded run. Its address may come from someone's export, and is trusted with nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_notebook import settings
from comfy_notebook.errors import ComfyError
from comfy_notebook.kit import ComfyKit
from comfy_notebook.servers.address import Address
from comfy_notebook.servers.connections import EMBEDDED, USUAL

if TYPE_CHECKING:
    from comfy_notebook.servers.downloads import RunFiles


def kit_at(address: str) -> ComfyKit:
    """Return a kit for the server at an address; with the environment's credentials only if it is that one's."""
    if address in ("", EMBEDDED):
        return ComfyKit(address or None)
    own = next((url for url in settings.several(None) or (USUAL,) if _leads_to(url, address)), None)
    return ComfyKit(own) if own else ComfyKit(address, api_key="", cookies="", comfy_org_api_key="")


def _leads_to(url: str, address: str) -> bool:
    try:
        return url != EMBEDDED and Address.parse(url).url == address
    except ComfyError:
        return False


async def files_at(address: str) -> RunFiles:
    """Return where the files of a run at an address can be fetched; to be awaited on the portal's loop."""
    return (await kit_at(address).runner.server()).files()

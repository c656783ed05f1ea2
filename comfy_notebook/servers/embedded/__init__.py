"""The built-in engine: a small ComfyUI in this process, with the core nodes that need no model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_notebook.servers.embedded.catalog import CATALOG, STAND_INS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfy_notebook.servers.embedded.engine import Engine

__all__ = ["STAND_INS", "Engine", "node_schemas"]


def node_schemas() -> Mapping[str, dict[str, Any]]:
    """Give what /object_info of an engine answers, without starting one; combos of files are empty."""
    return {name: schema.info() for name, schema in CATALOG.items()}


def __getattr__(name: str) -> Any:
    # the engine needs aiohttp, numpy, Pillow and PyAV, which need not be installed to ask what it could do
    if name == "Engine":
        from comfy_notebook.servers.embedded.engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

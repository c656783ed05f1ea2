"""Short tables that ``%comfy`` answers with: the state of the connection, and what a doctor would ask."""

from __future__ import annotations

import asyncio
import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from comfy_notebook import __version__
from comfy_notebook.errors import ServerError
from comfy_notebook.notebook import nesting
from comfy_notebook.notebook.html.parts import page, size, table
from comfy_notebook.servers.address import shown
from comfy_notebook.servers.journey import nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from comfy_notebook.errors import ComfyError
    from comfy_notebook.jobs import Job
    from comfy_notebook.servers.comfyui import ComfyUI

_PACKAGES = (
    "ipython",
    "ipykernel",
    "ipywidgets",
    "anywidget",
    "jupyterlab",
    "notebook",
    "httpx",
    "websockets",
    "pillow",
)
_NO_SERVER = "not set: the ComfyUI on port 8188, else the built-in engine"
_ENGINE_PACKAGES = ("aiohttp", "av", "numpy")


class Report(dict[str, Any]):
    """Names and values that show themselves as a table."""

    def _repr_html_(self) -> str:
        return page(table(self))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002 - IPython's protocol
        printer.text(str(self))

    def __str__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in self.items())


async def status(servers: Sequence[ComfyUI]) -> Report:
    """Ask servers how they are; ServerError if none answers. To be awaited on the portal's loop."""
    if len(servers) == 1:
        return await _status(servers[0])
    reports = await _reports(servers, _status)
    return Report({label: ", ".join(list(report.values())[1:]) for label, report in reports.items()})


async def queue(servers: Sequence[ComfyUI]) -> Report:
    """Ask servers what they run and what waits there, mine and others'. To be awaited on the portal's loop."""
    if len(servers) == 1:
        return await _queue(servers[0])
    joined = Report()
    for label, report in (await _reports(servers, _queue)).items():
        joined |= {
            label if name in ("queue", "trouble") else f"{label}, {name}": value
            for name, value in report.items()
            if name != "server"
        }
    return joined


async def _reports(
    servers: Sequence[ComfyUI], ask: Callable[[ComfyUI], Coroutine[Any, Any, Report]]
) -> dict[str, Report]:
    """Return what is said of each server, by its label; ServerError if none answers."""
    errors: dict[str, ComfyError] = {}

    async def asked(server: ComfyUI) -> Report:
        try:
            return await ask(server)
        except ServerError as error:
            errors[server.label] = error
            return Report({"server": server.label, "trouble": error.message})

    reports = await asyncio.gather(*map(asked, servers))
    if len(errors) == len(servers):
        raise nobody(errors)
    return {server.label: report for server, report in zip(servers, reports, strict=True)}


async def _status(server: ComfyUI) -> Report:
    stats = await server.stats()
    running, pending = await server.queue()
    system = stats["system"]
    version = str(system.get("comfyui_version", "unknown"))
    ours = system.get("embedded_engine")
    report = Report(
        {"server": server.label, "version": f"{ours}, like ComfyUI {version}" if ours else f"ComfyUI {version}"}
    )
    for device in stats.get("devices") or ():
        report[str(device.get("type", "device"))] = _device(device)
    if system.get("ram_total"):
        report["memory"] = f"{size(system.get('ram_free', 0))} free of {size(system['ram_total'])}"
    report["queue"] = f"{len(running)} running, {len(pending)} waiting"
    return report


async def _queue(server: ComfyUI) -> Report:
    running, pending = await server.queue()
    rows = {f"running {number}": _queued(item, server) for number, item in enumerate(running, 1)}
    rows |= {f"waiting {number}": _queued(item, server) for number, item in enumerate(pending, 1)}
    return Report({"server": server.label} | (rows or {"queue": "empty"}))


def cancelled(jobs: Sequence[Job], wanted: Sequence[str]) -> Report:
    """End my jobs, all or those whose ids begin as wanted, and tell which.

    Raises
    ------
    UsageError
        If none of mine has such an id.
    """
    chosen = [job for job in jobs if not wanted or (job.prompt_id or "").startswith(tuple(wanted))]
    if wanted and not chosen:
        raise UsageError(f"%comfy cancel: no run of mine is called {' or '.join(wanted)}. See: %comfy queue")
    for job in reversed(chosen):
        job.cancel()
    ended = [job.result().prompt_id or "not sent yet" for job in chosen]
    return Report({f"cancelled {number}": name for number, name in enumerate(ended, 1)} or {"cancelled": "nothing"})


def _queued(item: Sequence[Any], server: ComfyUI) -> str:
    whose = "mine" if item[1] in server.mine else "someone else's"
    return f"{item[1]}, {whose}, {len(item[2])} nodes"


def doctor(server: str) -> Report:
    """Tell versions and what was set up, for finding out why something does not work."""
    report = Report(
        {
            "comfy_notebook": __version__,
            "Python": f"{platform.python_version()} on {platform.system()} ({sys.executable})",
            "server": " ".join(map(shown, server.split()))
            or "not set: the ComfyUI on port 8188, else the built-in engine",
            "asyncio.run in cells": nesting.report(),
        }
    )
    report |= {name: _version(name) for name in _PACKAGES}
    missing = [name for name in _ENGINE_PACKAGES if _version(name) == "not installed"]
    report["built-in engine"] = f"not installed: {', '.join(missing)} missing" if missing else "installed"
    return Report(report)


def _device(device: Mapping[str, Any]) -> str:
    name = str(device.get("name", ""))
    total = device.get("vram_total")
    return f"{name}, {size(device.get('vram_free', 0))} free of {size(total)}" if total else name


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"

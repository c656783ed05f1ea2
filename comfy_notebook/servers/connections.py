"""Which server a run goes to, and the one connection that this process has to each."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING

from comfy_notebook.errors import NoServerError, ServerError
from comfy_notebook.servers import builtin
from comfy_notebook.servers.address import Address, has_login
from comfy_notebook.servers.comfyui import ComfyUI
from comfy_notebook.servers.http import unreachable
from comfy_notebook.servers.pool import Pool
from comfy_notebook.servers.portal import portal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

EMBEDDED = "embedded"
USUAL = "http://127.0.0.1:8188"
_LOOK_SECONDS = 3.0

# By event loop, because a connection lives on one: after a fork, or a new start, there is another.
_servers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Address, ComfyUI]] = weakref.WeakKeyDictionary()
_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[ComfyUI, ...], Pool]] = (
    weakref.WeakKeyDictionary()
)


async def connect(address: Address, label: str | None = None) -> ComfyUI:
    """Return this process's connection to a server; nothing is sent yet."""
    servers = _servers.setdefault(asyncio.get_running_loop(), {})
    if address not in servers:
        servers[address] = ComfyUI(address, label)
    return servers[address]


async def choose(
    wanted: str | None,
    api_key: str | None,
    cookies: str | None,
    class_types: Collection[str],
    *,
    verified: bool = True,
) -> tuple[ComfyUI, str]:
    """Find the server for a workflow.

    Parameters
    ----------
    wanted
        A URL or "embedded"; None for the first that serves: the ComfyUI on port 8188, else the built-in engine,
        provided that it has every node of the workflow and needs no stand-in for a model.
    api_key, cookies
        Credentials for ``wanted``, or for the usual address.
    class_types
        The workflow's node classes.
    verified
        Whether the certificate of ``wanted`` has to be one that this machine trusts.

    Returns
    -------
    tuple
        The server, and a line for the user if it is not the one to be expected, else "".

    Raises
    ------
    NoServerError
        If nobody answers at the usual address and the built-in engine will not do.
    MissingExtraError
        If the built-in engine is wanted and not installed.
    """
    if wanted == EMBEDDED:
        return await _embedded(), ""
    address = Address.parse(wanted or USUAL, api_key=api_key, cookies=cookies, verified=verified)
    server = await connect(address)
    if wanted:
        return server, ""
    try:
        await server.stats(_LOOK_SECONDS)
    except ServerError as error:
        return await _instead(error, class_types)
    return server, ""


async def together(wanted: Iterable[str], api_key: str | None, cookies: str | None, *, verified: bool = True) -> Pool:
    """Return this process's pool of several servers; nothing is sent yet.

    Parameters
    ----------
    wanted
        URLs, or "embedded".
    api_key, cookies
        Credentials for each whose URL has no user and password: those of another server are none of its business.
    verified
        Whether their certificates have to be such as this machine trusts.

    Raises
    ------
    ServerError
        If one of them is no address.
    MissingExtraError
        If the built-in engine is among them and not installed.
    """
    servers = []
    for url in wanted:
        credentials = (None, None) if has_login(url) else (api_key, cookies)
        server, _ = await choose(url, *credentials, (), verified=verified)
        servers.append(server)
    pools, key = _pools.setdefault(asyncio.get_running_loop(), {}), tuple(servers)
    if key not in pools:
        pools[key] = Pool(servers)
    return pools[key]


async def _instead(error: ServerError, class_types: Collection[str]) -> tuple[ComfyUI, str]:
    reason = await asyncio.to_thread(builtin.why_not, class_types)
    if reason is None:
        return await _embedded(), f"No ComfyUI answers at {USUAL}, so this ran on the built-in engine."
    refused = unreachable(USUAL) if isinstance(error, NoServerError) else error
    refused.hint = f"{refused.hint} The built-in engine was not used instead: {reason}."
    raise refused


async def _embedded() -> ComfyUI:
    url = await asyncio.to_thread(builtin.start)
    return await connect(Address.parse(url), builtin.LABEL)


async def _close_all() -> None:
    for pool in _pools.pop(asyncio.get_running_loop(), {}).values():
        pool.close()
    servers = _servers.pop(asyncio.get_running_loop(), {})
    await asyncio.gather(*(server.close() for server in servers.values()), return_exceptions=True)


portal.before_close(_close_all)

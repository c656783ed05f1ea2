"""The web application: every route twice, and no answer to a page of some other origin."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from comfy_notebook.servers.embedded.sockets import LARGEST_BODY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.typedefs import Handler


def application(routes: Iterable[web.RouteDef]) -> web.Application:
    """Give an application with each route as /x and as /api/x."""
    app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_own_pages_only])
    for route in routes:
        twin = web.RouteDef(route.method, f"/api{route.path}", route.handler, route.kwargs)
        app.add_routes([route, twin])
    return app


@web.middleware
async def _own_pages_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse pages of other origins, which a browser would otherwise let use this server unseen.

    Stricter than ComfyUI, since nobody but this process needs it: a name that some page has made resolve to
    127.0.0.1 is refused, too, and so is the origin "null" of sandboxed pages.
    """
    host, origin = request.headers.get("Host"), request.headers.get("Origin")
    if host is not None:
        own = urlsplit(f"//{host.lower()}")
        foreign = origin is not None and urlsplit(origin.lower()).netloc != own.netloc
        if foreign or not _loopback(own.hostname):
            return web.Response(status=403)
    return await handler(request)


def _loopback(host: str | None) -> bool:
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"

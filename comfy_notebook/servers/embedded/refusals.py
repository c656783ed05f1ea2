"""Answers to requests that cannot be met, as ComfyUI gives them: often empty, sometimes in trouble."""

from __future__ import annotations

from aiohttp import web


def unexpected() -> web.HTTPInternalServerError:
    """Give what ComfyUI answers to whatever it did not foresee; raising it leaves no traceback in the log."""
    return web.HTTPInternalServerError(text="500 Internal Server Error\n\nServer got itself in trouble")


def bad_request() -> web.HTTPBadRequest:
    """Give an empty answer of status 400."""
    return web.HTTPBadRequest(text="")


def forbidden() -> web.HTTPForbidden:
    """Give an empty answer of status 403."""
    return web.HTTPForbidden(text="")


def not_found() -> web.HTTPNotFound:
    """Give an empty answer of status 404."""
    return web.HTTPNotFound(text="")

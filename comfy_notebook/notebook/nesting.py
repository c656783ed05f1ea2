"""Lets ``asyncio.run(main())``, written for a script, work in a notebook's cell, where that is known to be safe.

Our own runs need none of this. Measured: nest-asyncio2 from 1.7.3 on loses no queued cell on ipykernel 6.31 to
7.4; nest-asyncio 1.6 does on 7.1 and later; neither can patch a uvloop.
"""

from __future__ import annotations

import asyncio
from importlib import metadata
from typing import Final

from packaging.version import Version

_SAFE_NEST2: Final = Version("1.7.3")
_KERNEL_LIMIT: Final = Version("7.1")  # of nest-asyncio 1.6

_report = "not tried: there was no event loop to nest in"


def allow_nested(mode: str) -> str:
    """Patch the running event loop, if ``mode`` is "auto" and it is safe.

    Returns
    -------
    str
        What was done and why, for ``%comfy doctor``.
    """
    global _report  # noqa: PLW0603 - what was done to the process, once
    _report = _apply(mode)
    return _report


def report() -> str:
    """Return what :func:`allow_nested` did."""
    return _report


def _apply(mode: str) -> str:
    if mode == "off":
        return 'off, as ComfyMagics.nested_asyncio = "off" says'
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return "not needed: no event loop runs here, so asyncio.run works as it is"
    if not isinstance(loop, asyncio.BaseEventLoop):
        return f"not possible: a {type(loop).__module__}.{type(loop).__name__} cannot be patched"
    nest2, nest1, kernel = _version("nest-asyncio2"), _version("nest-asyncio"), _version("ipykernel")
    if nest2 is not None and nest2 >= _SAFE_NEST2:
        import nest_asyncio2

        nest_asyncio2.apply()
        return f"nest-asyncio2 {nest2} was applied: asyncio.run(...) works in cells"
    if nest1 is not None and kernel is not None and kernel < _KERNEL_LIMIT:
        import nest_asyncio

        nest_asyncio.apply()
        return f"nest-asyncio {nest1} was applied: asyncio.run(...) works in cells"
    return (
        f"not applied: with ipykernel {kernel} it would lose queued cells. "
        f'pip install "nest-asyncio2>={_SAFE_NEST2}" (here: {nest2 or "none"}), or write: await main()'
    )


def _version(package: str) -> Version | None:
    try:
        return Version(metadata.version(package))
    except metadata.PackageNotFoundError:
        return None

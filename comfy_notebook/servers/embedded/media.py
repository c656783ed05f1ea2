"""The routes for files: /view, /upload/image and /upload/mask."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
from typing import TYPE_CHECKING, Any

from aiohttp import web
from PIL import Image, PngImagePlugin

from comfy_notebook.servers.embedded.files import OutsideError, content_type, split_annotation
from comfy_notebook.servers.embedded.refusals import bad_request, forbidden, not_found, unexpected

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiohttp.web_request import FileField

    from comfy_notebook.servers.embedded.files import Files

_PREVIEW_QUALITY = 90
_PREVIEW_FORMATS = ("webp", "jpeg")
_MASK_COMPRESSION = 4
_YES = ("true", "1")
# what a browser would run if it were shown
_RUNNABLE = frozenset(
    {"text/html", "text/html-sandboxed", "application/xhtml+xml", "text/javascript", "text/css"},
)


class Media:
    """Answers with files, and takes them."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def routes(self) -> list[web.RouteDef]:
        """Give the routes, without the prefix."""
        return [
            web.get("/view", self.view),
            web.post("/upload/image", self.upload_image),
            web.post("/upload/mask", self.upload_mask),
        ]

    async def view(self, request: web.Request) -> web.StreamResponse:
        """Give a file, or a picture of it made for looking at."""
        path = self._asked_for(request)
        disposition = {"Content-Disposition": f'filename="{_quoted(path.name)}"'}
        if "preview" in request.query:
            return await self._made(path, disposition, lambda image: _preview(image, request.query["preview"]))
        channel = request.query.get("channel")
        if channel in {"rgb", "a"}:
            return await self._made(path, disposition, lambda image: _channel(image, channel))
        kind = content_type(path.name) or "application/octet-stream"
        shown = "application/octet-stream" if kind in _RUNNABLE else kind
        return web.FileResponse(path, headers={**disposition, "Content-Type": shown})

    async def upload_image(self, request: web.Request) -> web.Response:
        """Take a file of any kind."""
        form = await request.post()
        image, kind, path = self._destination(form)
        content = await asyncio.to_thread(image.file.read)
        return await self._stored(kind, path, content, form)

    async def upload_mask(self, request: web.Request) -> web.Response:
        """Take the alpha channel of a picture, put it on another that is here, and save that under a new name."""
        form = await request.post()
        image, kind, path = self._destination(form)
        try:
            original = self._original(json.loads(str(form["original_ref"])))
        except (KeyError, TypeError, ValueError) as error:
            raise unexpected() from error
        content = await asyncio.to_thread(_masked, original, image.file.read())
        return await self._stored(kind, path, content, form)

    def _asked_for(self, request: web.Request) -> Path:
        given = request.query.get("filename")
        if given is None:
            raise not_found()
        name, annotated = split_annotation(given)
        kind = annotated or request.query.get("type", "output")
        if not name or name.startswith("/") or ".." in name or kind not in {"input", "output", "temp"}:
            raise bad_request()
        try:
            path = self._files.place(kind, request.query.get("subfolder", ""), os.path.basename(name))  # noqa: PTH119
            found = path.is_file()
        except OutsideError as error:
            raise forbidden() from error
        except (ValueError, OSError):  # a null byte, or a name longer than the system takes
            found = False
        if not found:
            raise not_found()
        return path

    async def _made(
        self, path: Path, headers: dict[str, str], make: Callable[[Image.Image], tuple[bytes, str]]
    ) -> web.Response:
        try:
            content, kind = await asyncio.to_thread(_opened, path, make)
        except (OSError, ValueError) as error:  # no picture
            raise unexpected() from error
        return web.Response(body=content, content_type=kind, headers=headers)

    def _destination(self, form: Any) -> tuple[FileField, str, Path]:
        image = form.get("image")
        if image is None:
            raise bad_request()
        if not isinstance(image, web.FileField):
            raise unexpected()
        if not image.filename:
            raise bad_request()
        kind = str(form.get("type", "input"))
        if kind not in {"input", "output", "temp"}:
            raise unexpected()
        try:
            return image, kind, self._files.place(kind, str(form.get("subfolder", "")), image.filename)
        except OutsideError as error:
            raise bad_request() from error

    async def _stored(self, kind: str, path: Path, content: bytes, form: Any) -> web.Response:
        overwrite = form.get("overwrite") in _YES
        try:
            stored = await asyncio.to_thread(_store, path, content, overwrite=overwrite)
        except (OSError, ValueError) as error:  # a name that the system does not take
            raise unexpected() from error
        subfolder = str(form.get("subfolder", ""))
        return web.json_response({"name": stored.name, "subfolder": subfolder, "type": kind})

    def _original(self, reference: dict[str, str]) -> Path:
        name, annotated = split_annotation(reference["filename"])
        kind = annotated or reference.get("type", "output")
        try:
            path = self._files.place(kind, reference.get("subfolder", ""), name)
        except OutsideError as error:
            raise forbidden() from error
        if not path.is_file():
            raise bad_request()
        return path


def _quoted(name: str) -> str:
    return "".join(f"\\{each}" if each in '"\\' else each for each in name if each.isprintable())


def _preview(image: Image.Image, wanted: str) -> tuple[bytes, str]:
    kind, _, quality = wanted.partition(";")
    kind = kind if kind in _PREVIEW_FORMATS else "webp"
    if kind == "jpeg":
        image = image.convert("RGB")
    content = io.BytesIO()
    image.save(content, kind, quality=int(quality) if quality.isdigit() else _PREVIEW_QUALITY)
    return content.getvalue(), f"image/{kind}"


def _channel(image: Image.Image, channel: str) -> tuple[bytes, str]:
    if channel == "rgb":
        image = image.convert("RGB")
    else:
        alpha = image.getchannel("A") if image.mode == "RGBA" else Image.new("L", image.size, 255)
        image = Image.new("RGBA", image.size)
        image.putalpha(alpha)
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue(), "image/png"


def _opened(path: Path, make: Callable[[Image.Image], tuple[bytes, str]]) -> tuple[bytes, str]:
    with Image.open(path) as image:
        return make(image)


def _masked(original: Path, mask: bytes) -> bytes:
    with Image.open(original) as picture, Image.open(io.BytesIO(mask)) as masking:
        info = PngImagePlugin.PngInfo()
        for key, value in getattr(picture, "text", {}).items():
            info.add_text(key, value)
        result = picture.convert("RGBA")
        result.putalpha(masking.convert("RGBA").getchannel("A"))
    content = io.BytesIO()
    result.save(content, "PNG", compress_level=_MASK_COMPRESSION, pnginfo=info)
    return content.getvalue()


def _store(path: Path, content: bytes, *, overwrite: bool) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if overwrite:
        path.write_bytes(content)
        return path
    for number in itertools.count():
        free = path.with_name(f"{path.stem} ({number}){path.suffix}") if number else path
        try:
            with free.open("xb") as file:
                file.write(content)
        except FileExistsError:
            if free.is_file() and free.read_bytes() == content:
                return free
        else:
            return free
    raise AssertionError  # the numbers do not end

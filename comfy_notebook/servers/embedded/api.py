"""The routes for prompts, queue, history and what the server is."""

from __future__ import annotations

import os
import platform
import sys
import uuid
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from aiohttp import web

from comfy_notebook.servers.embedded.catalog import BUILT_IN_MODEL, CATALOG
from comfy_notebook.servers.embedded.queue import Job
from comfy_notebook.servers.embedded.refusals import not_found, unexpected
from comfy_notebook.servers.embedded.sockets import FEATURES
from comfy_notebook.servers.embedded.validation import RefusedError, problem, validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfy_notebook.servers.embedded.files import Files
    from comfy_notebook.servers.embedded.nodes import Node
    from comfy_notebook.servers.embedded.queue import History, JobQueue
    from comfy_notebook.servers.embedded.worker import Worker

# the version whose protocol is spoken here
PROTOCOL = "0.3.75"
_MODELS: Mapping[str, list[str]] = {"checkpoints": [BUILT_IN_MODEL], "embeddings": []}


class Api:
    """Answers about prompts and the server. All of it runs on the event loop, and none of it waits long."""

    def __init__(
        self, files: Files, nodes: Mapping[str, Node], queue: JobQueue, history: History, worker: Worker
    ) -> None:
        self._files = files
        self._nodes = nodes
        self._queue = queue
        self._history = history
        self._worker = worker

    def routes(self) -> list[web.RouteDef]:
        """Give the routes, without the prefix."""
        return [
            web.post("/prompt", self.post_prompt),
            web.get("/prompt", self.get_prompt),
            web.get("/queue", self.get_queue),
            web.post("/queue", self.post_queue),
            web.post("/interrupt", self.post_interrupt),
            web.post("/free", self.post_free),
            web.get("/history", self.get_history),
            web.get("/history/{prompt_id}", self.get_history_entry),
            web.post("/history", self.post_history),
            web.get("/object_info", self.get_object_info),
            web.get("/object_info/{name}", self.get_object_info),
            web.get("/system_stats", self.get_system_stats),
            web.get("/features", self.get_features),
            web.get("/models", self.get_models),
            web.get("/models/{folder}", self.get_models),
            web.get("/embeddings", self.get_embeddings),
        ]

    async def post_prompt(self, request: web.Request) -> web.Response:
        """Check a prompt and queue it."""
        body = await _json(request)
        if not isinstance(body, dict) or "prompt" not in body:
            refusal = {"error": problem("no_prompt", "No prompt provided", "No prompt provided"), "node_errors": {}}
            return web.json_response(refusal, status=400)
        try:
            job, node_errors = self._accept(body)
        except RefusedError as refused:
            return web.json_response(refused.answer, status=400)
        except (TypeError, ValueError) as error:
            raise unexpected() from error
        self._queue.put(job)
        return web.json_response(
            {"prompt_id": job.prompt_id, "number": job.number, "node_errors": node_errors},
        )

    async def get_prompt(self, _: web.Request) -> web.Response:
        """Say how long the queue is."""
        return web.json_response({"exec_info": {"queue_remaining": self._queue.remaining()}})

    async def get_queue(self, _: web.Request) -> web.Response:
        """Say what runs and what waits."""
        running, waiting = self._queue.snapshot()
        return web.json_response(
            {
                "queue_running": [job.shown() for job in running],
                "queue_pending": [job.shown() for job in waiting],
            },
        )

    async def post_queue(self, request: web.Request) -> web.Response:
        """Drop waiting prompts."""
        body = await _object(request)
        if body.get("clear"):
            self._queue.clear()
        self._queue.delete(_ids(body))
        return web.Response()

    async def post_interrupt(self, request: web.Request) -> web.Response:
        """Interrupt what runs, or one prompt if it is the one that runs."""
        try:
            body = await request.json()
        except ValueError:  # an empty body is usual, and so is none
            body = None
        self._queue.interrupt(body.get("prompt_id") if isinstance(body, dict) else None)
        return web.Response()

    async def post_free(self, request: web.Request) -> web.Response:
        """Forget what was computed; there are no models to unload."""
        if (await _object(request)).get("free_memory"):
            self._worker.forget()
        return web.Response()

    async def get_history(self, request: web.Request) -> web.Response:
        """Give what has run."""
        try:
            max_items = request.query.get("max_items")
            offset = int(request.query.get("offset", -1))
            page = self._history.page(None if max_items is None else int(max_items), offset)
        except ValueError as error:
            raise unexpected() from error
        return web.json_response(page)

    async def get_history_entry(self, request: web.Request) -> web.Response:
        """Give what came of one prompt."""
        return web.json_response(self._history.get(request.match_info["prompt_id"]))

    async def post_history(self, request: web.Request) -> web.Response:
        """Forget what has run."""
        body = await _object(request)
        if body.get("clear"):
            self._history.clear()
        self._history.delete(_ids(body))
        return web.Response()

    async def get_object_info(self, request: web.Request) -> web.Response:
        """Describe all nodes, or one."""
        wanted = request.match_info.get("name")
        found = CATALOG.values() if wanted is None else [CATALOG[wanted]] if wanted in CATALOG else []
        return web.json_response({schema.name: schema.info(self._files) for schema in found})

    async def get_system_stats(self, _: web.Request) -> web.Response:
        """Say what this server is: the built-in engine, and unmistakably so."""
        memory = dict.fromkeys(("vram_total", "vram_free", "torch_vram_total", "torch_vram_free"), 0)
        return web.json_response(
            {
                "system": {
                    "os": os.name,
                    "ram_total": 0,
                    "ram_free": 0,
                    "comfyui_version": PROTOCOL,
                    "python_version": sys.version,
                    "pytorch_version": "none",
                    "embedded_python": False,
                    "embedded_engine": f"comfy_notebook {_own_version()}",
                    "argv": [],
                },
                "devices": [{"name": platform.machine() or "cpu", "type": "cpu", "index": None, **memory}],
            },
        )

    async def get_features(self, _: web.Request) -> web.Response:
        """Say what clients may ask for."""
        return web.json_response(dict(FEATURES))

    async def get_models(self, request: web.Request) -> web.Response:
        """List the kinds of models, or the models of one kind."""
        folder = request.match_info.get("folder")
        if folder is None:
            return web.json_response(list(_MODELS))
        if folder not in _MODELS:
            raise not_found()
        return web.json_response(_MODELS[folder])

    async def get_embeddings(self, _: web.Request) -> web.Response:
        """List the embeddings, of which there are none."""
        return web.json_response(_MODELS["embeddings"])

    def _accept(self, body: dict[str, Any]) -> tuple[Job, dict[str, Any]]:
        number = self._number(body)
        extra_data = body.get("extra_data", {})
        if not isinstance(body["prompt"], dict) or not isinstance(extra_data, dict):
            raise TypeError("a prompt and its extra_data are objects")
        if "client_id" in body:
            extra_data["client_id"] = body["client_id"]
        verdict = validate(body["prompt"], self._nodes, self._files, body.get("partial_execution_targets"))
        given = body.get("prompt_id")
        prompt_id = str(uuid.uuid4()) if given is None else str(given)
        return Job(number, prompt_id, body["prompt"], extra_data, verdict.outputs), verdict.node_errors

    def _number(self, body: dict[str, Any]) -> float:
        if "number" in body:
            return float(body["number"])
        number = self._queue.number()
        return -number if body.get("front") else number


async def _json(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:
        raise unexpected() from error


async def _object(request: web.Request) -> dict[str, Any]:
    body = await _json(request)
    if not isinstance(body, dict):
        raise unexpected()
    return body


def _ids(body: Mapping[str, Any]) -> set[str]:
    given = body.get("delete") or []
    if not isinstance(given, list):
        raise unexpected()
    return {str(each) for each in given}


def _own_version() -> str:
    try:
        return version("comfy-notebook")
    except PackageNotFoundError:  # run from a checkout
        return "unknown"

"""What ``%comfy`` is asked or told: one function a command, which takes the magics and the rest of the line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from comfy_notebook.errors import ComfyError
from comfy_notebook.jobs import underway
from comfy_notebook.notebook.variables import addresses, meant
from comfy_notebook.servers.portal import portal

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from comfy_notebook.experiments.history.history import History
    from comfy_notebook.experiments.history.records import RecordList
    from comfy_notebook.notebook.form.form import Form
    from comfy_notebook.notebook.magics import ComfyMagics
    from comfy_notebook.notebook.reports import Report
    from comfy_notebook.servers.comfyui import ComfyUI
    from comfy_notebook.workflow.document import Workflow


def _status(magics: ComfyMagics, _line: str = "") -> Report:
    from comfy_notebook.notebook.reports import status

    return _ask(magics, status)


def _use(magics: ComfyMagics, line: str) -> Report:
    if not line:
        raise UsageError('%comfy use: name a server, as in: %comfy use http://127.0.0.1:8188, or "embedded".')
    before, magics.server = magics.server, addresses(line)
    try:
        return _status(magics)
    except ComfyError:
        magics.server = before
        raise


def _run(magics: ComfyMagics, line: str) -> Any:
    if not line:
        raise UsageError("%comfy run: name a workflow, as in: %comfy run workflow.json")
    return magics.run(line)


def _queue(magics: ComfyMagics, _line: str) -> Report:
    from comfy_notebook.notebook.reports import queue

    return _ask(magics, queue)


def _cancel(_magics: ComfyMagics, line: str) -> Report:
    from comfy_notebook.notebook.reports import cancelled

    return cancelled(underway(), line.split())


def _inspect(magics: ComfyMagics, line: str) -> Workflow:
    if not line:
        raise UsageError("%comfy inspect: name a workflow, as in: %comfy inspect workflow.json")
    return magics.kit().load(meant(line, magics.variables))


def _form(magics: ComfyMagics, line: str) -> Form:
    if not line:
        raise UsageError("%comfy form: name a workflow, as in: %comfy form workflow.json")
    from comfy_notebook.notebook.form.form import Form

    source, kit = meant(line, magics.variables), magics.kit()
    return Form(kit, portal.wait(kit.runner.inspect(source, fresh=True)), source, magics.server or None)


def _history(_magics: ComfyMagics, line: str) -> History | RecordList:
    from comfy_notebook.experiments.history.history import history

    return history.search(line) if line else history


def _doctor(magics: ComfyMagics, _line: str) -> Report:
    from comfy_notebook.notebook.reports import doctor

    return doctor(magics.server)


def _ask(magics: ComfyMagics, report: Callable[[list[ComfyUI]], Coroutine[Any, Any, Report]]) -> Report:
    async def asked() -> Report:
        return await report(await magics.kit().runner.servers())

    return portal.wait(asked())


COMMANDS: Mapping[str, Callable[[ComfyMagics, str], Any]] = {
    "": _status,
    "status": _status,
    "use": _use,
    "run": _run,
    "queue": _queue,
    "cancel": _cancel,
    "inspect": _inspect,
    "form": _form,
    "history": _history,
    "doctor": _doctor,
}

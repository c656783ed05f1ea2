"""Run ComfyUI workflows from Jupyter and see their results inline.

In a notebook::

    %load_ext comfy_notebook

    %%comfy workflow.json -o result
    prompt = "a fox in the snow"
    seed = 42

In Python::

    from comfy_notebook import ComfyKit
    result = ComfyKit().run("workflow.json", {"prompt": "a fox in the snow"})
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from comfy_notebook.errors import (
        ComfyError,
        HistoryError,
        MediaError,
        MissingExtraError,
        NodeError,
        NoServerError,
        ParameterError,
        RunCancelledError,
        RunError,
        RunLostError,
        RunTimeoutError,
        ServerError,
        WorkerError,
        WorkflowError,
    )
    from comfy_notebook.experiments.comparison import Comparison, compare
    from comfy_notebook.experiments.history.history import history
    from comfy_notebook.experiments.sweeps.result import SweepResult
    from comfy_notebook.experiments.sweeps.sweep import sweep
    from comfy_notebook.experiments.sweeps.varying import vary
    from comfy_notebook.jobs import Job
    from comfy_notebook.kit import ComfyKit, load
    from comfy_notebook.media import Media
    from comfy_notebook.notebook.form.form import Form, form
    from comfy_notebook.results import ExecuteResult
    from comfy_notebook.workflow.document import Workflow

__all__ = [
    "ComfyError",
    "ComfyKit",
    "Comparison",
    "ExecuteResult",
    "Form",
    "HistoryError",
    "Job",
    "Media",
    "MediaError",
    "MissingExtraError",
    "NoServerError",
    "NodeError",
    "ParameterError",
    "RunCancelledError",
    "RunError",
    "RunLostError",
    "RunTimeoutError",
    "ServerError",
    "SweepResult",
    "WorkerError",
    "Workflow",
    "WorkflowError",
    "compare",
    "form",
    "history",
    "load",
    "sweep",
    "vary",
]
__version__ = "0.1.0"

# Imported when first used: a notebook that loads the extension should not wait for what it does not use.
_HOMES = {
    "ComfyError": "errors",
    "ComfyKit": "kit",
    "Comparison": "experiments.comparison",
    "ExecuteResult": "results",
    "Form": "notebook.form.form",
    "HistoryError": "errors",
    "Job": "jobs",
    "Media": "media",
    "MediaError": "errors",
    "MissingExtraError": "errors",
    "NoServerError": "errors",
    "NodeError": "errors",
    "ParameterError": "errors",
    "RunCancelledError": "errors",
    "RunError": "errors",
    "RunLostError": "errors",
    "RunTimeoutError": "errors",
    "ServerError": "errors",
    "SweepResult": "experiments.sweeps.result",
    "WorkerError": "errors",
    "Workflow": "workflow.document",
    "WorkflowError": "errors",
    "compare": "experiments.comparison",
    "form": "notebook.form.form",
    "history": "experiments.history.history",
    "load": "kit",
    "sweep": "experiments.sweeps.sweep",
    "vary": "experiments.sweeps.varying",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Set up ``%comfy`` and ``%%comfy`` (``%load_ext comfy_notebook``)."""
    from comfy_notebook.notebook.extension import load_extension

    load_extension(ipython)


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """Take everything back that loading set up (``%unload_ext comfy_notebook``)."""
    from comfy_notebook.notebook.extension import unload_extension

    unload_extension(ipython)

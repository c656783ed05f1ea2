"""Running one prompt: only what its outputs need, only what has changed, one node after another."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from comfy_notebook.servers.embedded.catalog import CATALOG
from comfy_notebook.servers.embedded.graph import in_order, is_link, sources
from comfy_notebook.servers.embedded.values import Interrupted, Outcome, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from comfy_notebook.servers.embedded.cache import Cache
    from comfy_notebook.servers.embedded.files import Files
    from comfy_notebook.servers.embedded.nodes import Node
    from comfy_notebook.servers.embedded.queue import Job
    from comfy_notebook.servers.embedded.reporter import Reporter
    from comfy_notebook.servers.embedded.values import Preview


class Execution:
    """One run of one prompt."""

    def __init__(
        self,
        job: Job,
        *,
        nodes: Mapping[str, Node],
        files: Files,
        cache: Cache,
        reporter: Reporter,
        interrupted: Callable[[], bool],
    ) -> None:
        self._job = job
        self._nodes = nodes
        self._files = files
        self._cache = cache
        self._reporter = reporter
        self._interrupted = interrupted
        self._executed: list[str] = []

    def run(self) -> None:
        """Run the prompt to its end, good or bad; the reporter hears of everything."""
        self._reporter.started()
        self._reporter.cached(self._cache.begin(self._job.graph))
        for node_id in in_order(self._job.outputs, self._needed):
            try:
                self._visit(node_id)
            except Interrupted:
                self._reporter.interrupted(self._where(node_id))
                return
            except Exception as error:  # noqa: BLE001 - whatever a node raises is told to the client
                self._reporter.failed(self._where(node_id) | self._what(node_id, error))
                return
        self._reporter.succeeded()

    def _needed(self, node_id: str) -> list[str]:
        if node_id in self._cache:
            return []
        needed = sources(self._job.graph[node_id]["inputs"], self._schema(node_id).inputs())
        return [each for each in needed if each not in self._cache]

    def _visit(self, node_id: str) -> None:
        if node_id in self._cache:
            outcome = self._cache[node_id]
        else:
            self._reporter.node_started(node_id)
            outcome = self._cache[node_id] = self._execute(node_id)
            self._executed.append(node_id)
        if outcome.ui is not None:
            self._reporter.node_output(node_id, outcome.ui)
        self._reporter.node_finished(node_id)

    def _execute(self, node_id: str) -> Outcome:
        def report(value: int, total: int, preview: Preview | None) -> None:
            self._reporter.progress(node_id, value, total, preview)

        run = Run(
            self._files,
            self._job.graph,
            self._check,
            report,
            self._job.extra_data.get("extra_pnginfo"),
        )
        self._check()
        node = self._nodes[self._job.graph[node_id]["class_type"]]
        return node.action(run, **self._inputs(node_id))

    def _check(self) -> None:
        if self._interrupted():
            raise Interrupted

    def _inputs(self, node_id: str) -> dict[str, Any]:
        given = self._job.graph[node_id]["inputs"]
        return {name: self._value(given[name]) for name in self._schema(node_id).inputs() if name in given}

    def _value(self, value: Any) -> Any:
        return self._cache[value[0]].values[value[1]] if is_link(value) else value

    def _schema(self, node_id: str) -> Any:
        return CATALOG[self._job.graph[node_id]["class_type"]]

    def _where(self, node_id: str) -> dict[str, Any]:
        class_type = self._job.graph[node_id]["class_type"]
        return {"node_id": node_id, "node_type": class_type, "executed": list(self._executed)}

    def _what(self, node_id: str, error: Exception) -> dict[str, Any]:
        return {
            "exception_message": f"{error}\n",
            "exception_type": _type_name(error),
            "traceback": traceback.format_tb(error.__traceback__),
            "current_inputs": {name: [_shown(value)] for name, value in self._all_inputs(node_id).items()},
            "current_outputs": list(self._job.graph),
        }

    def _all_inputs(self, node_id: str) -> dict[str, Any]:
        inputs = self._inputs(node_id)
        schema = self._schema(node_id)
        if schema.hidden and not schema.modern:
            extra = self._job.extra_data.get("extra_pnginfo")
            inputs |= {"prompt": self._job.graph, "extra_pnginfo": extra}
        return inputs


def _type_name(error: Exception) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _shown(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)

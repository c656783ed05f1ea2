"""What is kept of a run: from the objects of one that is on its way, or over, to what the tables hold."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfy_notebook.experiments.history.encoding import comparable, packed, plain, to_json
from comfy_notebook.experiments.history.privacy import names_secret, without_secrets
from comfy_notebook.workflow.graph import is_link
from comfy_notebook.workflow.seeds import SEED_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from comfy_notebook.errors import ComfyError
    from comfy_notebook.experiments.history.privacy import Secrets
    from comfy_notebook.results import ExecuteResult
    from comfy_notebook.workflow.binding import Binding
    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.graph import Graph
    from comfy_notebook.workflow.parameters import Parameter

_LONGEST_TEXT, _LONGEST_WORDS = 10_000, 40_000  # characters that full text finds, of one text and of a run
_LARGEST_OUTPUTS = 4_000_000  # characters; more of texts, or of raw outputs as JSON, is not kept
_PROMPT_INPUTS = ("text", "prompt")
SEED = "seed"


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter's value, as searches compare it."""

    name: str
    leaf: str
    value: int | float | str


@dataclass(frozen=True, slots=True)
class Flow:
    """A workflow, as it is kept: ``graph`` is the JSON of its graph before a run's values.

    ``defaults`` returns what it has for its parameters: asked for only where it is new.
    """

    graph: str
    defaults: Callable[[], Iterable[Setting]]

    @property
    def digest(self) -> str:
        """What it is known by."""
        return digest_of(self.graph)


@dataclass(frozen=True, slots=True)
class Description:
    """What a run set out with.

    Attributes
    ----------
    values
        Column of the table of runs → value.
    name
        The workflow's.
    words
        What full text finds beside the prompt.
    settings
        What its parameters were set to.
    flow
        Its workflow; None where there is none.
    """

    values: dict[str, Any]
    name: str
    words: str
    settings: list[Setting]
    flow: Flow | None = None


def secrets_of(binding: Binding, secrets: Secrets) -> Secrets:
    """Return these and the credentials that a run's own values are."""
    return secrets.and_those_in(binding.params, *(node["inputs"] for node in binding.graph.values()))


def describe(workflow: Workflow, binding: Binding, secrets: Secrets) -> Description:
    """Describe a run that is ready to be sent; ``secrets`` are also those of :func:`secrets_of`."""
    params = without_secrets(binding.params)
    seeds = {name: value for name, value in params.items() if _is_seed(name, workflow.params.get(name))}
    graph = written(workflow, secrets)
    prompt, words = _texts(workflow, binding.graph)
    values = {
        "prompt": secrets.cleaned(plain(prompt)),
        "params": secrets.cleaned(to_json(params)),
        "seeds": to_json(seeds),
        "patch": secrets.cleaned(to_json(_changed(workflow.graph, binding.graph))),
    }
    return Description(
        values,
        secrets.cleaned(plain(workflow.name)),
        _joined([workflow.name, *words], secrets),
        list(_settings(params, workflow, secrets)),
        Flow(graph, lambda: _settings(_defaults(workflow), workflow, secrets)),
    )


def _defaults(workflow: Workflow) -> Mapping[str, Any]:
    return without_secrets({name: parameter.default for name, parameter in workflow.params.items()})


def written(workflow: Workflow, secrets: Secrets) -> str:
    """Return a workflow's graph, before a run's values, as it is kept."""
    return secrets.cleaned(to_json(_hidden(workflow.graph)))


def digest_of(graph: str) -> str:
    """Return what a graph, as it is kept, is known by."""
    return hashlib.sha256(graph.encode()).hexdigest()


def describe_unready(name: str, given: Mapping[str, Any], secrets: Secrets) -> Description:
    """Describe a run that failed before it was ready, by what it was given."""
    params = without_secrets(given)
    prompt = params.get("prompt")
    texts = [value for value in params.values() if isinstance(value, str)]
    values = {
        "prompt": secrets.cleaned(plain(prompt)) if isinstance(prompt, str) else "",
        "params": secrets.cleaned(to_json(params)),
        "seeds": to_json({key: value for key, value in params.items() if _is_seed(key, None)}),
    }
    words = _joined([name, *texts], secrets)
    return Description(values, secrets.cleaned(plain(name)), words, list(_settings(params, None, secrets)))


def outcome(result: ExecuteResult, secrets: Secrets) -> dict[str, Any]:
    """Return the columns that tell how a run ended."""
    outputs = secrets.cleaned(to_json(result.outputs))
    texts = [[var, secrets.cleaned(text)] for var, items in result.texts_by_var.items() for text in items]
    return {
        "status": result.status,
        "duration": result.duration,
        "seconds": result.seconds,
        "error": secrets.cleaned(to_json(_error(result.error))) if result.error is not None else None,
        "warnings": secrets.cleaned(to_json(result.warnings)) if result.warnings else None,
        "outputs": zlib.compress(outputs.encode(), 1) if len(outputs) <= _LARGEST_OUTPUTS else None,
        "said": packed(texts) if 0 < sum(len(text) for _, text in texts) <= _LARGEST_OUTPUTS else None,
    }


def ending_words(result: ExecuteResult, secrets: Secrets) -> str:
    """Return what the end adds to a run's full text: the texts that it made, and what went wrong."""
    said = [text[:_LONGEST_TEXT] for text in result.texts]
    said += [result.error.message, *map(str, result.error.problems)] if result.error is not None else []
    return _joined(said, secrets)


def _joined(texts: Iterable[str], secrets: Secrets) -> str:
    return secrets.cleaned(plain("\n".join(texts)[:_LONGEST_WORDS]))


def _error(error: ComfyError) -> dict[str, Any]:
    told = {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "problems": [
            [problem.message, problem.subject, problem.node_id, problem.input_name] for problem in error.problems
        ],
        "node_id": error.node_id,
        "title": error.title,
        "class_type": error.class_type,
        "exception_type": error.exception_type,
        "traceback": error.traceback,
        "node_errors": error.node_errors,
    }
    return {name: value for name, value in told.items() if value}


def _hidden(graph: Graph) -> Graph:
    """Return a graph without the credentials that its inputs hold."""
    if not any(names_secret(name) for node in graph.values() for name in node["inputs"]):
        return graph
    return {node_id: node | {"inputs": without_secrets(node["inputs"])} for node_id, node in graph.items()}


def _changed(before: Graph, after: Graph) -> dict[str, Any]:
    """Return node id → input → value of what differs."""
    changes = {}
    for node_id, node in after.items():
        own = before[node_id]["inputs"]
        changed = {
            name: value
            for name, value in node["inputs"].items()
            if name not in own or type(own[name]) is not type(value) or own[name] != value
        }
        if changed:
            changes[node_id] = without_secrets(changed)
    return changes


def _settings(values: Mapping[str, Any], workflow: Workflow | None, secrets: Secrets) -> Iterator[Setting]:
    for name, value in values.items():
        kept = comparable(secrets.cleaned(value) if isinstance(value, str) else value)
        if kept is not None:
            parameter = workflow.params.get(name) if workflow is not None else None
            leaf = SEED if _is_seed(name, parameter) else name.rpartition(".")[2]
            yield Setting(plain(name), plain(leaf), kept)


def _is_seed(name: str, parameter: Parameter | None) -> bool:
    inputs = {target.input_name for target in parameter.targets} if parameter is not None else set()
    return bool(inputs.intersection(SEED_NAMES)) or name.rpartition(".")[2] in SEED_NAMES


def _texts(workflow: Workflow, graph: Graph) -> tuple[str, list[str]]:
    """Return (the prompt, all texts) of a workflow as it runs; without a parameter ``prompt``, it is guessed."""
    texts = dict(_placed(workflow, graph))
    prompt = texts.get("prompt")
    if prompt is None:
        guesses = (
            text
            for name, text in texts.items()
            if name.rpartition(".")[2] in _PROMPT_INPUTS and "negative" not in name.lower()
        )
        prompt = "\n".join(dict.fromkeys(guesses))
    others = (text for text in texts.values() if text != prompt)
    return prompt[:_LONGEST_TEXT], list(dict.fromkeys(others))


def _placed(workflow: Workflow, graph: Graph) -> Iterable[tuple[str, str]]:
    """Yield the parameters whose value is a text, as the graph has them."""
    for name, parameter in workflow.params.items():
        node_id, input_name = parameter.targets[0]
        value = graph[node_id]["inputs"].get(input_name)
        if isinstance(value, str) and value and not is_link(value) and not names_secret(input_name):
            yield name, value[:_LONGEST_TEXT]

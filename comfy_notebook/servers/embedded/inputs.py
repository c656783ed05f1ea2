"""Whether the inputs of one node fit its schema: links by their type, values by conversion and limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfy_notebook.servers.embedded.catalog import CATALOG

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from comfy_notebook.servers.embedded.files import Files
    from comfy_notebook.servers.embedded.graph import Graph
    from comfy_notebook.servers.embedded.nodes import Node
    from comfy_notebook.servers.embedded.schema import Input

Problem = dict[str, Any]
_LINK_LENGTH = 2
_LONGEST_LIST_SHOWN = 20
_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


@dataclass(frozen=True)
class Link:
    """An input that is linked and whose type fits: what is left to check is the node it comes from."""

    source: str
    name: str
    config: list[Any]
    value: list[Any]


class NodeInspector:
    """Checks nodes one at a time."""

    def __init__(self, graph: Graph, nodes: Mapping[str, Node], files: Files) -> None:
        self._graph = graph
        self._nodes = nodes
        self._files = files

    def inspect(self, node_id: str, links: list[Link]) -> list[Problem]:
        """Give what is wrong with a node's own inputs, add its links to `links`, convert its values in place.

        Raises
        ------
        Exception
            Anything, if the prompt is so malformed that it cannot be read; the caller makes an answer of it.
        """
        node = self._graph[node_id]
        inputs = node["inputs"]
        schema = CATALOG[node["class_type"]]
        problems = []
        for name, declared in schema.inputs().items():
            if name not in inputs:
                if name in schema.required:
                    problems.append(_problem("required_input_missing", "Required input is missing", name, name))
            elif isinstance(inputs[name], list):
                problems += self._linked(name, declared, inputs[name], links)
            else:
                problems += self._given(name, declared, inputs, self._nodes[node["class_type"]])
        return problems

    def _linked(self, name: str, declared: Input, value: list[Any], links: list[Link]) -> list[Problem]:
        config = declared.config(self._files)
        if len(value) != _LINK_LENGTH:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return [_problem("bad_linked_input", message, name, name, input_config=config, received_value=value)]
        source, slot = value
        outputs = tuple(CATALOG[self._graph[source]["class_type"]].outputs)
        received = outputs[slot]
        if not _fits(received, config[0]):
            return [
                _problem(
                    "return_type_mismatch", "Return type mismatch between linked nodes", name,
                    f"{name}, received_type({received}) mismatch input_type({config[0]})",
                    input_config=config, received_type=received, linked_node=value,
                )
            ]  # fmt: skip
        links.append(Link(source, name, config, value))
        return []

    def _given(self, name: str, declared: Input, inputs: dict[str, Any], node: Node) -> list[Problem]:
        value = inputs[name]
        if isinstance(value, dict) and "__value__" in value:
            value = inputs[name] = value["__value__"]
        config = declared.config(self._files)
        convert = _CONVERSIONS.get(declared.type) if isinstance(declared.type, str) else None
        if convert is not None:
            try:
                value = inputs[name] = convert(value)
            except (TypeError, ValueError, OverflowError) as error:
                return [
                    _problem(
                        "invalid_input_type",
                        f"Failed to convert an input value to a {declared.type} value",
                        name, f"{name}, {value}, {error}",
                        input_config=config, received_value=value, exception_message=str(error),
                    )
                ]  # fmt: skip
        if name in node.checks:
            wrong = node.checks[name](self._files, value)
            message = "Custom validation failed for node"
            return [_problem("custom_validation_failed", message, name, f"{name} - {wrong}")] if wrong else []
        return _out_of_limits(name, config, value) or _not_in_list(name, config, value)


def _problem(kind: str, message: str, name: str, details: str, **extra_info: Any) -> Problem:
    return {
        "type": kind,
        "message": message,
        "details": details,
        "extra_info": {"input_name": name, **extra_info},
    }


def _fits(received: str, wanted: str | list[str]) -> bool:
    return wanted in (received, "*")


def _out_of_limits(name: str, config: list[Any], value: Any) -> list[Problem]:
    limits = config[1]
    extra = {"input_config": config, "received_value": value}
    if "min" in limits and value < limits["min"]:
        message = f"Value {value} smaller than min of {limits['min']}"
        return [_problem("value_smaller_than_min", message, name, name, **extra)]
    if "max" in limits and value > limits["max"]:
        message = f"Value {value} bigger than max of {limits['max']}"
        return [_problem("value_bigger_than_max", message, name, name, **extra)]
    return []


def _not_in_list(name: str, config: list[Any], value: Any) -> list[Problem]:
    options = config[0]
    if not isinstance(options, list) or value in options:
        return []
    short = len(options) <= _LONGEST_LIST_SHOWN
    listed = str(options) if short else f"(list of length {len(options)})"
    return [
        _problem(
            "value_not_in_list", "Value not in list", name, f"{name}: '{value}' not in {listed}",
            input_config=config if short else None, received_value=value,
        )
    ]  # fmt: skip

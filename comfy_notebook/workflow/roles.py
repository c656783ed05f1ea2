"""Finds a workflow's prompts: the texts that reach a sampler's positive and negative input.

Only the graph is read, no server's schemas, so that a file's names are the same everywhere. What an input carries
is told by its name, as nodes of all packs call these inputs alike.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from comfy_notebook.workflow.graph import Target, is_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from comfy_notebook.workflow.graph import Graph

PROMPT, NEGATIVE_PROMPT = "prompt", "negative_prompt"
_ROLES = {PROMPT: "positive", NEGATIVE_PROMPT: "negative"}
_TEXTS = re.compile(
    r"(text|prompt|string|value|clip_[lg]|t5xxl|bert|mt5xl|llama|positive_prompt|negative_prompt)(_[a-z]|_?\d+)?"
)
_CONDITIONINGS = re.compile(r"(conditioning|cond)(_?\w+)?|positive|negative")
# Links into a node between an encoder and a sampler that bring no text, whatever lies behind them.
_OTHERS = re.compile(
    r"model|clip|vae|clip_vision(_output)?|control_net|style_model|gligen_\w+|image\w*|pixels|mask|latent\w*|samples"
    r"|video\w*|audio\w*|start_image|end_image|reference\w*|width|height|length|batch_size|strength|seed|noise_seed"
)


def find_prompts(graph: Graph) -> dict[str, list[Target]]:
    """Return the texts that are prompts: ``{"prompt": [...], "negative_prompt": [...]}``, in the graph's order.

    A text that reaches both a positive and a negative input, as where the negative conditioning is the positive
    one zeroed out, is a prompt.
    """
    positive = _reaching(PROMPT, graph)
    negative = _reaching(NEGATIVE_PROMPT, graph) - positive
    order = {node_id: position for position, node_id in enumerate(graph)}

    def in_order(targets: set[Target]) -> list[Target]:
        return sorted(targets, key=lambda target: (order[target.node_id], target.input_name))

    return {PROMPT: in_order(positive), NEGATIVE_PROMPT: in_order(negative)}


def _reaching(role: str, graph: Graph) -> set[Target]:
    """Walk from the samplers upwards, each node once."""
    texts: set[Target] = set()
    seen: set[str] = set()
    waiting = list(_sources(role, graph, texts))
    while waiting:
        node_id = waiting.pop()
        if node_id in seen or node_id not in graph:
            continue
        seen.add(node_id)
        for name, value in _leading_on(graph[node_id]["inputs"], role):
            if is_link(value):
                waiting.append(str(value[0]))
            elif isinstance(value, str):
                texts.add(Target(node_id, name))
    return texts


def _sources(role: str, graph: Graph, texts: set[Target]) -> Iterator[str]:
    """Yield the nodes that feed a sampler's input of this role; note texts that stand in the input itself."""
    side = _ROLES[role]
    sides = (side, f"{side}_prompt")
    for node_id, node in graph.items():
        inputs = node["inputs"]
        names = [name for name in sides if name in inputs]
        if side == "positive" and "Guider" in node["class_type"]:
            names += [name for name in ("conditioning", "cond1") if name in inputs]
        for name in names:
            if is_link(inputs[name]):
                yield str(inputs[name][0])
            elif isinstance(inputs[name], str):
                texts.add(Target(node_id, name))


def _leading_on(inputs: Mapping[str, Any], role: str) -> Iterable[tuple[str, Any]]:
    """Return the inputs of a node on the way through which its texts come, or the texts themselves."""
    side = _ROLES[role]
    if is_link(inputs.get("positive")) and is_link(inputs.get("negative")):  # it passes both on, side by side
        return [(side, inputs[side])]
    conditionings = [item for item in inputs.items() if is_link(item[1]) and _CONDITIONINGS.fullmatch(item[0])]
    texts = [item for item in inputs.items() if _TEXTS.fullmatch(item[0])]
    other_side = {"positive", "negative"} - {side}
    texts = [item for item in texts if item[0].removesuffix("_prompt") not in other_side]
    if conditionings or texts:
        return [*conditionings, *texts]
    return [item for item in inputs.items() if is_link(item[1]) and not _OTHERS.fullmatch(item[0])]

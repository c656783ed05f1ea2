"""Gives every input that holds a value a name as people would say it, the same for the same file every time.

``prompt`` and ``negative_prompt`` for the texts that a sampler gets; the input's own name where only one node has
it (``steps``); else the node's title and the input (``upscale_model.scale_by``); where titles are alike, too, with
the node's id (``ksampler_3.seed``). Every input also answers to its node's id, title or class (``6.text``,
``KSampler.seed``), where that means one input only.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter, defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

from comfy_notebook.workflow.graph import Graph, Target, node_title
from comfy_notebook.workflow.markers import plain_title
from comfy_notebook.workflow.roles import find_prompts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_NO_WORD = re.compile(r"[^\w.]+")


def short_names(
    graph: Graph, values: Mapping[Target, object], taken: Collection[Target], used: Collection[str]
) -> dict[str, tuple[Target, ...]]:
    """Name the inputs that hold a value and are not ``taken``, with no name that is ``used``.

    Returns
    -------
    dict
        Name → its inputs, in the graph's order. Only a prompt may have several: nodes that hold the same text.
    """
    prompts = _shared_prompts(graph, values, taken, used)
    roles = {target: name for name, targets in prompts.items() for target in targets}
    bare = Counter(field_name(target) for target in values)
    slugs = {node_id: slug(heading(node)) for node_id, node in graph.items()}
    titled = Counter((slugs[target.node_id], target.input_name) for target in values)
    names: dict[str, tuple[Target, ...]] = {}

    def choices(target: Target) -> Iterator[str]:
        own, title = field_name(target), slugs[target.node_id]
        if bare[own] == 1 and own not in prompts:
            yield own
        if titled[title, target.input_name] == 1:
            yield f"{title}.{own}"
        yield f"{title}_{_NO_WORD.sub('_', target.node_id)}.{own}"
        yield str(target)

    for target in values:
        if target in roles:
            names[roles[target]] = prompts[roles[target]]
        elif target not in taken:
            names[next(name for name in choices(target) if name not in used and name not in names)] = (target,)
    return names


def _shared_prompts(
    graph: Graph, values: Mapping[Target, object], taken: Collection[Target], used: Collection[str]
) -> dict[str, tuple[Target, ...]]:
    """Return the prompts that have one text: several nodes with different texts keep their own names."""
    prompts = {}
    for name, found in find_prompts(graph).items():
        targets = [target for target in found if target not in taken]
        if targets and name not in used and len({values[target] for target in targets}) == 1:
            prompts[name] = tuple(targets)
    return prompts


def field_name(target: Target) -> str:
    """Return an input's own name, as it can be written in Python."""
    return _identifier(target.input_name)


def heading(node: Mapping[str, object]) -> str:
    """Return what the page shows above a node: its title without markers, else its class."""
    return plain_title(node_title(node) or "") or str(node["class_type"])


def slug(title: str) -> str:
    """Return a title as it can be written in Python: ``"Upscale Model (4x)"`` gives ``upscale_model_4x``."""
    return _identifier(title.casefold().replace(".", "_"))


@lru_cache(maxsize=4096)
def _identifier(text: str) -> str:
    word = _NO_WORD.sub("_", text).strip("_")
    if word.replace(".", "_").isidentifier():
        return f"{word}_" if keyword.iskeyword(word) else word
    return f"node_{word}" if f"node_{word}".replace(".", "_").isidentifier() else "node"


def nodes_called(graph: Graph) -> dict[str, list[str]]:
    """Return everything that a node answers to, and the ids of all that do: its id, title, class, slug."""
    called: dict[str, list[str]] = defaultdict(list)
    for node_id, node in graph.items():
        title = heading(node)
        for name in dict.fromkeys((node_id, node_title(node) or title, title, node["class_type"], slug(title))):
            called[name].append(node_id)
    return called

"""The graph of one prompt: which inputs are links, and in which order nodes can run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Graph = dict[str, dict[str, Any]]
_LINK_LENGTH = 2


def is_link(value: Any) -> TypeGuard[list[Any]]:
    """Tell whether an input's value is a link, [node id, slot]."""
    return (
        isinstance(value, list)
        and len(value) == _LINK_LENGTH
        and isinstance(value[0], str)
        and isinstance(value[1], int)
    )


def sources(inputs: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    """Give the ids of the nodes that these inputs are linked to."""
    for name in names:
        value = inputs.get(name)
        if is_link(value):
            yield value[0]


def in_order(roots: Iterable[str], before: Callable[[str], Iterable[str]]) -> list[str]:
    """Give everything that `roots` need, each id after all that it needs itself.

    Works on graphs of any depth. In a cycle, which has no order, each id still comes once.

    Parameters
    ----------
    roots
        Where to start.
    before
        Gives the ids that an id needs directly.
    """
    ordered: list[str] = []
    seen: set[str] = set()
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, iter(before(root)))]
        while stack:
            node, pending = stack[-1]
            following = next((each for each in pending if each not in seen), None)
            if following is None:
                ordered.append(node)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(before(following))))
    return ordered

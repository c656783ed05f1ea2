"""Which types of nodes live on the page only, and what the page does where one type meets another."""

from __future__ import annotations

from functools import lru_cache

REROUTE = "Reroute"
PRIMITIVE = "PrimitiveNode"
SET_NODE = "SetNode"
GET_NODE = "GetNode"
NOTES = frozenset({"Note", "MarkdownNote"})
# Types that no server has; the last two are KJNodes' named wires.
ON_THE_PAGE = NOTES | {REROUTE, PRIMITIVE}
WIRES = frozenset({SET_NODE, GET_NODE})


@lru_cache(maxsize=4096)
def fits(one: str, other: str) -> bool:
    """Whether a link may join these types; each may list several, and ``*`` is any.

    Source: ComfyUI frontend 1.58.1, LiteGraph.isValidConnection.
    """
    if one in ("", "*") or other in ("", "*"):
        return True
    ours, theirs = one.lower().split(","), other.lower().split(",")
    return any(mine in ("", "*") or mine in theirs for mine in ours) or any(name in ("", "*") for name in theirs)

"""Nodes for texts, and the constants that feed other nodes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from comfy_notebook.servers.embedded.values import Outcome

if TYPE_CHECKING:
    from comfy_notebook.servers.embedded.values import Run

T = TypeVar("T")


def preview_any(run: Run, *, source: Any) -> Outcome:
    """Show anything as text: texts as they are, plain data as JSON, all else as Python shows it."""
    run.check()
    return Outcome(ui={"text": [_shown(source)]})


def string_concatenate(*, string_a: str, string_b: str, delimiter: str) -> tuple[str]:
    """Join two texts with a third between them."""
    return (f"{string_a}{delimiter}{string_b}",)


def primitive(*, value: T) -> tuple[T]:
    """Give the value."""
    return (value,)


def _shown(source: Any) -> str:
    if isinstance(source, str):
        return source
    if source is None or isinstance(source, int | float):
        return str(source)
    try:
        return json.dumps(source, indent=4)
    except (TypeError, ValueError):  # arrays, or something that contains itself
        return str(source)

"""A run as code: the ``%%comfy`` cell, and the call in Python, that do it again."""

from __future__ import annotations

import ast
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from comfy_notebook.media import Media
from comfy_notebook.notebook.body import read_body

if TYPE_CHECKING:
    from collections.abc import Mapping

_WIDTH = 100
_INDENT = "    "
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,~?&#\\")


def cell(source: Any, server: str | None, values: Mapping[str, Any]) -> str:
    """Return a cell that runs a workflow with these values.

    Parameters
    ----------
    source
        A path, a URL, or the name of a variable that holds the workflow.
    server
        Where to run it, as ``-s`` takes it, or None.
    values
        Parameter name → value.
    """
    line = " ".join(["%%comfy", _word(str(source)), *(["-s", _word(server)] if server else [])])
    body = "\n".join(f"{name} = {_literal(value)}" for name, value in values.items())
    if values and not _reads_back(body, values):
        body = _mapping(values)
    if not values:
        return f"%comfy run {line.removeprefix('%%comfy ')}"
    return f"{line}\n{body}"


def call(source: Any, server: str | None, values: Mapping[str, Any], *, variable: bool = False) -> str:
    """Return Python that does the same as :func:`cell`; ``variable`` says that ``source`` is the name of one."""
    named = str(source) if variable else _literal(str(source))
    kit = f"kit = ComfyKit({_literal(server)})" if server else "kit = ComfyKit()"
    arguments = f"{named}, {_mapping(values)}" if values else named
    return f"from comfy_notebook import ComfyKit\n\n{kit}\nresult = kit.run({arguments})"


def _mapping(values: Mapping[str, Any]) -> str:
    lines = "".join(f"{_INDENT}{_literal(name)}: {_literal(value)},\n" for name, value in values.items())
    return f"{{\n{lines}}}"


def _literal(value: Any) -> str:
    """Write a value as Python; a text of several lines as it reads."""
    if isinstance(value, PurePath | Media):
        value = str(value)
    if not isinstance(value, str) or "\\" in value or not value.replace("\n", "").isprintable():
        return repr(value)
    quotes = '"""' if "\n" in value else '"'
    text = f"{quotes}{value}{quotes}"
    return text if _evaluates_to(text, value) else repr(value)


def _evaluates_to(text: str, value: str) -> bool:
    try:
        return bool(ast.literal_eval(text) == value)
    except (SyntaxError, ValueError):
        return False


def _reads_back(body: str, values: Mapping[str, Any]) -> bool:
    """Whether a cell with this body takes exactly these values: not where a name cannot be assigned to."""
    try:
        return list(read_body(body, {}).items()) == [(name, _plain(value)) for name, value in values.items()]
    except Exception:  # noqa: BLE001 - then it is written as a mapping, which takes any name
        return False


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, PurePath | Media) else value


def _word(text: str) -> str:
    """Write a word of a magic's line: IPython expands ``{}`` and ``$`` there."""
    text = text.replace("{", "{{").replace("}", "}}").replace("$", "$$")
    return text if set(text) <= _PLAIN else f'"{text}"' if '"' not in text else f"'{text}'"

"""Finds what words on a magic's line mean: one of the notebook's variables, or a part of it, else files or URLs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART_OF = re.compile(r"(\w+)([.\[].*)?")


def meant(word: str, variables: Mapping[str, Any]) -> Any:
    """Return the variable that a word names, or the part of one (``result.images[0]``), else the word itself.

    A file of that name goes before a part of a variable: ``workflow.json`` stays a file in a notebook that has a
    variable called ``workflow``.
    """
    word = word.strip("'\"")
    match = _PART_OF.fullmatch(word)
    if not match or match[1] not in variables or not match[1].isidentifier():
        return word
    if not match[2]:
        return variables[word]
    if Path(word).exists():
        return word
    try:
        return eval(word, dict(variables))  # noqa: S307 - the user's own cell
    except Exception:  # noqa: BLE001 - it is no expression then, and the error is that there is no such file
        return word


def addresses(words: str) -> str:
    """Return one or several servers as they are set: with spaces between, without quotes and commas."""
    return " ".join(word.strip("'\",") for word in words.split())

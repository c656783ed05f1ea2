"""Texts as files carry them: in which encoding, under which label, and in how many wrappings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

Entries = Iterator[tuple[str, str]]
"""Pairs of a key, such as "prompt" or "Workflow", and its text; a later one is worth more than an earlier one."""

_LABEL = re.compile(r"(prompt|workflow)\s*:", re.IGNORECASE)
_PADDING = "\0 \t\r\n"
_MOST_WRAPPINGS = 3


def decoded(content: bytes) -> str:
    """Decode text whose encoding nobody says: UTF-8, as most write it, else Latin-1."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def labelled(text: str) -> Entries:
    """Read a text that says itself what it is: "prompt:{…}", or one JSON object with the keys in it."""
    text = text.strip(_PADDING)
    label = _LABEL.match(text)
    document = json_object(text)
    if label:
        yield label[1], text[label.end() :]
    elif document:
        try:
            yield from members(json.loads(document))
        except (ValueError, RecursionError):  # some other text
            return


def members(document: object) -> Entries:
    """Give the entries of a JSON object, each a text or JSON itself."""
    if isinstance(document, dict):
        for key in document.keys() & {"prompt", "workflow"}:
            value = document[key]
            yield key, value if isinstance(value, str) else json.dumps(value)


def json_object(text: str) -> str | None:
    """Give the text if it is meant as a JSON object, taken out of strings that it was wrapped in; else None."""
    text = text.strip(_PADDING)
    for _ in range(_MOST_WRAPPINGS):
        if not text.startswith('"'):
            break
        try:
            text = str(json.loads(text)).strip(_PADDING)
        except ValueError:
            return None
    return text if text.startswith("{") else None

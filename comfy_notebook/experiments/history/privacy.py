"""Keeps credentials out of what is recorded, wherever they may have got into: graphs, values, errors, cells."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HIDDEN = "(not kept)"
_SHORTEST = 6  # characters of a secret that is looked for everywhere; a shorter one would be found in anything
_NAMES = re.compile(
    r"(?:^|[^a-z])(?:api_?key|apikey|(?:access|auth|bearer|api|hf)_?token|token|password|passwd|secret|credentials?)$",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(?<=://)[^\s/@\"'\\]+@")
_IN_QUERY = re.compile(r"(?<=[?&])(?P<name>\w*(?:key|token|secret|password|sig|signature))=[^&\s\"'\\]+", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"""(?P<name>[\w.]*(?:api_?key|token|password|passwd|secret|credentials?)["']?\s*[:=]\s*)(?P<value>.+)""",
    re.IGNORECASE,
)


class Secrets:
    """What must not be recorded of a run: its own credentials, and whatever looks like some."""

    def __init__(self, known: Iterable[str | None]) -> None:
        self._known = frozenset(text for text in known if text)
        words = {word for text in self._known for word in (text, *re.split(r"[=;,\s\"{}:@]+", text))}
        long = sorted((word for word in words if len(word) >= _SHORTEST), key=len, reverse=True)
        self._words = [form for word in long for form in dict.fromkeys((word, json.dumps(word)[1:-1]))]

    def and_those_in(self, *mappings: Mapping[str, Any]) -> Secrets:
        """Return these and the values whose names say that they are credentials, wherever else they occur."""
        found = [
            value
            for values in mappings
            for name, value in values.items()
            if names_secret(name) and isinstance(value, str) and value != HIDDEN
        ]
        return Secrets([*self._known, *found]) if found else self

    def cleaned(self, text: str) -> str:
        """Return a text without credentials."""
        for word in self._words:
            if word in text:
                text = text.replace(word, HIDDEN)
        return _IN_QUERY.sub(rf"\g<name>={HIDDEN}", _IN_URL.sub("", text)) if "://" in text else text

    def cleaned_source(self, text: str) -> str:
        """Return source code without credentials, also of those that it spells out."""
        return _ASSIGNED.sub(rf"\g<name>{HIDDEN}", self.cleaned(text))


@lru_cache(maxsize=4096)
def names_secret(name: str) -> bool:
    """Whether an input or a parameter of this name holds a credential."""
    return bool(_NAMES.search(name))


def without_secrets(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return inputs or parameters by name, those that hold credentials hidden."""
    if not any(map(names_secret, values)):
        return values
    return {
        name: HIDDEN if names_secret(name) and isinstance(value, str) and value else value
        for name, value in values.items()
    }

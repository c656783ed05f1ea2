"""What the page does to texts when a workflow is queued: dynamic prompts, and names of files with values in them.

Source: ComfyUI frontend 1.58.1, processDynamicPrompt, applyTextReplacements and formatDate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_SPECIAL = re.compile(r"[{\\\\]|//|/\*")
_COMMENTS = re.compile(r"/\*[\s\S]*?\*/|//[^\n\r\u2028\u2029]*")
_ESCAPED = re.compile(r"\\([{}|])")
_FIELD = re.compile(r"%([^%]+)%")
_DATE = re.compile(r"dd?|MM?|hh?|mm?|ss?|yyy?y?")
_FORBIDDEN = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
_DEEPEST = 100


class NestedTooDeeplyError(ValueError):
    """A text has more braces within each other than anyone means."""


@dataclass(slots=True)
class _Frame:
    """A text that is being read: the whole prompt, or the choice that was taken for a pair of braces."""

    text: str
    at: int = 0
    result: str = ""


def resolve_prompt(text: str, choose: Callable[[list[str]], str] | None = None) -> str:
    r"""Take one at random of each ``{a|b}``, which may nest, and leave out comments: ``/* */`` and ``//``.

    ``\{``, ``\}`` and ``\|`` stand for themselves. The choice is Python's ``random``, so that ``random.seed`` makes it
    repeatable.
    """
    if not _SPECIAL.search(text):
        return text
    frames = [_Frame(_COMMENTS.sub("", text))]
    while True:
        frame = frames[-1]
        opened = _plain_part(frame)
        if opened:
            option = (choose or _at_random)(_options(frame))
            if len(frames) > _DEEPEST:
                raise NestedTooDeeplyError(f"its braces lie in each other more than {_DEEPEST} deep")
            frames.append(_Frame(_COMMENTS.sub("", option)))
            continue
        frames.pop()
        result = _ESCAPED.sub(r"\1", frame.result)
        if not frames:
            return result
        frames[-1].result += result


def _at_random(options: list[str]) -> str:
    import random

    return random.choice(options)  # noqa: S311 (nothing secret about it)


def _plain_part(frame: _Frame) -> bool:
    """Read on until a brace opens; False at the end of the text."""
    text, begin = frame.text, frame.at
    while frame.at < len(text):
        char = text[frame.at]
        if char == "{":
            frame.result += text[begin : frame.at]
            frame.at += 1
            return True
        frame.at += 2 if char == "\\" else 1
    frame.result += text[begin:]
    return False


def _options(frame: _Frame) -> list[str]:
    """Read what is between braces; one that never closes goes to the end of the text."""
    text, begin, depth = frame.text, frame.at, 0
    options: list[str] = []
    while frame.at < len(text):
        char = text[frame.at]
        frame.at += 2 if char == "\\" else 1
        if char == "{":
            depth += 1
        elif char == "}":
            if not depth:
                return [*options, text[begin : frame.at - 1]]
            depth -= 1
        elif char == "|" and not depth:
            options.append(text[begin : frame.at - 1])
            begin = frame.at
    return [*options, text[begin:]]


def replace_fields(text: str, now: datetime, lookup: Callable[[str, str], Any]) -> str:
    """Replace ``%date:yyyy-MM-dd%`` and ``%Node.widget%``; what means nothing stays, for the server to read.

    Parameters
    ----------
    lookup
        Gives the value of a node's control, or raises KeyError.
    """

    def field(match: re.Match[str]) -> str:
        node, *rest = match[1].split(".")
        if len(rest) != 1:
            return format_date(node[5:], now) if node.startswith("date:") else match[0]
        try:
            value = lookup(node, rest[0])
        except KeyError:
            return match[0]
        return match[0] if isinstance(value, list | dict) else _FORBIDDEN.sub("_", as_text(value))

    return _FIELD.sub(field, text)


def format_date(pattern: str, now: datetime) -> str:
    """Write a date as the page does: d, M, h, m, s, doubled for two digits, yy and yyyy."""
    parts = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}

    def part(match: re.Match[str]) -> str:
        letters = match[0]
        if letters[0] in parts:
            return str(parts[letters[0]]).zfill(len(letters))
        return {"yy": str(now.year)[2:], "yyyy": str(now.year)}.get(letters, letters)

    return _DATE.sub(part, pattern)


def as_text(value: Any) -> str:
    """Write a value as a browser does: true, 8 for 8.0, nothing for nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return str(value)

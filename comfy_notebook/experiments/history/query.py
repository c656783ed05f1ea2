"""The language of searches, read: ``fox prompt:"in the snow" cfg:7 steps:>20 -status:failed --since yesterday``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from comfy_notebook.errors import HistoryError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(
    r"""\s*(?P<minus>-)?(?:(?P<name>[^\s:"\-][^\s:"]*):(?!//))?(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s"]+))(?=\s|$)"""
)
_OPTION = re.compile(
    r"""\s*--(?P<name>[a-z]+)(?:\s+|=)(?:"(?P<quoted>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"']+))"""
)
_COMPARED = re.compile(r"(?P<sign><=|>=|<|>|=)?(?P<value>.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE)
OPTIONS = ("since", "until", "limit")
_HINT = (
    'Words are looked for everywhere, "some words" as they stand, field:value in a field; - before one leaves out what '
    "it finds. --since, --until and --limit take a value."
)


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that is looked for.

    Attributes
    ----------
    name
        The field, in lower case where it is ours; "" for any text.
    text
        What is looked for, without quotes.
    exact
        Whether it was quoted.
    negative
        Whether what has it is left out.
    """

    name: str
    text: str
    exact: bool = False
    negative: bool = False

    def __str__(self) -> str:
        return f"{'-' if self.negative else ''}{f'{self.name}:' if self.name else ''}{self.text}"


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for, all of it."""

    terms: tuple[Term, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two, which count with it if ``closed``; None where there is no bound."""

    low: float | None
    high: float | None
    closed: bool = True


def read_query(text: str) -> Query:
    """Read what a user is looking for; HistoryError if it cannot be read."""
    terms, options, place = [], {}, 0
    text = text.rstrip()
    while place < len(text):
        if option := _OPTION.match(text, place):
            if option["name"] not in OPTIONS:
                break
            options[option["name"]] = next(filter(None, (option["quoted"], option["single"], option["bare"])), "")
            place = option.end()
            continue
        token = None if text[place:].lstrip().startswith("--") else _TOKEN.match(text, place)
        if token is None:
            break
        exact = token["quoted"] is not None
        said = re.sub(r"\\(.)", r"\1", token["quoted"]) if exact else token["bare"]
        terms.append(Term(token["name"] or "", said, exact, bool(token["minus"])))
        place = token.end()
    if place < len(text):
        raise HistoryError(f"This cannot be read as a search: {text[place:].strip()}", hint=_HINT)
    return Query(tuple(terms), options)


def number(text: str) -> int | float | None:
    """Return the number that a text is; None if it is none."""
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def range_of(term: Term) -> Range | None:
    """Return the range of numbers that is looked for: ``>20``, ``<=4``, ``20..30``; None if it is none."""
    if term.exact:
        return None
    low, dots, high = term.text.partition("..")
    if dots and (not low or number(low) is not None) and (not high or number(high) is not None) and (low or high):
        return Range(number(low) if low else None, number(high) if high else None)
    match = _COMPARED.match(term.text)
    sign = match["sign"] if match else None
    if match is None or sign in (None, "="):
        return None
    bound = number(match["value"].strip())
    if bound is None:
        raise HistoryError(f"{term}: {match['value'] or 'nothing'} is no number to compare with.")
    return Range(bound if ">" in sign else None, bound if "<" in sign else None, "=" in sign)


def pattern(text: str, *, within: bool) -> str:
    """Return a text as a pattern for SQL's LIKE, in which ``*`` stands for anything; ``within``: anywhere."""
    escaped = re.sub(r"([\\%_])", r"\\\1", text).replace("*", "%")
    return f"%{escaped}%" if within else escaped

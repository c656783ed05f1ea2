"""Searches: what a user looks for, as a condition of SQL."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import HistoryError
from comfy_notebook.experiments.history.description import SEED
from comfy_notebook.experiments.history.encoding import spaced
from comfy_notebook.experiments.history.moments import since, until
from comfy_notebook.experiments.history.programs import living
from comfy_notebook.experiments.history.query import number, pattern, range_of, read_query
from comfy_notebook.experiments.history.records import UNFINISHED
from comfy_notebook.experiments.history.writing import RUNNING
from comfy_notebook.results import CANCELLED, COMPLETED, FAILED

if TYPE_CHECKING:
    from collections.abc import Callable

    from comfy_notebook.experiments.history.moments import Moment
    from comfy_notebook.experiments.history.query import Term
    from comfy_notebook.experiments.history.store import Store

STATUSES = (COMPLETED, FAILED, CANCELLED, RUNNING, UNFINISHED)
_LIKE = {
    **{
        name: f"origin IN (SELECT id FROM origins WHERE {column} LIKE ? ESCAPE '\\')"  # noqa: S608
        for name, column in (("workflow", "name"), ("server", "server"), ("notebook", "notebook"))
    },
    "tag": "runs.id IN (SELECT run FROM tags WHERE tag LIKE ? ESCAPE '\\')",
    "error": "(status <> 'completed' AND error LIKE ? ESCAPE '\\')",  # so that none of the completed is read
}
FIELDS = ("prompt", "status", *_LIKE, "starred", "seed")
_TRUTHS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


@dataclass(slots=True)
class Condition:
    """A condition on runs, and the values in it."""

    parts: list[str] = field(default_factory=list)
    given: list[Any] = field(default_factory=list)

    def add(self, part: str, *values: Any) -> None:
        """Add what has to hold, too."""
        self.parts.append(part)
        self.given += values

    @property
    def where(self) -> str:
        """The clause, "" if anything will do."""
        return f"WHERE {' AND '.join(self.parts)}" if self.parts else ""


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for, and the most to find; None for all."""

    condition: Condition
    limit: int | None


def searched(
    store: Store, query: str, since_when: Moment | None, until_when: Moment | None, limit: int | None
) -> Search:
    """Read a search; the arguments go before its options. HistoryError if it cannot be done."""
    read = read_query(query)
    condition = Condition()
    _within(condition, "began >= ?", since, since_when, read.options.get("since"))
    _within(condition, "began < ?", until, until_when, read.options.get("until"))
    indexed = _index_terms(condition, read.terms) if store.indexed else set()
    for term in read.terms:
        if term not in indexed:
            _add(condition, term, store)
    return Search(condition, _limit(read.options["limit"]) if "limit" in read.options else limit)


def parameter_names(store: Store) -> list[str]:
    """Return the last parts of all parameters' names, of all runs: each found by a jump in the index."""
    names: set[str] = set()
    for table in ("settings", "defaults"):
        rows = store.read(
            f"WITH RECURSIVE found(last) AS (SELECT min(leaf) FROM {table} UNION ALL "  # noqa: S608
            f"SELECT (SELECT min(leaf) FROM {table} WHERE leaf > found.last) FROM found WHERE found.last NOT NULL) "
            "SELECT last FROM found WHERE last NOT NULL"
        )
        names.update(row["last"] for row in rows)
    return sorted(names)


def _limit(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise HistoryError(f"--limit: {text!r} is no number of runs.")
    return int(text)


def _within(
    condition: Condition, part: str, read: Callable[[Moment], float], given: Moment | None, option: str | None
) -> None:
    moment = option if given is None else given
    if moment is not None:
        condition.add(part, read(moment))


# -- texts ---------------------------------------------------------------------------------------------


def _index_terms(condition: Condition, terms: tuple[Term, ...]) -> set[Term]:
    """Look for all words at once in the full-text index; return those that it can find."""
    found = {term for term in terms if term.name in ("", "prompt") and _indexable(term.text)}
    wanted = " AND ".join(_matching(term) for term in terms if term in found and not term.negative)
    unwanted = " OR ".join(_matching(term) for term in terms if term in found and term.negative)
    if wanted:
        condition.add("runs.id IN (SELECT rowid FROM found WHERE found MATCH ?)", wanted)
    if unwanted:
        condition.add("runs.id NOT IN (SELECT rowid FROM found WHERE found MATCH ?)", unwanted)
    return found


def _indexable(text: str) -> bool:
    return any(character.isalnum() for character in text) and "*" not in text.rstrip("*")


def _matching(term: Term) -> str:
    words = spaced(term.text.strip("*")).replace('"', '""')
    phrase = f'"{words}"' if term.exact else f'"{words}" *'
    return f"({'prompt : ' if term.name == 'prompt' else ''}{phrase})"


# -- fields --------------------------------------------------------------------------------------------


def _add(condition: Condition, term: Term, store: Store) -> None:
    part, values = _part(term, store)
    condition.add(f"NOT coalesce({part}, 0)" if term.negative else part, *values)


def _part(term: Term, store: Store) -> tuple[str, list[Any]]:
    name, text = term.name.lower(), term.text
    if name in ("", "prompt"):
        return _in_texts("prompt" if name else "prompt || char(10) || words", text)
    if name == "status":
        return _status(text.lower(), store)
    if name == "starred":
        return _starred(text.lower())
    if name in _LIKE:
        return _LIKE[name], [pattern(text, within=name != "tag")]
    return _parameter(term, store)


def _in_texts(column: str, text: str) -> tuple[str, list[Any]]:
    """Look for what the index does not find: stars within words, signs alone; and all, where there is no index."""
    like = f"{column} LIKE ? ESCAPE '\\'"
    return f"runs.id IN (SELECT id FROM texts WHERE {like})", [pattern(spaced(text), within=True)]  # noqa: S608


def _status(status: str, store: Store) -> tuple[str, list[Any]]:
    if status not in STATUSES:
        raise HistoryError(f"status:{status}: there is no such status.", hint=f"There are {', '.join(STATUSES)}.")
    if status not in (RUNNING, UNFINISHED):
        return "status = ?", [status]
    lives = "coalesce(program, 0) IN (SELECT value FROM json_each(?))"
    return f"(status = 'running' AND {'' if status == RUNNING else 'NOT '}{lives})", [json.dumps(list(living(store)))]


def _starred(text: str) -> tuple[str, list[Any]]:
    if text not in _TRUTHS:
        raise HistoryError(f"starred:{text}: it is yes or no.")
    return "starred = ?", [_TRUTHS[text]]


def _parameter(term: Term, store: Store) -> tuple[str, list[Any]]:
    """Look for a parameter's value: the run's, else its workflow's."""
    leaf = term.name.rpartition(".")[2]
    named, names = ("leaf = ?", [leaf]) if leaf == term.name else ("leaf = ? AND name = ?", [leaf, term.name])
    if not _exists(store, named, names):  # it may be a seed of another name, all of which have one leaf
        named, names = "leaf = ? AND name = ?", [SEED, term.name]
        if not _exists(store, named, names):
            _refuse(term, store)
    compared, values = _compared(term)
    part = f"runs.id IN (SELECT run FROM settings WHERE {named} AND {compared})"  # noqa: S608
    whole = [*names, *values]
    rows = store.read(f"SELECT workflow, name FROM defaults WHERE {named} AND {compared}", whole)  # noqa: S608
    workflows: dict[str, list[int]] = {}
    for row in rows:
        workflows.setdefault(row["name"], []).append(row["workflow"])
    for name, numbers in workflows.items():
        part += (
            " OR (workflow IN (SELECT value FROM json_each(?)) "
            "AND NOT EXISTS (SELECT 1 FROM settings WHERE run = runs.id AND settings.name = ?))"
        )
        whole += [json.dumps(numbers), name]
    return f"({part})", whole


def _compared(term: Term) -> tuple[str, list[Any]]:
    among = range_of(term)
    if among is not None:
        equal = "=" if among.closed else ""
        bounds = [(f"value >{equal} ?", among.low), (f"value <{equal} ?", among.high)]
        given = [(part, bound) for part, bound in bounds if bound is not None]
        return " AND ".join([*(part for part, _ in given), "value < ''"]), [bound for _, bound in given]  # no texts
    text = term.text.removeprefix("=") if not term.exact else term.text
    if "*" in text and not term.exact:
        return "value LIKE ? ESCAPE '\\'", [pattern(text, within=False)]
    same: list[Any] = [text]
    if (value := number(text)) is not None and not term.exact and abs(value) < 2**63:
        same.append(value)
    if text.lower() in ("true", "false"):
        same.append(int(text.lower() == "true"))
    return f"value IN ({', '.join('?' * len(same))})", same


def _exists(store: Store, named: str, names: list[str]) -> bool:
    return any(
        store.read(f"SELECT 1 FROM {table} WHERE {named} LIMIT 1", names)  # noqa: S608
        for table in ("settings", "defaults")
    )


def _refuse(term: Term, store: Store) -> None:
    names = parameter_names(store)
    if not names:
        return
    close = get_close_matches(term.name, [*FIELDS, *names], n=3)
    meant = f"Did you mean {' or '.join(close)}? " if close else ""
    raise HistoryError(
        f"{term.name}: no run has such a parameter, and it is no field of the history.",
        hint=f"{meant}The fields are {', '.join(FIELDS)}, and every parameter's name.",
    )

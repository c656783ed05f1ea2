"""What a table of recorded runs says of each: in HTML and in text the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from comfy_notebook.experiments.history.history import History
from comfy_notebook.experiments.history.records import Record, RecordList
from comfy_notebook.notebook.overview import short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from comfy_notebook.experiments.history.reading import Look

SHOWN = 50
_PARAMS, _VALUE_WIDTH, _ERROR_WIDTH = 5, 24, 160
_PROMPT_WIDTH, _WORKFLOW_WIDTH = 180, 60
MARKS = {"completed": "✓", "failed": "✗", "cancelled": "■", "running": "▶", "unfinished": "?"}


class Row(NamedTuple):
    """One run."""

    place: str
    when: str
    prompt: str
    workflow: str
    params: str
    status: str
    duration: str
    note: str
    tags: str
    look: Look


@dataclass(frozen=True, slots=True)
class Runs:
    """A table of runs, the newest first, and a line above it."""

    headline: str
    rows: list[Row]


def recorded_html(shown: History | RecordList | Record) -> str:
    """Return the history, or recorded runs, as HTML."""
    from comfy_notebook.notebook.html.history import runs_html

    return runs_html(runs_of(shown))


def recorded_text(shown: History | RecordList | Record) -> str:
    """Return the history, or recorded runs, as text."""
    from comfy_notebook.notebook.text import runs_text

    return runs_text(runs_of(shown))


def runs_of(shown: History | RecordList | Record) -> Runs:
    """Return what to say of the history, or of recorded runs."""
    if isinstance(shown, History):
        return _runs(shown[-SHOWN:], f"{len(shown):,}")
    if isinstance(shown, Record):
        return Runs("", _rows(RecordList([shown])))
    return _runs(shown[-SHOWN:], f"{len(shown):,}{' or more' if shown.limited else ''}")


def _runs(newest: RecordList, count: str) -> Runs:
    more = f", the newest {len(newest)} of them here" if count != str(len(newest)) else ""
    return Runs(f"{count} run{'s' if count != '1' else ''}{more}", _rows(newest))


def _rows(records: RecordList) -> list[Row]:
    telling = _telling(records)
    looks = records.looks()
    rows = [
        Row(
            f"[{place - len(records)}]",
            f"{record.when:%Y-%m-%d %H:%M}",
            short(record.prompt, _PROMPT_WIDTH),
            short(record.workflow, _WORKFLOW_WIDTH),
            _params(record, telling[record.digest]),
            f"{MARKS.get(record.status, '')} {record.status}",
            _time(record),
            short(record.error.message, _ERROR_WIDTH) if record.error else "",
            " ".join([*(["★"] if record.starred else []), *record.tags]),
            look,
        )
        for place, (record, look) in enumerate(zip(records, looks, strict=True))
    ]
    return rows[::-1]


def _time(record: Record) -> str:
    """Say how long the server worked on it, or else how long it took."""
    seconds = record.duration if record.seconds is None else record.seconds
    return "" if seconds is None else f"{seconds:.1f} s"


def _telling(records: Sequence[Record]) -> dict[str | None, set[str]]:
    """Return, by workflow, the parameters that tell its runs apart; all, where there is one."""
    groups: dict[str | None, list[Mapping[str, Any]]] = {}
    for record in records:
        groups.setdefault(record.digest, []).append(record.params)
    return {digest: _different(params) for digest, params in groups.items()}


def _different(params: Sequence[Mapping[str, Any]]) -> set[str]:
    names = {name for values in params for name in values}
    if len(params) == 1:
        return names
    return {name for name in names if len({repr(values.get(name)) for values in params}) > 1}


def _params(record: Record, telling: set[str]) -> str:
    """Say the seeds, and the parameters that tell; the prompt is said beside."""
    shown = record.seeds | {
        name: value
        for name, value in record.params.items()
        if name in telling and value != record.prompt and not (isinstance(value, str) and "prompt" in name)
    }
    said = [f"{name} {short(value, _VALUE_WIDTH)}" for name, value in list(shown.items())[:_PARAMS]]
    return " · ".join([*said, *(["…"] if len(shown) > _PARAMS else [])])

"""A run out of someone's export, held against what a history holds: what does not fit is refused."""

from __future__ import annotations

import json
import math
import re
import zlib
from dataclasses import dataclass
from typing import Any

from comfy_notebook.experiments.history.description import Setting
from comfy_notebook.experiments.history.writing import RUNNING
from comfy_notebook.results import CANCELLED, COMPLETED, FAILED

DIGEST = re.compile(r"[0-9a-f]{64}")
_ADDRESS = re.compile(r"(?:https?://\S+|embedded|)")
_LATEST = 4e9  # seconds since 1970
_FILE_TEXTS = 7
_KINDS = ("image", "video", "audio", "file")
_ERROR_TEXTS = ("kind", "message", "hint", "node_id", "title", "class_type", "exception_type", "traceback")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A run that may be taken in; ``columns``, ``origin`` and ``files`` are as the tables have them."""

    columns: tuple[Any, ...]
    origin: tuple[str, str, str, str]
    digest: str | None
    words: str
    outputs: bytes | None
    said: bytes | None
    settings: list[Setting]
    labels: dict[str, str]
    tags: list[str]
    files: list[list[Any]]


def checked(told: dict[str, Any]) -> Incoming:
    """Return a run as it may be taken in; KeyError, TypeError or ValueError if it is none."""
    status = told["status"]
    _require(status in (COMPLETED, FAILED, CANCELLED, RUNNING), "a status")
    _require(_ADDRESS.fullmatch(_text(told["address"])) is not None, "an address")
    digest = told["digest"]
    _require(digest is None or DIGEST.fullmatch(_text(digest)) is not None, "a digest")
    columns = (
        _text(told["run_id"]),
        _text_or_none(told["prompt_id"]),
        _seconds(told["began"]),
        None if told["ended"] is None else _seconds(told["ended"]),
        status,
        None if told["duration"] is None else _seconds(told["duration"]),
        None if told.get("seconds") is None else _seconds(told["seconds"]),  # earlier versions did not tell
        _text(told["prompt"]),
        _json(told["params"], _is_mapping),
        _json(told["seeds"], _is_mapping),
        _json_or_none(told["patch"], lambda patch: _is_mapping(patch) and all(map(_is_mapping, patch.values()))),
        _json_or_none(told["error"], _is_error),
        _json_or_none(told["warnings"], _is_texts),
        _json_or_none(told["cell"], _is_cell),
        bool(told["starred"]),
    )
    return Incoming(
        columns,
        (_text(told["name"]), _text(told["server"]), told["address"], _text(told["notebook"])),
        digest,
        _text(told["words"] or ""),
        _compressed(told["outputs"], _is_mapping),
        _compressed(told["said"], lambda said: isinstance(said, list) and all(_is_texts(pair, 2) for pair in said)),
        checked_settings(told["settings"]),
        {_text(key): _text(value) for key, value in told["labels"]},
        [_text(tag) for [tag] in told["tags"]],
        [_file(file) for file in told["files"]],
    )


def checked_graph(graph: Any) -> None:
    """Raise ValueError if something is no API graph."""
    _require(_is_mapping(graph), "a workflow")
    for node in graph.values():
        _require(_is_mapping(node) and isinstance(node.get("class_type"), str), "a node")
        _require(_is_mapping(node.get("inputs")), "a node's inputs")


def checked_settings(settings: Any) -> list[Setting]:
    """Return the values of parameters; TypeError or ValueError if they are none."""
    return [Setting(_text(name), _text(leaf), _scalar(value)) for name, leaf, value in settings]


def _file(file: list[Any]) -> list[Any]:
    position, kind, *texts, digest = file
    _require(isinstance(position, int) and kind in _KINDS and _is_texts(texts, _FILE_TEXTS - 1), "a file")
    _require(digest is None or DIGEST.fullmatch(_text(digest)) is not None, "a file's digest")
    return file


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"what should be {what} is none")


def _text(value: Any) -> str:
    _require(isinstance(value, str), "text")
    value.encode()  # half a pair of surrogates is none
    return str(value)


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


def _seconds(value: Any) -> float:
    _require(isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= _LATEST, "a time")
    return float(value)


def _scalar(value: Any) -> int | float | str:
    _require(isinstance(value, int | float | str), "a value")
    return int(value) if isinstance(value, bool) else value


def _json(text: Any, fits: Any) -> str:
    _require(bool(fits(json.loads(_text(text)))), "what a run has")
    return str(text)


def _json_or_none(text: Any, fits: Any) -> str | None:
    return None if text is None else _json(text, fits)


def _compressed(text: Any, fits: Any) -> bytes | None:
    return None if text is None else zlib.compress(_json(text, fits).encode(), 1)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _is_texts(value: Any, count: int | None = None) -> bool:
    return isinstance(value, list) and count in (None, len(value)) and all(isinstance(item, str) for item in value)


def _is_cell(cell: Any) -> bool:
    return _is_mapping(cell) and isinstance(cell.get("number", 0), int) and isinstance(cell.get("source", ""), str)


def _is_error(error: Any) -> bool:
    if not _is_mapping(error) or not _is_mapping(error.get("node_errors", {})):
        return False
    problems = error.get("problems", [])
    if not isinstance(problems, list) or not all(isinstance(error.get(name, ""), str) for name in _ERROR_TEXTS):
        return False
    return all(
        isinstance(problem, list) and 1 <= len(problem) <= 4 and _is_texts([part or "" for part in problem])
        for problem in problems
    )

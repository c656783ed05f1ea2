"""Completes ``%comfy`` and ``%%comfy`` with Tab: files and options on the line, parameter names in the body."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from comfy_notebook.errors import ComfyError
from comfy_notebook.notebook.commands import COMMANDS
from comfy_notebook.notebook.variables import meant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from IPython.core.completer import MatcherAPIv2, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

    from comfy_notebook.workflow.document import Workflow

# Of %%comfy; a test holds them against what it takes.
OPTIONS = (
    *("--out", "--server", "--quiet", "--no-raise", "--runs", "--background", "--timeout"),
    *("--zip", "--sample", "--yes", "--fresh"),
    *("-o", "-s", "-q", "-n", "-b", "-t"),
)
# What ComfyUI writes workflows into.
_SUFFIXES = frozenset(
    [
        ".json",
        ".png",
        ".apng",
        ".webp",
        ".jpg",
        ".jpeg",
        ".avif",
        ".mp4",
        ".webm",
        ".mov",
        ".mkv",
        ".flac",
        ".mp3",
        ".opus",
        ".ogg",
        ".m4a",
        ".svg",
        ".glb",
    ]
)
_CELL = re.compile(r"\s*%%comfy\b(.*)")
_LINE = re.compile(r"\s*%comfy\s+(.*)")
_NAME_BEGINS = re.compile(r"\s*([\w.]*)$")
_log = logging.getLogger(__name__)


class Completer:
    """Our matcher in IPython's completer, whose interface is provisional: nothing here may fail loudly."""

    def __init__(self, shell: InteractiveShell, load: Callable[[Any], Workflow]) -> None:
        self._shell = shell
        self._load = load
        self._workflows: dict[Path, tuple[float, Workflow]] = {}
        self._matcher = self._make_matcher()

    def install(self) -> None:
        """Begin to complete."""
        self._shell.Completer.custom_matchers.append(self._matcher)

    def remove(self) -> None:
        """Stop completing."""
        self._shell.Completer.custom_matchers.remove(self._matcher)

    def _make_matcher(self) -> MatcherAPIv2:
        @context_matcher(identifier="comfy_notebook")
        def match(context: CompletionContext) -> SimpleMatcherResult:
            try:
                completions = list(self._completions(context))
            except Exception:  # noqa: BLE001 - whatever it is, a traceback at a press of Tab is worse
                _log.debug("completion failed", exc_info=True)
                completions = []
            on_line = context.cursor_line == 0
            return {"completions": completions, "suppress": bool(completions) and on_line}

        matcher: MatcherAPIv2 = match
        return matcher

    def _completions(self, context: CompletionContext) -> Iterator[SimpleCompletion]:
        first = context.full_text.split("\n", 1)[0]
        cell = _CELL.match(first)
        if cell and context.cursor_line > 0:
            yield from self._parameters(cell[1], context.text_until_cursor)
        elif cell:
            yield from self._arguments(context)
        elif line := _LINE.match(context.text_until_cursor):
            command, space, _ = line[1].partition(" ")
            if not space:
                yield from _beginning(context.token, tuple(filter(None, COMMANDS)), "command")
            elif command in ("run", "inspect", "form"):
                yield from self._arguments(context)
            elif command == "use":
                yield from _beginning(context.token, ("embedded", "http://127.0.0.1:8188"), "server")
            elif command == "history":
                yield from _searching(context)

    def _arguments(self, context: CompletionContext) -> Iterator[SimpleCompletion]:
        token = context.token
        before = context.text_until_cursor.removesuffix(token).split()
        if before and before[-1] in ("-s", "--server"):
            yield from _beginning(token, ("embedded",), "server")
        elif before and before[-1] in ("-o", "--out", "-n", "--runs", "-t", "--timeout", "--sample"):
            return
        elif token.startswith("-"):
            yield from _beginning(token, OPTIONS, "option")
        else:
            yield from _files(token)

    def _parameters(self, arguments: str, typed: str) -> Iterator[SimpleCompletion]:
        begins = _NAME_BEGINS.match(typed)
        workflow = self._workflow(arguments)
        if not begins or workflow is None:
            return
        for name in workflow.params:
            if name.startswith(begins[1]) and name.replace(".", "_").isidentifier():
                yield SimpleCompletion(f"{name} = ", type="param")

    def _workflow(self, arguments: str) -> Workflow | None:
        """Return the workflow that the line names; read again only if the file changed."""
        named = next((word for word in arguments.split() if not word.startswith("-")), None)
        if named is None:
            return None
        source = meant(named, self._shell.user_ns)
        try:
            if not isinstance(source, str | Path):
                return self._load(source)
            path = Path(source).expanduser()
            changed = path.stat().st_mtime
            if self._workflows.get(path, (None,))[0] != changed:
                self._workflows[path] = (changed, self._load(path))
            return self._workflows[path][1]
        except (OSError, ComfyError):  # a timeout is an OSError, too
            return None


def _searching(context: CompletionContext) -> Iterator[SimpleCompletion]:
    """Yield the fields that a search may name, and what some of them may be."""
    from comfy_notebook.experiments.history.query import OPTIONS as SEARCH_OPTIONS
    from comfy_notebook.experiments.history.search import FIELDS, STATUSES, parameter_names
    from comfy_notebook.experiments.history.store import default_store

    word = context.text_until_cursor.rpartition(" ")[2]
    if word.startswith("--"):
        return (yield from _beginning(word, tuple(f"--{name}" for name in SEARCH_OPTIONS), "option"))
    before = word.removesuffix(context.token)  # where IPython takes only the end of it for the word
    values = [*(f"status:{status}" for status in STATUSES), "starred:yes"]
    names = [f"{name}:" for name in (*FIELDS, *parameter_names(default_store()))]
    minus = "-" if word.startswith("-") else ""
    for text in dict.fromkeys(f"{minus}{text}" for text in (values if ":" in word else names)):
        if text.startswith(word):
            yield SimpleCompletion(text.removeprefix(before), type="field")


def _files(token: str) -> Iterator[SimpleCompletion]:
    """Yield folders and files that may hold a workflow, and begin with what is typed."""
    folder, _, begins = token.rpartition("/")
    place = Path(folder or ("/" if token.startswith("/") else ".")).expanduser()
    prefix = f"{folder}/" if "/" in token else ""
    for entry in sorted(place.iterdir()) if place.is_dir() else ():
        hidden = entry.name.startswith(".") and not begins.startswith(".")
        if entry.name.startswith(begins) and not hidden and (entry.is_dir() or entry.suffix.lower() in _SUFFIXES):
            yield SimpleCompletion(f"{prefix}{entry.name}{'/' if entry.is_dir() else ''}", type="path")


def _beginning(token: str, words: tuple[str, ...], kind: str) -> Iterator[SimpleCompletion]:
    for word in words:
        if word.startswith(token):
            yield SimpleCompletion(word, type=kind)

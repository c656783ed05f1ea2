"""Reads a workflow from wherever it is: a file, a URL, JSON text, or a dict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from comfy_notebook.errors import Problem, WorkflowError
from comfy_notebook.workflow.document import Graph, Workflow

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST = 64 * 1024 * 1024
_FETCH_SECONDS = 30.0
_SAVE_API = "In ComfyUI, open it and choose Workflow > Export (API), then use the file that this saves."


def load(source: str | Path | Mapping[str, Any] | Workflow) -> Workflow:
    """Read a workflow.

    Parameters
    ----------
    source
        A path, an http(s) URL, the JSON text itself, or the graph as a dict, in ComfyUI's API format.

    Returns
    -------
    Workflow
        With nothing sent anywhere, except that a URL is fetched.

    Raises
    ------
    WorkflowError
        If it cannot be read, is not JSON, or is not a workflow in the API format.
    """
    if isinstance(source, Workflow):
        return source
    if isinstance(source, dict):
        return _workflow(source, "the workflow")
    text = str(source)
    if text.lstrip()[:1] in ("{", "["):
        return _workflow(_parse(text, "The text"), "the workflow")
    if text.startswith(("http://", "https://")):
        name = unquote(urlsplit(text).path.rpartition("/")[2]) or "the workflow"
        return _workflow(_parse(_fetch(text), text), name)
    path = Path(text)
    return _workflow(_parse(_read(path), text), path.name)


def _read(path: Path) -> bytes:
    try:
        path = path.expanduser()
        if path.stat().st_size > _LARGEST:
            raise WorkflowError(f"{path} is larger than {_LARGEST >> 20} MB: it cannot be a workflow.")
        return path.read_bytes()
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise WorkflowError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RuntimeError) as error:  # a NUL in the name, an unknown ~user
        raise WorkflowError(f"{str(path)!r} cannot be the name of a file: {error}.") from None


def _missing(path: Path) -> WorkflowError:
    if str(path).isdigit():
        return WorkflowError(
            f"There is no file {path}.",
            hint="A number alone is a RunningHub workflow id; comfy_notebook runs workflows on ComfyUI servers. "
            "Download the workflow from RunningHub as API JSON and run that file.",
        )
    from difflib import get_close_matches

    folder = path.parent
    names = sorted(entry.name for entry in folder.glob("*.json")) if folder.is_dir() else []
    close = get_close_matches(path.name, names, n=3) or names[:3]
    where = "the current folder" if str(folder) == "." else str(folder)
    hint = f"JSON files in {where}: {', '.join(close)}" if close else f"Looked for it in {folder.resolve()}."
    return WorkflowError(f"There is no file {path}.", hint=hint)


def _fetch(url: str) -> bytes:
    import httpx

    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=_FETCH_SECONDS) as answer:
            answer.raise_for_status()
            content = bytearray()
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > _LARGEST:
                    raise WorkflowError(f"{url} is larger than {_LARGEST >> 20} MB: it cannot be a workflow.")
            return bytes(content)
    except httpx.HTTPStatusError as error:
        raise WorkflowError(f"{url} answered {error.response.status_code}.") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WorkflowError(f"{url} cannot be fetched: {error}.") from None


def _parse(text: str | bytes, where: str) -> Any:
    try:
        return json.loads(text)
    except UnicodeDecodeError:
        raise WorkflowError(f"{where} is not a workflow: it is not text.", hint=_SAVE_API) from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise WorkflowError(f"{where} is not JSON: {error.msg} ({place}).", hint=_SAVE_API) from None
    except RecursionError:
        raise WorkflowError(f"{where} is not a workflow: its JSON is nested too deeply.") from None


def _workflow(document: Any, name: str) -> Workflow:
    if isinstance(document, dict) and isinstance(document.get("prompt"), dict):
        document = document["prompt"]  # a whole POST /prompt body, as some tools save it
    if isinstance(document, dict) and isinstance(document.get("nodes"), list):
        raise WorkflowError(f"{name} is in the editor's own format, which a server does not run.", hint=_SAVE_API)
    if not isinstance(document, dict):
        raise WorkflowError(f"{name} is not a workflow: it holds a {type(document).__name__}, not nodes.")
    if not document:
        raise WorkflowError(f"{name} has no nodes.")
    problems = [problem for node_id, node in document.items() if (problem := _malformed(node_id, node))]
    if len(problems) == len(document):
        raise WorkflowError(f"{name} is JSON, but not a workflow: none of its entries is a node.", hint=_SAVE_API)
    if problems:
        raise WorkflowError(f"{name} has entries that are no nodes.", problems=problems)
    return Workflow(_graph(document), name)


def _malformed(node_id: str, node: Any) -> Problem | None:
    if not isinstance(node, dict):
        return Problem(f"it is a {type(node).__name__}, not a node", f"entry {node_id!r}", node_id)
    if not isinstance(node.get("class_type"), str):
        return Problem("it has no class_type", f"entry {node_id!r}", node_id)
    if not isinstance(node.get("inputs", {}), dict | None):
        return Problem("its inputs are not a mapping", f"entry {node_id!r}", node_id)
    return None


def _graph(document: Mapping[Any, Any]) -> Graph:
    """Copy what a server reads; ids become strings, as JSON has them."""
    return {str(node_id): {**node, "inputs": dict(node.get("inputs") or {})} for node_id, node in document.items()}

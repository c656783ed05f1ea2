"""Finds a workflow wherever it is: a file or a URL of JSON or of something made by ComfyUI, text, or an object.

What it finds is a :class:`Document`: JSON, still in the format in which its author kept it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from comfy_notebook.errors import WorkflowError
from comfy_notebook.media import Media
from comfy_notebook.results import ExecuteResult
from comfy_notebook.workflow.fetching import fetched
from comfy_notebook.workflow.formats import Document
from comfy_notebook.workflow.growing import growing
from comfy_notebook.workflow.saved import is_media, read_saved

if TYPE_CHECKING:
    from PIL.Image import Image

# A path, a URL, JSON text or bytes, the bytes of a media file, a result's media, a result, an open PIL image, a dict
Source: TypeAlias = "str | Path | bytes | Mapping[str, Any] | ExecuteResult | Image"

LARGEST_JSON = 64 * 1024 * 1024
_HEAD = 4096
_HINT = (
    "A workflow is a file that ComfyUI's Save or Export (API) wrote, or a picture, video or audio that ComfyUI made."
)


def read(source: Source) -> Document:
    """Read a workflow from where it is; a URL is fetched, nothing else is asked.

    Parameters
    ----------
    source
        A path; an http(s) URL; JSON text; a dict; the path, URL or content of a picture, video or audio file that
        ComfyUI made; a result's media; a result, whose graph runs again; or a PIL image opened from such a file.

    Raises
    ------
    WorkflowError
        If it cannot be read, or holds no workflow.
    MissingExtraError
        If it is a video or audio file, and PyAV is not installed.
    """
    if isinstance(source, ExecuteResult):
        return Document(source.workflow, "the result's workflow")
    if isinstance(source, Media):
        return _from_content(source.bytes(), source.filename)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_content(bytes(source), "the workflow")
    if isinstance(source, Mapping):
        return Document(dict(source), "the workflow")
    if isinstance(source, str | Path):
        return _from_words(source)
    if isinstance(getattr(source, "info", None), dict):
        return _from_picture(source)
    raise WorkflowError(f"A {type(source).__name__} is not a workflow.", hint=_HINT)


def _from_picture(picture: Image) -> Document:
    """Read what came along when Pillow opened it, else the file that it was opened from."""
    prompt, workflow = _text(picture.info.get("prompt")), _text(picture.info.get("workflow"))
    filename = getattr(picture, "filename", "")
    if prompt or workflow or not filename:
        return _from_texts(prompt, workflow, "the picture")
    return _from_words(Path(filename))


def _from_words(source: str | Path) -> Document:
    text = str(source)
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return Document(parse(text, "The text"), "the workflow")
    if text.startswith(("http://", "https://")):
        with fetched(text, is_media, LARGEST_JSON) as (file, name):
            return _from_file(file, name, text)
    path = Path(text)
    return _from_file(path, path.name, text)


def _from_file(path: Path, name: str, where: str) -> Document:
    """Read a file; what it is, its first bytes tell, not its name."""
    try:
        path = path.expanduser()
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if is_media(head):
            prompt, workflow = read_saved(path, where)
            return _from_texts(prompt, workflow, name)
        if path.stat().st_size > LARGEST_JSON:
            raise WorkflowError(f"{where} is larger than {LARGEST_JSON >> 20} MB: it cannot be a workflow.", hint=_HINT)
        return Document(parse(path.read_bytes(), where), name)
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise WorkflowError(f"{where} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RuntimeError) as error:  # a NUL in the name, an unknown ~user
        raise WorkflowError(f"{where!r} cannot be the name of a file: {error}.") from None


def _from_content(content: bytes, name: str) -> Document:
    if is_media(content[:_HEAD]):
        prompt, workflow = read_saved(content, name)
        return _from_texts(prompt, workflow, name)
    return Document(parse(content, name), name)


def _from_texts(prompt: str | None, workflow: str | None, name: str) -> Document:
    """Read what ComfyUI wrote into a file: what ran, else what the editor held."""
    for text in (prompt, workflow):
        if text and isinstance(content := parse(text, f"What {name} holds"), dict) and content:
            return Document(content, name)
    raise WorkflowError(f"{name} has no workflow in it.", hint=_HINT)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def parse(text: str | bytes, where: str) -> Any:
    """Read JSON in which nothing is given twice; WorkflowError if it is not."""
    try:
        with growing():
            return json.loads(text, object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise WorkflowError(f"{where} is not a workflow: it is not text.", hint=_HINT) from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        is_page = error.doc.lstrip()[:1] == "<"
        what = "it is a web page" if is_page else f"{error.msg} ({place})"
        hint = "Use the link to the file itself: on GitHub, that of the Raw button." if is_page else _HINT
        raise WorkflowError(f"{where} is not JSON: {what}.", hint=hint) from None
    except _TwiceError as error:
        raise WorkflowError(f"{where} gives {str(error)!r} twice in one object: one of them would be lost.") from None
    except ValueError as error:  # a number with thousands of digits
        raise WorkflowError(f"{where} is not a workflow: {error}.") from None
    except RecursionError:
        raise WorkflowError(f"{where} is not a workflow: its JSON is nested too deeply.") from None


class _TwiceError(Exception):
    """A key occurs twice in one JSON object."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _TwiceError(counts.most_common(1)[0][0])
    return made


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

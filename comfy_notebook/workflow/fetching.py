"""Fetches a workflow by its URL, without any credentials, no more of it than can be a workflow."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

from comfy_notebook.errors import WorkflowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

_SECONDS = 30.0
_LARGEST_MEDIA = 1024 * 1024 * 1024


@contextmanager
def fetched(url: str, is_media: Callable[[bytes], bool], most: int) -> Iterator[tuple[Path, str]]:
    """Fetch into a file that lasts for the ``with`` block; yield its path, and the name that the URL gives it.

    Parameters
    ----------
    url
        http or https; redirects are followed.
    is_media
        Judges by its first bytes whether it is a media file, which may have up to 1 GB.
    most
        How many bytes anything else may have.

    Raises
    ------
    WorkflowError
        If it cannot be fetched, or is too large.
    """
    name = unquote(urlsplit(url).path.rpartition("/")[2]) or "the workflow"
    with tempfile.TemporaryDirectory(prefix="comfy-notebook-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "fetched"
        with path.open("wb") as file:
            _fetch(url, file, is_media, most)
        yield path, name


def _fetch(url: str, file: BinaryIO, is_media: Callable[[bytes], bool], most: int) -> None:
    import httpx

    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=_SECONDS) as answer:
            answer.raise_for_status()
            _copy(answer, file, is_media, most)
    except httpx.HTTPStatusError as error:
        raise WorkflowError(f"{url} answered {error.response.status_code}.") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WorkflowError(f"{url} cannot be fetched: {str(error) or type(error).__name__}.") from None


def _copy(answer: httpx.Response, file: BinaryIO, is_media: Callable[[bytes], bool], most: int) -> None:
    for piece in answer.iter_bytes():
        if file.tell() == 0 and is_media(piece):
            most = _LARGEST_MEDIA
        file.write(piece)
        if file.tell() > most:
            raise WorkflowError(f"{answer.url} is larger than {most >> 20} MB: it cannot be a workflow.")

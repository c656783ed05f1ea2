"""Files of results on the user's disk: written whole or not at all, and never over another one unasked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

from comfy_notebook.errors import MediaError, Problem
from comfy_notebook.filenames import fill, numbered, portable, same, stem_of, suffix_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from comfy_notebook.media import Media

_AT_ONCE = 8
_QUIET_SECONDS = 1.0  # before a progress bar appears
_OF_A_RUN = "The parameters of a run are fields of result.download(...), not of a list's."


class Draft:
    """A file in the making, beside its place to be; gone if it is not given a name.

    Parameters
    ----------
    folder
        Where it will be; OSError if nothing can be written there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / f".{uuid.uuid4().hex}.partial"
        self.file = self._path.open("xb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.file.close()
        self._path.unlink(missing_ok=True)

    def replace(self, path: Path) -> Path:
        """Take this name, also from a file that has it."""
        self.file.close()
        self._path.replace(path)
        return path

    def take(self, path: Path) -> None:
        """Take this name if it is free; FileExistsError if it is not. No one else gets it in between."""
        self.file.close()
        if os.name == "nt":
            self._path.rename(path)
            return
        try:
            os.link(self._path, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links: keep the place with an empty file
            path.open("xb").close()
            try:
                self._path.replace(path)
            except OSError:
                path.unlink()
                raise


class Names:
    """The names that are taken in one folder, by its files and by those that are on their way.

    Two that differ only in case, or in how their accents are written, are the same name: other systems take them
    for one file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._taken = {same(path.name) for path in folder.iterdir()}

    def reserve(self, name: str) -> str:
        """Take a name, or where it is taken the next one: ``a (2).png``."""
        with self._lock:
            free = next(candidate for candidate in numbered(name) if same(candidate) not in self._taken)
            self._taken.add(same(free))
        return free

    def give(self, draft: Draft, name: str) -> Path:
        """Give a draft its reserved name, or the next free one if a file has it by now."""
        candidate = name
        while True:
            try:
                draft.take(self._folder / candidate)
            except FileExistsError:
                candidate = self.reserve(name)
            else:
                return self._folder / candidate


@dataclass(frozen=True, slots=True)
class Place:
    """Where one file will go."""

    names: Names
    folder: Path
    name: str


def save(media: Media, path: str | Path) -> Path:
    """Write a file to a path, or into a folder; see :meth:`Media.save`."""
    with _draft(path) as draft:
        media.write_to(draft.file)
        return _finish(draft, media, path)


async def asave(media: Media, path: str | Path) -> Path:
    """Write a file; the awaitable twin of :func:`save`."""
    with _draft(path) as draft:
        await media.awrite_to(draft.file)
        return await asyncio.to_thread(_finish, draft, media, path)


async def download(media: Sequence[Media], folder: str | Path, pattern: str, fields: Mapping[str, Any]) -> list[Path]:
    """Write files into a folder, several at a time; see :meth:`MediaList.download`.

    Parameters
    ----------
    media, folder, pattern
        What, where, and under which names.
    fields
        What the pattern may name beyond a file's own fields.
    """
    places = await asyncio.to_thread(_places, media, folder, pattern, fields)
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Media, place: Place) -> Path:
        async with slots:
            with Draft(place.folder) as draft:
                await item.awrite_to(draft.file)
                return await asyncio.to_thread(place.names.give, draft, place.name)

    tasks = [asyncio.ensure_future(one(item, place)) for item, place in zip(media, places, strict=True)]
    try:
        await _watch(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    _report(media, tasks, folder)
    return [task.result() for task in tasks]


def _draft(path: str | Path) -> Draft:
    target = Path(path).expanduser()
    return Draft(target if target.is_dir() else target.resolve().parent)


def _finish(draft: Draft, media: Media, path: str | Path) -> Path:
    target = Path(path).expanduser()
    if target.is_dir():
        names = Names(target)
        return names.give(draft, names.reserve(portable(media.filename)))
    draft.replace(target.resolve())
    return target


def _places(media: Iterable[Media], root: str | Path, pattern: str, fields: Mapping[str, Any]) -> list[Place]:
    """Plan where each file goes, and make the folders; all names are known before anything is fetched."""
    folder = Path(root).expanduser()
    paths = [_parts(item, index, pattern, fields) for item, index in _indexed(media)]
    names: dict[str, Names] = {}
    places = []
    for *folders, name in paths:
        inside = folder.joinpath(*folders)
        inside.mkdir(parents=True, exist_ok=True)
        if not inside.resolve().is_relative_to(folder.resolve()):
            raise MediaError(f"{inside} leads out of {folder}.")
        # Folders whose names differ only in case may be one folder.
        here = names.setdefault(same(str(inside)), Names(inside))
        places.append(Place(here, inside, here.reserve(name)))
    return places


def _indexed(media: Iterable[Media]) -> Iterator[tuple[Media, int]]:
    counts: Counter[tuple[str, str]] = Counter()
    for item in media:
        yield item, counts[item.kind, item.var]
        counts[item.kind, item.var] += 1


def _parts(item: Media, index: int, pattern: str, fields: Mapping[str, Any]) -> list[str]:
    own = {
        "var": item.var,
        "index": index,
        "filename": stem_of(item.filename),
        "node_id": item.node_id,
        "kind": item.kind,
    }
    *folders, name = fill(pattern, {**fields, **own}, None if fields else _OF_A_RUN)
    suffix = suffix_of(item.filename)
    return [*folders, name if same(name).endswith(same(suffix)) else portable(f"{name}{suffix}")]


async def _watch(tasks: Sequence[asyncio.Task[Path]]) -> None:
    """Wait for all, with a progress bar if that takes a while."""
    if not tasks:
        return
    done, pending = await asyncio.wait(tasks, timeout=_QUIET_SECONDS)
    if not pending:
        return
    from tqdm import tqdm

    options = {"desc": "Downloading", "unit": "file", "leave": False, "disable": None}  # None: only where someone looks
    with tqdm(total=len(tasks), initial=len(done), file=_bar_file(), **options) as bar:
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            bar.update(len(done))


def _bar_file() -> TextIO:
    if "IPython" not in sys.modules:
        return sys.stderr
    from comfy_notebook.notebook.bar import bar_file  # as results show themselves: where there is something to show

    return bar_file()


def _report(media: Sequence[Media], tasks: Sequence[asyncio.Task[Path]], folder: str | Path) -> None:
    """Raise one error that lists what failed, if anything did."""
    problems = []
    for item, task in zip(media, tasks, strict=True):
        error = task.exception()
        if isinstance(error, MediaError | OSError):
            problems.append(Problem(_sentence(error), subject=item.filename or str(item)))
        elif error is not None:
            raise error
    if problems:
        count = f"{len(problems)} of {len(tasks)} files" if len(tasks) > 1 else "The file"
        raise MediaError(
            f"{count} could not be downloaded:",
            hint=f"The others are in {folder}." if len(problems) < len(tasks) else None,
            problems=problems,
        )


def _sentence(error: MediaError | OSError) -> str:
    return error.message if isinstance(error, MediaError) else f"{error.strerror or error}"

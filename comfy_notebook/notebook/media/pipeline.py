"""The way of a result's files to what is shown of them: fetched, made small, chosen."""

from __future__ import annotations

import hashlib
import io
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfy_notebook import settings
from comfy_notebook.errors import MediaError
from comfy_notebook.notebook.media.budget import Choice, Limits, choose, left_out
from comfy_notebook.notebook.media.encoding import Encoded
from comfy_notebook.notebook.media.memory import memory
from comfy_notebook.notebook.media.prepared import Prepared
from comfy_notebook.notebook.media.recipe import Recipe, recipe_for
from comfy_notebook.notebook.media.workers import AHEAD, WANTED, cancel, results, workers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Future

    from comfy_notebook.media import Media

_SVG = "image/svg+xml"


@dataclass(frozen=True, slots=True)
class Item:
    """A file and everything that is decided about how it is shown.

    Attributes
    ----------
    media
        The file.
    made
        What is known of it: size, duration, codec, notes.
    small
        What to show: a thumbnail, an animation, a drawing, a video's poster, a sound's waveform. None if there is
        nothing to show.
    large
        What to show on a click; None if it would show no more.
    player
        A video's or sound's content to play; None if browsers do not play it, or it is too large.
    problem
        A sentence, if there is nothing to show though there should be; else empty.
    """

    media: Media
    made: Prepared
    small: Encoded | None = None
    large: Encoded | None = None
    player: Encoded | None = None
    problem: str = ""

    @property
    def is_visual(self) -> bool:
        """Whether it is something to look at."""
        return self.media.kind in ("image", "video")


def prepare(media: Sequence[Media]) -> tuple[list[Item], str]:
    """Fetch files, make them small, and choose what of them is shown.

    Parameters
    ----------
    media
        The files of one output, all of which share its budget.

    Returns
    -------
    tuple
        The items in the same order, and a line that says what was left out, or "".
    """
    batch = _Batch(media)
    _fetch_ahead(media)
    outcomes = results([_submit(item, batch, WANTED) for item in media])
    files = [(item.kind, made) for item, (made, _) in zip(media, outcomes, strict=True)]
    choices = choose(files, _limits())
    players = iter(
        results([workers.submit(item.bytes) for item, choice in zip(media, choices, strict=True) if choice.plays])
    )
    items = [
        _item(item, made, problem, choice, next(players) if choice.plays else b"")
        for item, (made, problem), choice in zip(media, outcomes, choices, strict=True)
    ]
    return items, left_out(files, choices)


class Ahead:
    """Makes the files of a run small as soon as a node reports them; to be called on any thread.

    ``expected`` is how many pictures there will be in all, where that is known.
    """

    def __init__(self, expected: int = 0) -> None:
        self._batch = _Batch((), expected)
        self._begun: list[tuple[Media, Future[tuple[Prepared, str]]]] = []

    def __call__(self, media: Iterable[Media]) -> None:
        """Begin with these, too."""
        added = list(media)
        self._batch.add(added)
        self._begun += [(item, _submit(item, self._batch, AHEAD)) for item in added]

    def ready(self) -> list[Item]:
        """Return those that can be shown by now, in the order in which they came."""
        done = [(item, future) for item, future in self._begun if future.done() and not future.cancelled()]
        outcomes = [(item, *future.result()) for item, future in done if future.exception() is None]
        return [Item(item, made, made.small) for item, made, problem in outcomes if not problem]

    def cancel(self) -> None:
        """Leave it: nobody will see them."""
        cancel([future for _, future in self._begun])


class _Batch:
    """Files that share a budget; their number is known when the last of them is."""

    def __init__(self, media: Iterable[Media], expected: int = 0) -> None:
        self._count = 0
        self._expected = expected
        self.add(media)

    def add(self, media: Iterable[Media]) -> None:
        self._count += sum(item.kind in ("image", "video") for item in media)
        self.recipe = recipe_for(max(self._count, self._expected))


@dataclass(slots=True)
class _Job:
    batch: _Batch
    priority: int
    future: Future[tuple[Prepared, str]] | None = None
    recipe: Recipe | None = None  # once it has begun


_jobs: dict[tuple[int, str], _Job] = {}
_jobs_lock = threading.Lock()


def _submit(media: Media, batch: _Batch, priority: int) -> Future[tuple[Prepared, str]]:
    """Have a file made small, unless that is under way with the same recipe; what is wanted sooner is left alone."""
    key, job = (id(media.origin), str(media)), _Job(batch, priority)

    def work() -> tuple[Prepared, str]:
        job.recipe = batch.recipe
        try:
            return _make(media, job.recipe)
        finally:
            with _jobs_lock:
                if _jobs.get(key) is job:
                    del _jobs[key]

    with _jobs_lock:
        other = _jobs.get(key)
        if other is not None and other.future is not None:
            if other.batch is batch:  # the file is there twice
                return other.future
            waits = other.priority >= priority and other.future.cancel()
            if not waits and (other.recipe or other.batch.recipe) == batch.recipe:
                return other.future
        _jobs[key] = job
    job.future = workers.submit(work, priority)
    return job.future


def _make(media: Media, recipe: Recipe) -> tuple[Prepared, str]:
    """Return what is made of a file, and a sentence if that is nothing."""
    try:
        if media.kind == "file":  # of which its size is all there is to show
            return Prepared(_count(media)), ""
        digest = media.digest
        made = memory.get((digest, media.kind, recipe)) if digest else None
        if made is None:
            content = media.bytes()
            digest = media.digest or hashlib.sha256(content).hexdigest()
            key = (digest, media.kind, recipe)
            made = memory.get(key)
            if made is None:
                made = _made(media, content, recipe)
                memory.put(key, made)
    except MediaError as error:
        return Prepared(problem="it cannot be fetched"), str(error)
    except Exception as error:  # noqa: BLE001 - one file, and the others show
        return Prepared(
            problem="it cannot be shown"
        ), f"{media.filename} cannot be shown: {error or type(error).__name__}."
    return made, f"{media.filename}: {made.problem}." if made.problem else ""


def _count(media: Media) -> int:
    counter = _Counter()
    media.write_to(counter)
    return counter.count


class _Counter(io.BytesIO):
    """Takes a file of any size, and keeps nothing of it."""

    count = 0

    def write(self, piece: Any) -> int:
        self.count += len(piece)
        return len(piece)


def _made(media: Media, content: bytes, recipe: Recipe) -> Prepared:
    from comfy_notebook.notebook.media import pictures, players

    if media.kind == "image":
        return (pictures.drawing if media.mime == _SVG else pictures.picture)(content, recipe)
    return (players.video if media.kind == "video" else players.sound)(content, recipe)


def _item(media: Media, made: Prepared, problem: str, choice: Choice, content: bytes) -> Item:
    if not problem and media.kind == "image" and choice.small is None:
        problem = f"{media.filename} is not shown here."
    player = Encoded(content, made.plays_as, made.width, made.height) if choice.plays else None
    return Item(media, made, choice.small, choice.large, player, problem)


def _limits() -> Limits:
    return Limits(
        pictures=round(settings.PICTURES_KB.number() * 1000),
        video=round(settings.VIDEO_KB.number() * 1000),
        audio=round(settings.AUDIO_KB.number() * 1000),
        players=round(settings.PLAYERS_KB.number() * 1000),
    )


def _fetch_ahead(media: Sequence[Media]) -> None:
    """Have the files fetched while others are decoded, where their origin can do that."""
    origins: dict[int, tuple[Any, list[Media]]] = {}
    for item in media:
        if item.kind != "file" and hasattr(item.origin, "ahead"):
            origins.setdefault(id(item.origin), (item.origin, []))[1].append(item)
    for origin, items in origins.values():
        origin.ahead(items)

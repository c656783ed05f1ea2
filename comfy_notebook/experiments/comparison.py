"""Two results, or two pictures, side by side: how they were made, and how far they are from each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

from comfy_notebook.errors import MediaError, ParameterError
from comfy_notebook.experiments.metrics import Metrics, measure
from comfy_notebook.kinds import media_type
from comfy_notebook.media import InMemory, Media, MediaList, Shown
from comfy_notebook.results import ExecuteResult, ResultList, same
from comfy_notebook.workflow.files import (
    LocalFile,
    MadeFile,
    NotAFileError,
    RemoteFile,
    ResultFile,
    as_file,
    named_by_content,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL.Image import Image

    Picture: TypeAlias = Media | Image | NDArray[Any] | bytes | str | os.PathLike[str]
    Comparable: TypeAlias = ExecuteResult | ResultList | MediaList | list[Media] | Picture


class _NotGiven:
    """Stands for a parameter that one of two results does not have."""

    def __repr__(self) -> str:
        return "not given"


NOT_GIVEN = _NotGiven()


@dataclass(frozen=True)
class Pair:
    """The pictures of one place: the same output of both, and the same number in it.

    Attributes
    ----------
    name
        The output's name, with a number from the second picture on; "" where no output is known.
    a, b
        The pictures; None where one side has no such picture.
    """

    name: str
    a: Media | None
    b: Media | None

    @cached_property
    def metrics(self) -> Metrics:
        """How far they are from each other, from the originals, which are fetched."""
        if self.a is None or self.b is None:
            return Metrics(note=f"only {'B' if self.a is None else 'A'} has this picture")
        try:
            return measure(self.a.pil(), self.b.pil())
        except MediaError as error:
            return Metrics(note=error.message)


class Comparison(Shown):
    """Two results, or two pictures, side by side; from :func:`compare`. It shows itself.

    Attributes
    ----------
    a, b
        The results, or None where pictures alone are compared.
    pairs
        Their pictures, each with the other's of the same place.
    """

    def __init__(self, a: ExecuteResult | None, b: ExecuteResult | None, pairs: list[Pair]) -> None:
        self.a = a
        self.b = b
        self.pairs = pairs

    @property
    def differences(self) -> dict[str, tuple[Any, Any]]:
        """The parameters that differ: name → (value in a, value in b); ``NOT_GIVEN`` where one has none."""
        if self.a is None or self.b is None:
            return {}
        one, other = self.a.params, self.b.params
        both = {name: (one.get(name, NOT_GIVEN), other.get(name, NOT_GIVEN)) for name in {**one, **other}}
        return {name: values for name, values in both.items() if not same(*values)}

    @property
    def metrics(self) -> Metrics:
        """How far the first pair is from each other; ``pairs`` has those of all."""
        return self.pairs[0].metrics if self.pairs else Metrics(note="there are no pictures")

    def to_html(self, path: str | Path) -> Path:
        """Write a page that needs nothing else, with all originals inside.

        A file at ``path`` is replaced. Returns the path written; OSError if it cannot be.
        """
        from comfy_notebook.notebook.html.standalone import write_comparison

        return write_comparison(self, path)

    def __str__(self) -> str:
        from comfy_notebook.notebook.show import text

        return text(self)

    def __repr__(self) -> str:
        pairs, parameters = len(self.pairs), len(self.differences)
        said = f"{parameters} parameter differs" if parameters == 1 else f"{parameters} parameters differ"
        return f"<Comparison: {pairs} pair{'' if pairs == 1 else 's'}, {said}>"


def compare(a: Comparable, b: Comparable) -> Comparison:
    """Put two results, or two pictures, side by side.

    Shows them below each other's parameters that differ, and one over the other with an edge to drag; says how far
    they are from each other: mean absolute difference, PSNR and, with scikit-image, SSIM.

    Parameters
    ----------
    a, b
        Results, whose pictures are paired by output and place; lists of them; or pictures: a result's media, paths,
        URLs, bytes, PIL images, numpy arrays.

    Raises
    ------
    ParameterError
        If one is none of these.
    """
    one, other = _result(a), _result(b)
    return Comparison(one, other, _pairs(_pictures(a, one), _pictures(b, other)))


def _result(given: Comparable) -> ExecuteResult | None:
    if isinstance(given, ResultList):
        return given.joined()
    return given if isinstance(given, ExecuteResult) else None


def _pictures(given: Comparable, result: ExecuteResult | None) -> list[Media]:
    if result is not None:
        return list(result.images)
    several = given if isinstance(given, list | tuple) else [given]
    return [_picture(each) for each in several]


def _picture(given: Any) -> Media:
    """Return anything that is a picture as media."""
    try:
        file = as_file(given)
    except NotAFileError as error:
        raise ParameterError(f"compare takes results and pictures: {error}.") from None
    if isinstance(file, ResultFile | RemoteFile):
        return _media(file)
    if isinstance(file, LocalFile):
        return _held(file.read(), file.name)
    if isinstance(file, MadeFile):
        return _held(file.content, "picture")
    if file is None:
        raise ParameterError(f"compare takes results and pictures: there is no file {given}.")
    raise ParameterError("compare takes results and pictures: a picture with its mask is two.")


def _media(file: ResultFile | RemoteFile) -> Media:
    media = file.media if isinstance(file, ResultFile) else Media(file.url, filename=file.name)
    if media.kind in ("video", "audio"):
        raise ParameterError(f"compare takes results and pictures: {media.filename} is {media.mime}.")
    return media if media.kind == "image" else _held(media.bytes(), "picture")


def _held(content: bytes, name: str) -> Media:
    made = named_by_content(content)
    known = media_type(name)[0] == "image"
    named = name if known else f"{PurePath(name).stem}{PurePath(made.name).suffix.replace('.bin', '.png')}"
    return Media(f"memory:{PurePath(made.name).stem}", filename=named, origin=InMemory(content))


def _pairs(one: list[Media], other: list[Media]) -> list[Pair]:
    """Pair pictures by output and place; if there is one on either side, or no outputs are shared, by place alone."""
    left, right = _by_var(one), _by_var(other)
    if not left.keys() & right.keys() or len(one) == len(other) == 1:
        name = next(iter(left), "") if left.keys() == right.keys() else ""
        left, right = {name: one}, {name: other}
    return [pair for name in {**left, **right} for pair in _zipped(name, left.get(name, []), right.get(name, []))]


def _zipped(name: str, one: list[Media], other: list[Media]) -> Iterable[Pair]:
    for place in range(max(len(one), len(other))):
        called = " ".join(filter(None, (name, str(place + 1) if place else "")))
        yield Pair(called, one[place] if place < len(one) else None, other[place] if place < len(other) else None)


def _by_var(media: list[Media]) -> dict[str, list[Media]]:
    found: dict[str, list[Media]] = {}
    for each in media:
        found.setdefault(each.var, []).append(each)
    return found

"""What came back from a run: its state, its files and texts, and what really ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from comfy_notebook.media import MediaList, Shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from comfy_notebook.errors import ComfyError

_WAIT_SECONDS, _WAIT_PART = 1.0, 0.1  # in the queue, and of all the time: from then on it is told
COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"


@dataclass(repr=False)
class ExecuteResult(Shown):
    """What came back from a run.

    Attributes
    ----------
    status
        "completed", "failed" or "cancelled".
    msg
        A sentence that says what happened; empty only if completed.
    error
        What went wrong, with the node where it did; None if completed.
    warnings
        What a user should know though the run completed.
    prompt_id
        The run's id on the server, or None if it was never sent.
    duration
        Seconds from submit to last output, the time in the queue included; None if it was never sent.
    seconds
        How long the server worked on it, the time in the queue left out; None if that is not known.
    server
        Where it ran.
    images, videos, audios, files
        The files' URLs in the order that the server reported them; each file is in one of the lists.
    texts
        The texts in that order.
    images_by_var, videos_by_var, audios_by_var, files_by_var, texts_by_var
        The same by output name (``$output.name``), else by node id.
    outputs
        The server's raw outputs, by node id.
    params
        The values that ran, by parameter, seeds included.
    workflow
        The API graph as it was sent.
    """

    status: str
    msg: str = ""
    error: ComfyError | None = None
    warnings: list[str] = field(default_factory=list)
    prompt_id: str | None = None
    duration: float | None = None
    seconds: float | None = None
    server: str = ""
    images: MediaList = field(default_factory=MediaList)
    videos: MediaList = field(default_factory=MediaList)
    audios: MediaList = field(default_factory=MediaList)
    files: MediaList = field(default_factory=MediaList)
    texts: list[str] = field(default_factory=list)
    images_by_var: dict[str, MediaList] = field(default_factory=dict)
    videos_by_var: dict[str, MediaList] = field(default_factory=dict)
    audios_by_var: dict[str, MediaList] = field(default_factory=dict)
    files_by_var: dict[str, MediaList] = field(default_factory=dict)
    texts_by_var: dict[str, list[str]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    workflow: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def failure(cls, error: ComfyError, status: str = FAILED, **attributes: Any) -> ExecuteResult:
        """Make the result of a run that failed or was cancelled, with what is known of it."""
        return cls(status=status, msg=str(error), error=error, **attributes)

    @property
    def media(self) -> MediaList:
        """All files: images, videos, audios, then others."""
        return MediaList([*self.images, *self.videos, *self.audios, *self.files])

    def download(self, folder: str | Path, name: str = "{filename}") -> list[Path]:
        """Write all files into a folder; see :meth:`MediaList.download`.

        Parameters
        ----------
        folder
            Made if need be.
        name
            The files' names, without their suffix. Beyond a list's fields it may have ``prompt_id`` and every
            parameter of the run that is a text or a number: ``"{var}_{seed}_{index:03}"``.

        Returns
        -------
        list of Path
            Where they are, in the order of :attr:`media`.
        """
        from comfy_notebook.saving import download
        from comfy_notebook.servers.portal import portal

        return portal.wait(download(self.media, folder, name, self._fields()))

    async def adownload(self, folder: str | Path, name: str = "{filename}") -> list[Path]:
        """Write all files into a folder; the awaitable twin of :meth:`download`."""
        from comfy_notebook.saving import download
        from comfy_notebook.servers.portal import portal

        return await portal.cross(download(self.media, folder, name, self._fields()))

    def show(self, columns: int | None = None, size: int | None = None) -> None:
        """Show it here and now, laid out as wanted; as text where there is no front end.

        Parameters
        ----------
        columns
            How many pictures stand in a row; else what suits their number and shapes.
        size
            The longest side of a picture, in CSS pixels.
        """
        from comfy_notebook.notebook.show import show

        show(self, columns, size)

    def to_html(self, path: str | Path) -> Path:
        """Write a page that needs nothing else: the result as a notebook shows it, with all originals inside.

        A file at ``path`` is replaced. Returns the path written; OSError if it cannot be.
        """
        from comfy_notebook.notebook.html.standalone import write_page

        return write_page(self, path)

    def _fields(self) -> dict[str, Any]:
        plain = {name: value for name, value in self.params.items() if isinstance(value, str | int | float)}
        return {**plain, "prompt_id": self.prompt_id or ""}

    def raise_for_status(self) -> ExecuteResult:
        """Return the result if it completed, else raise its error."""
        if self.error is not None:
            raise self.error
        return self

    def counts(self) -> str:
        """Say how much came back: ``"4 images, 1 text"``."""
        kinds: Sequence[tuple[str, Sequence[Any]]] = (
            ("image", self.images),
            ("video", self.videos),
            ("audio", self.audios),
            ("text", self.texts),
            ("file", self.files),
        )
        words = [f"{len(items)} {kind}{'s' if len(items) > 1 else ''}" for kind, items in kinds if items]
        return ", ".join(words) or "no outputs"

    def timing(self) -> str:
        """Say how long it took, and how much of that it waited for others: ``"14.04 s"``; "" if it was never sent."""
        if self.duration is None:
            return ""
        waited = 0.0 if self.seconds is None else self.duration - self.seconds
        told = waited >= max(_WAIT_SECONDS, _WAIT_PART * self.duration)
        return f"{self.duration:.2f} s{f', {waited:.2f} of them in the queue' if told else ''}"

    def __str__(self) -> str:
        """Tell all of it as text: what ``print`` shows."""
        from comfy_notebook.notebook.show import text

        return text(self)

    def __repr__(self) -> str:
        return f"<ExecuteResult {self.status}: {', '.join(filter(None, [self.counts(), self.timing()]))}>"


class ResultList(Shown, list[ExecuteResult]):
    """The results of several runs of one workflow, which show themselves as one gallery."""

    @property
    def images(self) -> MediaList:
        """All pictures, run by run."""
        return MediaList(media for result in self for media in result.images)

    @property
    def media(self) -> MediaList:
        """All files, run by run."""
        return MediaList(media for result in self for media in result.media)

    @property
    def texts(self) -> list[str]:
        """All texts, run by run."""
        return [text for result in self for text in result.texts]

    @property
    def error(self) -> ComfyError | None:
        """What went wrong first; None if all completed."""
        return next((result.error for result in self if result.error is not None), None)

    def joined(self) -> ExecuteResult:
        """Return one result with everything in it: the worst status, and the parameters that all share."""
        status = next((kind for kind in (FAILED, CANCELLED) if any(each.status == kind for each in self)), COMPLETED)
        whole = ExecuteResult(status, error=self.error, msg=str(self.error or ""))
        for each in self:
            _join(whole, each)
        first = self[0] if self else whole
        whole.server, whole.workflow = first.server, first.workflow
        shared = first.params.items()
        whole.params = {
            name: value for name, value in shared if all(same(each.params.get(name), value) for each in self)
        }
        return whole


def _join(whole: ExecuteResult, part: ExecuteResult) -> None:
    for kind in ("images", "videos", "audios", "files", "texts"):
        getattr(whole, kind).extend(getattr(part, kind))
        for name, items in getattr(part, f"{kind}_by_var").items():
            getattr(whole, f"{kind}_by_var").setdefault(name, type(items)()).extend(items)
    whole.warnings += [warning for warning in part.warnings if warning not in whole.warnings]
    whole.duration = max(filter(None, (whole.duration, part.duration)), default=None)  # they were sent together
    known = [each for each in (whole.seconds, part.seconds) if each is not None]
    whole.seconds = sum(known) if known else None


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same, and of one type."""
    if type(one) is not type(other):
        return False
    alike = one == other
    return bool(alike.all()) if hasattr(alike, "all") else bool(alike)

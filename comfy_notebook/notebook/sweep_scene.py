"""What there is to see of a sweep at a moment: the faces of its runs, and the words around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_notebook.notebook.html.live import duration
from comfy_notebook.notebook.html.result import MARKS
from comfy_notebook.notebook.html.sweep import Face, Scene
from comfy_notebook.notebook.media.encoding import Encoded
from comfy_notebook.notebook.media.pipeline import Ahead, Item, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from comfy_notebook.experiments.sweeps.cells import Cell
    from comfy_notebook.experiments.sweeps.grid import Grid
    from comfy_notebook.experiments.sweeps.result import SweepResult

MOST_SHOWN = 400  # runs of a grid: all of them share what an output may take
_PREVIEW_BYTES = 60_000
_MINUTE = 60
_STEPS = 20  # in which the progress of a run is seen


class Faces:
    """The faces of a sweep's runs while it fills in: files are made small as soon as they are there."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._cells = list(grid.layout(MOST_SHOWN).cells())
        self._ahead = Ahead(len(self._cells))
        self._fed: dict[int, tuple[list[Any], list[str]]] = {}
        self._ready: dict[int, Item] = {}

    def look(self) -> None:
        """Take in what came back meanwhile."""
        for cell in self._cells:
            if cell.done and cell.number not in self._fed:
                result = cell.result
                media = self._grid.shown(result) if result is not None else []
                self._ahead(media)
                self._fed[cell.number] = (media, self._grid.texts(result) if result is not None else [])
            elif not cell.done:
                self._fed.pop(cell.number, None)  # it runs again
        self._ready = {id(item.media): item for item in self._ahead.ready()}

    def news(self) -> Any:
        """Return what is different when there is something new to see."""
        running = [(cell.number, round(_STEPS * face.fraction), face.making) for cell, face in self._running()]
        return len(self._ready), sum(cell.done for cell in self._grid.sweep.cells), running

    def now(self) -> Mapping[int, Face]:
        """Return the faces as they are."""
        faces = {cell.number: self._ended(cell) for cell in self._cells if cell.number in self._fed}
        under_way = {cell.number: face for cell, face in self._running()}
        return {cell.number: Face(cell.status) for cell in self._cells} | under_way | faces

    def cancel(self) -> None:
        """Leave it: nobody will see them."""
        self._ahead.cancel()

    def _ended(self, cell: Cell) -> Face:
        media, texts = self._fed[cell.number]
        items = [item for each in media if (item := self._ready.get(id(each))) is not None]
        result = cell.result if cell.ended != "completed" else None
        return Face(cell.status, items, texts, result.error if result is not None else None)

    def _running(self) -> Iterator[tuple[Cell, Face]]:
        for cell in self._cells:
            job = cell.job
            run = job.run if job is not None else None
            if job is not None and run is not None and run.state.started and not cell.done:
                preview = run.state.preview
                small = preview is not None and len(preview.image) <= _PREVIEW_BYTES
                making = Encoded(preview.image, preview.mime) if preview is not None and small else None
                yield cell, Face("running", making=making, fraction=job.progress)


def finished_scene(grid: Grid) -> Scene:
    """Return a sweep as it stands, with its files fetched and made small."""
    layout = grid.layout(MOST_SHOWN)
    cells = list(layout.cells())
    results = {cell.number: cell.result for cell in cells}
    shown = {number: grid.shown(result) for number, result in results.items() if result is not None}
    items, note = prepare([media for each in shown.values() for media in each])
    made = iter(items)
    faces = {}
    for cell in cells:
        result = results[cell.number]
        if result is None:
            faces[cell.number] = Face(cell.status)
            continue
        own = [next(made) for _ in shown[cell.number]]
        faces[cell.number] = Face(cell.status, own, grid.texts(result), result.error)
    return scene_of(grid, faces, [note] if note else [])


def scene_of(grid: Grid, faces: Mapping[int, Face], notes: Sequence[str] = ()) -> Scene:
    """Return a sweep as it stands, with these faces."""
    sweep = grid.sweep
    course = sweep.course
    layout = grid.layout(MOST_SHOWN)
    said = [*course.notes, *notes]
    if layout.hidden:
        said.append(
            f"{layout.hidden:,} more runs are not shown here: where(...) chooses some, to_dataframe() has all of them."
        )
    others = [name for name in grid.outputs if name != grid.output]
    if grid.output is not None and others:
        said.append(f"Shown is {grid.output}; grid(output=...) shows {', '.join(others)}.")
    return Scene(
        layout,
        faces,
        list(words_of(sweep)),
        None if sweep.done else sweep.progress,
        sweep.constant,
        said,
        course.warnings,
    )


def words_of(sweep: SweepResult) -> Iterator[str]:
    """Say how a sweep stands, part by part."""
    counts, course = sweep.counts(), sweep.course
    total = len(sweep)
    wrong = [f"{counts[status]} {status}" for status in ("failed", "cancelled") if counts[status]]
    if sweep.done:
        yield f"{MARKS.get(sweep.status, '')} {sweep.status}"
        yield f"{total} run{'s' if total != 1 else ''}"
        yield from wrong if len(wrong) > 1 or counts["completed"] else []
        yield f"{course.seconds:.1f} s" if course.seconds < _MINUTE else duration(course.seconds)
    else:
        over = sum(counts[status] for status in ("completed", "failed", "cancelled"))
        yield f"{over} of {total} runs done"
        yield from wrong
        yield duration(course.seconds)
        left = course.seconds_left(sweep.cells)
        yield f"about {duration(left)} left" if left is not None else "how long it takes is not known yet"
    yield course.server
    yield from (f"{name} {value} in all" for name, value in course.shared_seeds.items())

"""A sweep as HTML: a labelled grid of what came back, of what is in the making, and of what failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from comfy_notebook.experiments.sweeps.labels import label
from comfy_notebook.notebook.html.captions import caption, original
from comfy_notebook.notebook.html.live import bar
from comfy_notebook.notebook.html.parts import EMPTY, block, breakable, data_url, folded, page, table
from comfy_notebook.notebook.html.pictures import image
from comfy_notebook.notebook.html.players import moving_picture, sound_player
from comfy_notebook.notebook.html.result import MARKS, error_card, warning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from comfy_notebook.errors import ComfyError
    from comfy_notebook.experiments.sweeps.layout import Layout, Section
    from comfy_notebook.notebook.media.encoding import Encoded
    from comfy_notebook.notebook.media.pipeline import Item

_WIDTH = 860  # CSS pixels that a notebook's cell has beside open side bars
_GAP = 6
_LARGEST, _SMALLEST = 256, 76  # CSS pixels of a run's picture
_LABEL_CHARACTERS = 160
_WORDS = 220  # characters of a text before it is folded
_ERROR_CHARACTERS = 110
_PICTURES = 4  # of one run
_FAILURES = 50  # that are listed


@dataclass(frozen=True, slots=True)
class Face:
    """What is to be seen of one run.

    Attributes
    ----------
    status
        As a cell has it.
    items, texts
        What of it came back and is shown.
    error
        Why nothing did.
    making
        A preview of what is in the making.
    fraction
        How much of the run is done, 0 to 1.
    """

    status: str
    items: Sequence[Item] = ()
    texts: Sequence[str] = ()
    error: ComfyError | None = None
    making: Encoded | None = None
    fraction: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A sweep as it stands.

    Attributes
    ----------
    faces
        Run number → what is to be seen of it.
    words
        The line that says how it stands, part by part; the first one is its status.
    fraction
        How much of it is done, 0 to 1, while it is not over; else None.
    shared
        The values that all runs have.
    notes, warnings
        Lines of what a user may, and should, know.
    """

    layout: Layout
    faces: Mapping[int, Face]
    words: Sequence[str]
    fraction: float | None = None
    shared: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()


def sweep_html(scene: Scene) -> str:
    """Return a sweep as a self-contained piece of HTML."""
    side = _side(scene)
    return page(
        *map(warning, scene.warnings),
        _head(scene) if scene.fraction is not None else EMPTY,
        *(_section(section, scene, side) for section in scene.layout.sections),
        _foot(scene),
    )


def _head(scene: Scene) -> Markup:
    first, *rest = scene.words
    return Markup(
        '<div style="max-width:640px;margin-bottom:8px">{}<div style="display:flex;flex-wrap:wrap;gap:0 12px;'
        'margin-top:4px"><span style="flex:1 1 14em;min-width:0">{}</span><span class="cnb-faint">{}</span></div></div>'
    ).format(bar(scene.fraction or 0.0), breakable(first), Markup(" · ").join(map(breakable, rest)))


def _foot(scene: Scene) -> Markup:
    first, *rest = scene.words
    line = EMPTY
    if scene.fraction is None:
        line = Markup(" · ").join([Markup("<strong>{}</strong>").format(first), *map(breakable, rest)])
    notes = EMPTY.join(Markup("<div>{}</div>").format(breakable(note)) for note in scene.notes)
    return Markup('<div class="cnb-foot cnb-faint" style="margin-top:10px;padding-top:6px">{}{}{}{}</div>').format(
        line,
        notes,
        folded("The same in all runs", table({name: _shown(value) for name, value in scene.shared.items()}))
        if scene.shared
        else EMPTY,
        _failures(scene),
    )


def _failures(scene: Scene) -> Markup:
    """List what went wrong, each once, with the runs that it befell."""
    found: dict[str, list[str]] = {}
    errors: dict[str, ComfyError] = {}
    for cell in scene.layout.cells():
        error = scene.faces[cell.number].error
        if error is not None and scene.faces[cell.number].status == "failed":
            errors[str(error)] = error
            found.setdefault(str(error), []).append(_values(cell.point))
    if not errors:
        return EMPTY
    parts = [
        Markup("{}<div>{}</div>").format(error_card(error), breakable("; ".join(found[text])))
        for text, error in list(errors.items())[:_FAILURES]
    ]
    count = sum(map(len, found.values()))
    return folded(f"{count} run{'s' if count > 1 else ''} failed", EMPTY.join(parts))


def _section(section: Section, scene: Scene, side: int) -> Markup:
    body = _flow(section, scene, side) if scene.layout.flows else _table(section, scene, side)
    sheet = Markup('<div class="cnb-sheet" style="position:relative">{}</div>').format(body)
    if not section.values:
        return sheet
    return Markup(
        '<details open class="cnb-section" style="margin:10px 0 4px"><summary style="cursor:pointer">'
        "<strong>{}</strong></summary>{}</details>"
    ).format(breakable(_clipped(_values(section.values), _LABEL_CHARACTERS)), sheet)


def _table(section: Section, scene: Scene, side: int) -> Markup:
    rows, columns = scene.layout.rows, scene.layout.columns
    names = Markup('<tr><td></td><th class="cnb-axis" colspan="{}" style="text-align:left">{}</th></tr>').format(
        len(section.columns), ", ".join(columns)
    )
    heads = EMPTY.join(_heading(column, "col", side) for column in section.columns)
    first = Markup('<th class="cnb-axis" style="text-align:left">{}</th>').format(", ".join(rows))
    head = Markup('<thead>{}<tr class="cnb-heads">{}{}</tr></thead>').format(names if columns else EMPTY, first, heads)
    lines = (
        Markup("<tr>{}{}</tr>").format(
            _heading(values, "row", side),
            EMPTY.join(_place(section, (row, column), scene, side) for column in range(len(section.columns))),
        )
        for row, values in enumerate(section.rows)
    )
    return Markup(
        '<div class="cnb-scroll" style="overflow:auto;max-width:100%">'
        '<table class="cnb-cells" style="--cnb-columns:{};--cnb-most:{}px">{}<tbody>{}</tbody></table></div>'
    ).format(max(1, len(section.columns)), _room(scene, _LARGEST)[0], head, EMPTY.join(lines))


def _heading(values: Mapping[str, Any], scope: str, side: int) -> Markup:
    text = "\n".join(map(label, values.values()))
    width = side if scope == "col" else max(side, 120)
    return Markup('<th scope="{}" title="{}" style="text-align:left"><div style="max-width:{}px">{}</div></th>').format(
        scope, text, width, _label(_clipped(text, _LABEL_CHARACTERS))
    )


def _label(text: str) -> Markup:
    """Let a name break where its words do: dpmpp_2s_ancestral."""
    return Markup("_<wbr>").join(map(breakable, text.split("_")))


def _place(section: Section, place: tuple[int, int], scene: Scene, side: int) -> Markup:
    shown = (_cell(cell.point, scene.faces[cell.number], scene, side) for cell in section.places.get(place, ()))
    return Markup('<td style="vertical-align:top;text-align:left">{}</td>').format(EMPTY.join(shown))


def _flow(section: Section, scene: Scene, side: int) -> Markup:
    cells = [cell for there in section.places.values() for cell in there]
    shown = EMPTY.join(
        Markup('<div class="cnb-one" style="width:{}px;max-width:100%">{}</div>').format(
            side, _cell(cell.point, scene.faces[cell.number], scene, side)
        )
        for cell in cells
    )
    return Markup(
        '<div class="cnb-flow" style="display:flex;flex-wrap:wrap;gap:12px 8px;align-items:flex-start">{}</div>'
    ).format(shown)


def _cell(values: Mapping[str, Any], face: Face, scene: Scene, side: int) -> Markup:
    own = {name: value for name, value in values.items() if name in scene.layout.own}
    words = Markup('<div class="cnb-own" title="{}">{}</div>').format(
        _values(own), breakable(_clipped(_values(own), _LABEL_CHARACTERS))
    )
    return Markup("{}{}").format(_body(values, face, side, _room(scene, side)), words if own else EMPTY)


def _body(values: Mapping[str, Any], face: Face, side: int, room: tuple[int, int]) -> Markup:
    if face.items or face.texts:
        shown = EMPTY.join(_item(item, _values(values), side) for item in face.items[:_PICTURES])
        more = len(face.items) - _PICTURES
        left = Markup('<div class="cnb-faint">and {} more</div>').format(more) if more > 0 else EMPTY
        return Markup("{}{}{}").format(shown, left, EMPTY.join(_text(text, side) for text in face.texts))
    if face.error is not None:
        return _failure(face, side)
    return _placeholder(face, room)


def _item(item: Item, about: str, side: int) -> Markup:
    if item.problem:
        return Markup('<div class="cnb-missing cnb-faint">{}</div>').format(breakable(item.problem))
    if item.media.kind == "video":
        return moving_picture(item, *_fitted(item, side))
    if item.media.kind == "audio":
        return sound_player(item, side)
    if item.small is None:
        return Markup('<div dir="auto">{} · {}</div>').format(breakable(caption(item)), original(item))
    words = " · ".join(filter(None, (about, caption(item))))
    large = image(item.large, item.large.width, item.large.height, words) if item.large else EMPTY
    return Markup(
        '<details class="cnb-look{}"><summary style="list-style:none;cursor:pointer" title="{}">{}</summary>'
        '<figure style="margin:4px 0">{}<figcaption dir="auto">{} · {}</figcaption></figure></details>'
    ).format(
        EMPTY if item.large else " cnb-whole",
        words,
        image(item.small, *_fitted(item, side), about),
        large,
        breakable(words),
        original(item),
    )


def _fitted(item: Item, side: int) -> tuple[int, int]:
    """Return how large a picture is shown, in CSS pixels: never larger than it is."""
    small = item.small
    width = item.made.width or (small.width if small else 0) or side
    height = item.made.height or (small.height if small else 0) or side
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _text(text: str, side: int) -> Markup:
    if len(text) <= _WORDS:
        return Markup('<div class="cnb-words" dir="auto" style="white-space:pre-wrap;min-width:{}px">{}</div>').format(
            min(side, 120), breakable(text)
        )
    return Markup('<div class="cnb-words" style="min-width:{}px">{}</div>').format(
        min(side, 120), folded(f"{_clipped(text, _WORDS)} ({len(text):,} characters)", block(text))
    )


def _failure(face: Face, side: int) -> Markup:
    error = face.error
    assert error is not None  # noqa: S101 - the caller looked
    what = _clipped(error.message, _ERROR_CHARACTERS)
    mark = MARKS.get(face.status, "")
    return Markup(
        '<details class="cnb-failed" style="width:{}px;max-width:100%"><summary style="list-style:none;cursor:pointer">'
        "<strong>{} {}</strong><br>{}</summary>{}</details>"
    ).format(side, mark, face.status, breakable(what), error_card(error))


def _placeholder(face: Face, room: tuple[int, int]) -> Markup:
    """Keep the place of what is to come, and show what is in the making."""
    width, height = room
    if face.making is not None:
        making = Markup('<img src="{}" width="{}" alt="preview" style="max-width:100%;height:auto;display:block">')
        shown = making.format(data_url(face.making.content, face.making.mime), width)
    else:
        shown = Markup(
            '<div class="cnb-empty" style="width:{}px;max-width:100%;height:{}px;--cnb-shape:{:.3f};'
            'background-color:rgba(128,128,128,.12)"></div>'
        ).format(width, height, width / height)
    if face.status == "running":
        done = Markup('<div class="cnb-working" style="width:{}px;max-width:100%;margin-top:2px">{}</div>').format(
            width, bar(face.fraction)
        )
        return Markup("{}{}").format(shown, done)
    return shown


def _side(scene: Scene) -> int:
    """Return the longest side of a run's picture, in CSS pixels, so that a row fits where that is legible."""
    sections = scene.layout.sections
    if scene.layout.flows:
        count = max((sum(map(len, section.places.values())) for section in sections), default=1)
        return _between(_WIDTH // max(1, min(count, 6)) - _GAP)
    columns = max((len(section.columns) for section in sections), default=1)
    return _between((_WIDTH - 60) // max(1, columns) - _GAP)


def _room(scene: Scene, side: int) -> tuple[int, int]:
    """Return how large what is to come will be, in CSS pixels: as what is there."""
    seen = (item for face in scene.faces.values() for item in face.items[:1] if item.is_visual and item.small)
    first = next(seen, None)
    return _fitted(first, side) if first is not None else (side, side)


def _between(side: int) -> int:
    return max(_SMALLEST, min(_LARGEST, side))


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {label(value)}" for name, value in values.items())


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else label(value)


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

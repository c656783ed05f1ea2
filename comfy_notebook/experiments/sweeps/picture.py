"""A sweep as one picture with its labels, as people post them."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from comfy_notebook.errors import MediaError
from comfy_notebook.experiments.sweeps.labels import label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from PIL import Image, ImageDraw, ImageFont

    from comfy_notebook.experiments.sweeps.cells import Cell
    from comfy_notebook.experiments.sweeps.grid import Grid
    from comfy_notebook.experiments.sweeps.layout import Section
    from comfy_notebook.media import Media

    Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

_LARGEST = 8000  # pixels of the whole's longer side
_SIDE = 256  # pixels of a run's place, where there are no pictures
_PAPER, _INK, _FAINT, _EMPTY, _BAD = "#ffffff", "#1a1a1a", "#6b6b6b", "#f0f0f0", "#b3261e"
_LINES = 6  # of a label
# Where the font that comes with Pillow lacks characters: what systems have for Chinese, Japanese, Korean and others.
_FONTS = (
    "NotoSansCJK-Regular.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc", "msyh.ttc", "YuGothM.ttc", "malgun.ttf",
    "wqy-microhei.ttc", "DejaVuSans.ttf", "Arial Unicode.ttf", "arial.ttf",
)  # fmt: skip


class _Words(NamedTuple):
    """Lines of text at a place, the lines' height included."""

    lines: list[str]
    color: str
    size: int


def draw(grid: Grid, path: str | Path, size: int | None) -> Path:
    """Write the picture, and return where; OSError or ValueError if it cannot be written."""
    file = Path(path).expanduser()
    _Sheet(grid, size).picture().save(file)
    return file


class _Sheet:
    """Measures everything first, as the picture's size follows from it, and then draws it."""

    def __init__(self, grid: Grid, size: int | None) -> None:
        self._grid = grid
        self._layout = grid.layout()
        cells = list(self._layout.cells())
        shapes = [shape for cell in cells if (shape := self._shape(cell)) is not None]
        width = max((shape[0] for shape in shapes), default=_SIDE)
        height = max((shape[1] for shape in shapes), default=_SIDE)
        self._scale = self._fitting(width, height, size)
        self._width, self._height = max(24, round(width * self._scale)), max(24, round(height * self._scale))
        self._text = max(12, min(32, round(min(self._width, self._height) / 12)))
        self._gap = max(4, self._text // 3)
        self._margin = self._text
        self._jobs: list[tuple[int, int, Any]] = []
        self._right = 0

    def picture(self) -> Image.Image:
        """Return the whole."""
        from PIL import Image, ImageDraw

        bottom = self._margin
        for section in self._layout.sections:
            bottom = self._flow(section, bottom) if self._layout.flows else self._table(section, bottom)
            bottom += self._text
        bottom = self._foot(bottom)
        whole = Image.new("RGB", (self._right + self._margin, bottom + self._margin), _PAPER)
        pen = ImageDraw.Draw(whole)
        for left, top, what in self._jobs:
            if isinstance(what, _Words):
                _write(pen, left, top, what)
            else:
                self._paint(whole, pen, left, top, what)
        return whole

    # -- measuring -----------------------------------------------------------------------------------

    def _fitting(self, width: int, height: int, size: int | None) -> float:
        """Return by how much the pictures are made smaller."""
        if size is not None:
            return min(1.0, size / max(width, height))
        sections = self._layout.sections
        columns = max((len(section.columns) for section in sections), default=1)
        rows = sum(len(section.rows) for section in sections)
        if self._layout.flows:
            columns = self._to_a_row(max((len(section.places) for section in sections), default=1))
            rows = sum(math.ceil(len(section.places) / columns) for section in sections)
        return min(1.0, _LARGEST / (width * max(1, columns)), _LARGEST / (height * max(1, rows)))

    @staticmethod
    def _to_a_row(count: int) -> int:
        return max(1, min(count, math.ceil(math.sqrt(count) * 1.2)))

    def _shape(self, cell: Cell) -> tuple[int, int] | None:
        picture = self._opened(cell)
        return picture.size if picture is not None else None

    def _opened(self, cell: Cell) -> Image.Image | None:
        """Open the first picture of a run, a video's poster included; it is not decoded yet."""
        from PIL import Image

        result = cell.result
        media = (
            next((each for each in self._grid.shown(result) if each.kind in ("image", "video")), None)
            if result
            else None
        )
        if media is None:
            return None
        try:
            return Image.open(io.BytesIO(_content(media)))
        except (MediaError, OSError):
            return None

    # -- laying out ----------------------------------------------------------------------------------

    def _put(self, left: int, top: int, words: _Words) -> tuple[int, int]:
        """Place text, and return its right and bottom ends."""
        self._jobs.append((left, top, words))
        right = left + max((round(_length(line, words.size)) for line in words.lines), default=0)
        self._right = max(self._right, right)
        return right, top + len(words.lines) * _line_height(words.size)

    def _table(self, section: Section, top: int) -> int:
        top = self._title(section, top)
        rows = [self._words(_several(row), self._label_width()) for row in section.rows]
        corner = self._words(", ".join(self._layout.rows), self._label_width(), _FAINT)
        widths = [_length(line, self._text) for words in (corner, *rows) for line in words.lines]
        left = self._margin + (round(max(widths, default=0)) + self._gap * 2 if self._layout.rows else 0)
        if self._layout.columns:
            _, top = self._put(left, top, self._words(", ".join(self._layout.columns), 10 * self._width, _FAINT))
        bottom = self._put(self._margin, top, corner)[1] if self._layout.rows else top
        for column, values in enumerate(section.columns):
            words = self._words(_several(values), self._width)
            bottom = max(bottom, self._put(left + column * (self._width + self._gap), top, words)[1])
        top = bottom + self._gap
        for row, words in enumerate(rows):
            bottom = self._put(self._margin, top, words)[1] if self._layout.rows else top
            for column in range(len(section.columns)):
                x, y = left + column * (self._width + self._gap), top
                for cell in section.places.get((row, column), ()):
                    y = self._cell(cell, x, y)
                bottom = max(bottom, y)
            top = max(bottom, top + self._height) + self._gap
        return top

    def _flow(self, section: Section, top: int) -> int:
        top = self._title(section, top)
        cells = [cell for there in section.places.values() for cell in there]
        columns = self._to_a_row(len(cells))
        for start in range(0, len(cells), columns):
            bottoms = [
                self._cell(cell, self._margin + place * (self._width + self._gap), top)
                for place, cell in enumerate(cells[start : start + columns])
            ]
            top = max(bottoms) + self._gap
        return top

    def _cell(self, cell: Cell, left: int, top: int) -> int:
        """Place a run, with the values that its place does not tell, and return its lower end."""
        self._jobs.append((left, top, cell))
        self._right = max(self._right, left + self._width)
        bottom = top + self._height
        own = {name: value for name, value in cell.point.items() if name in self._layout.own}
        if not own:
            return bottom
        words = self._words("\n".join(f"{name} {label(value)}" for name, value in own.items()), self._width)
        return self._put(left, bottom + self._gap // 2, words)[1]

    def _title(self, section: Section, top: int) -> int:
        if not section.values:
            return top
        words = self._words(
            ", ".join(f"{name} {label(value)}" for name, value in section.values.items()), 6 * self._width
        )
        return self._put(self._margin, top, words)[1] + self._gap

    def _foot(self, top: int) -> int:
        """Tell below what is the same in all runs."""
        shared = [f"{name} {label(value)}" for name, value in self._grid.sweep.constant.items()]
        if not shared:
            return top - self._text
        width = max(self._right - self._margin, 3 * self._width)
        return self._put(self._margin, top, self._words(" · ".join(shared), width, _FAINT))[1]

    def _label_width(self) -> int:
        return max(self._width // 2, 8 * self._text)

    def _words(self, text: str, width: int, color: str = _INK) -> _Words:
        return _Words(_wrapped(text, width, self._text, _LINES), color, self._text)

    # -- drawing -------------------------------------------------------------------------------------

    def _paint(self, whole: Image.Image, pen: ImageDraw.ImageDraw, left: int, top: int, cell: Cell) -> None:
        picture = self._opened(cell)
        if picture is not None:
            size = [max(1, round(side * self._scale)) for side in picture.size]
            small = picture.convert("RGBA")
            small = small if small.size == tuple(size) else small.resize((size[0], size[1]))
            whole.paste(small, (left, top), small)
            return
        pen.rectangle((left, top, left + self._width - 1, top + self._height - 1), fill=_EMPTY)
        result = cell.result
        texts = self._grid.texts(result) if result is not None else []
        said = "\n".join(texts) or (result.msg if result is not None else "") or cell.status
        color = _BAD if cell.status == "failed" else _FAINT if not texts else _INK
        lines = max(1, (self._height - 2 * self._gap) // _line_height(self._text))
        words = _Words(_wrapped(said, self._width - 2 * self._gap, self._text, lines), color, self._text)
        _write(pen, left + self._gap, top + self._gap, words)


def _content(media: Media) -> bytes:
    """Return a picture's content, or that of a video's poster."""
    if media.kind == "image":
        return media.bytes()
    from comfy_notebook.notebook.media.pipeline import prepare

    (item,), _ = prepare([media])
    return item.small.content if item.small is not None else b""


def _write(pen: ImageDraw.ImageDraw, left: int, top: int, words: _Words) -> None:
    for line in words.lines:
        pen.text((left, top), line, fill=words.color, font=_font(words.size, plain=line.isascii()))
        top += _line_height(words.size)


def _several(values: Mapping[str, Any]) -> str:
    return "\n".join(map(label, values.values()))


def _wrapped(text: str, width: float, size: int, most: int) -> list[str]:
    """Break a text into lines that fit; a word that does not is broken anywhere."""
    lines: list[str] = []
    for paragraph in text[: most * 400].splitlines() or [""]:
        line = ""
        for word in _pieces(paragraph.split(" "), width, size):
            joined = f"{line} {word}" if line else word
            if line and _length(joined, size) > width:
                lines.append(line)
                line = word
            else:
                line = joined
        lines.append(line)
    return lines if len(lines) <= most else [*lines[: most - 1], f"{lines[most - 1]}…"]


def _pieces(words: Sequence[str], width: float, size: int) -> Iterable[str]:
    for word in words:
        rest = word
        while _length(rest, size) > width and len(rest) > 1:
            fits = next((end for end in range(len(rest) - 1, 1, -1) if _length(rest[:end], size) <= width), 1)
            yield rest[:fits]
            rest = rest[fits:]
        yield rest


def _length(text: str, size: int) -> float:
    return float(_font(size, plain=text.isascii()).getlength(text))


def _line_height(size: int) -> int:
    return round(size * 1.35)


@lru_cache(maxsize=16)
def _font(size: int, *, plain: bool) -> Font:
    """Return the font that comes with Pillow, or for other scripts one of the system's, if it has one."""
    from PIL import ImageFont

    for name in () if plain else _FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)

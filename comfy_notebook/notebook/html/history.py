"""Recorded runs as a table with thumbnails: static, and small enough to stay in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.notebook.html.parts import EMPTY, breakable, data_url, page, scrolled

if TYPE_CHECKING:
    from comfy_notebook.experiments.history.reading import Look
    from comfy_notebook.notebook.recorded import Row, Runs

_SIDE = 56  # CSS pixels
_THUMBNAIL_BYTES = 250_000  # of all of them together
_TITLES = ("", "", "when", "prompt", "workflow", "parameters", "status")
_CELL = Markup('<td style="text-align:left;vertical-align:top">{}</td>')


def runs_html(runs: Runs) -> str:
    """Return recorded runs as a self-contained piece of HTML."""
    head = Markup('<div style="margin:2px 0 4px"><strong>{}</strong></div>').format(runs.headline)
    return page(head if runs.headline else EMPTY, _table(runs.rows))


def _table(rows: list[Row]) -> Markup:
    if not rows:
        return EMPTY
    titles = EMPTY.join(Markup('<th style="text-align:left">{}</th>').format(title) for title in _TITLES)
    left, lines = _THUMBNAIL_BYTES, []
    for row in rows:
        left -= len(row.look.content)
        lines.append(_row(row, pictured=left >= 0))
    return scrolled(Markup('<table class="cnb-list cnb-runs"><tr>{}</tr>{}</table>').format(titles, EMPTY.join(lines)))


def _row(row: Row, *, pictured: bool) -> Markup:
    cells = (
        Markup("<code>{}</code>").format(row.place),
        _look(row.look, row.prompt, pictured=pictured),
        Markup('<span style="white-space:nowrap">{}</span>{}').format(row.when, _faint(row.tags)),
        Markup('<div style="min-width:12em">{}</div>').format(breakable(row.prompt)),
        breakable(row.workflow),
        breakable(row.params),
        Markup('<span style="white-space:nowrap">{}</span>{}').format(
            f"{row.status} {row.duration}".rstrip(), _faint(row.note)
        ),
    )
    return Markup("<tr>{}</tr>").format(EMPTY.join(map(_CELL.format, cells)))


def _faint(text: str) -> Markup:
    return Markup('<div class="cnb-faint">{}</div>').format(breakable(text)) if text else EMPTY


def _look(look: Look, prompt: str, *, pictured: bool) -> Markup:
    """Show the thumbnail, and how many files there are beside it."""
    count = sum(look.counts.values())
    if not (pictured and look.content):
        said = ", ".join(f"{number} {kind}{'s' if number > 1 else ''}" for kind, number in look.counts.items())
        return Markup('<span class="cnb-faint">{}</span>').format(said)
    scale = min(1.0, _SIDE / max(look.width, look.height, 1))
    image = Markup('<img src="{}" width="{}" height="{}" alt="{}" style="display:block">').format(
        data_url(look.content, "image/webp"),
        max(1, round(look.width * scale)),
        max(1, round(look.height * scale)),
        prompt[:80] or "the first picture",
    )
    more = Markup('<span class="cnb-faint">+{}</span>').format(count - 1) if count > 1 else EMPTY
    return Markup("{}{}").format(image, more)

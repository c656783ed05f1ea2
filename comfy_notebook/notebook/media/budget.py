"""Decides what of the things prepared fits the notebook: arithmetic alone, the same for the same things."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from comfy_notebook.notebook.media.recipe import MARKUP_BYTES, in_notebook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfy_notebook.notebook.media.encoding import Encoded
    from comfy_notebook.notebook.media.prepared import Prepared

_SHOWS_MORE = 1.3  # times a thumbnail's side


@dataclass(frozen=True, slots=True)
class Limits:
    """What an output may take: ``pictures`` in bytes of the notebook, the players' in bytes of the files."""

    pictures: int
    video: int
    audio: int
    players: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What is shown of a file; ``moves`` if ``small`` is an animation, ``plays`` if the original is in the notebook."""

    small: Encoded | None = None
    large: Encoded | None = None
    moves: bool = False
    plays: bool = False


def choose(files: Sequence[tuple[str, Prepared]], limits: Limits) -> list[Choice]:
    """Spend the budget: on thumbnails first, then on previews, then on animations; apart from that, on players.

    Parameters
    ----------
    files
        (kind, what was prepared) of each file, the kind as Media has it.
    limits
        The budget.
    """
    choices = [Choice() for _ in files]
    left = limits.pictures
    for index, (kind, made) in enumerate(files):
        times = 2 if kind == "video" and made.plays_as else 1  # a poster is in the player, and in its place
        if made.small is not None and (cost := times * _cost(made.small)) <= left:
            choices[index], left = Choice(made.small), left - cost
    for index, (_, made) in enumerate(files):
        if choices[index].small and made.large is not None and (cost := _cost(made.large)) <= left:
            choices[index], left = replace(choices[index], large=made.large), left - cost
    for index, (_, made) in enumerate(files):
        freed = _cost(choices[index].small)
        for moving in made.moving:
            if _cost(moving) <= left + freed:
                choices[index], left = Choice(moving, moves=True), left + freed - _cost(moving)
                break
    for index, plays in enumerate(_players(files, limits)):
        choices[index] = replace(choices[index], plays=plays)
    return choices


def left_out(files: Sequence[tuple[str, Prepared]], choices: Sequence[Choice]) -> str:
    """Say in a line what is not shown, or not as large or alive as it is; "" if there is nothing to say."""
    hidden = small = still = poster = 0
    for (kind, made), choice in zip(files, choices, strict=True):
        if made.problem:
            continue
        if kind == "image":
            hidden += choice.small is None
            still += bool(made.moving or _frames(made)) and not choice.moves and choice.small is not None
            small += not choice.moves and choice.large is None and _cut(made, choice.small)
        elif made.plays_as:
            poster += not choice.plays
    parts = [
        f"{count} {words[count > 1]}"
        for count, words in (
            (small, ("picture is shown as a thumbnail only", "pictures are shown as thumbnails only")),
            (still, ("animation is shown as a still", "animations are shown as stills")),
            (hidden, ("picture is not shown", "pictures are not shown")),
            (poster, ("video or sound is not included", "videos or sounds are not included")),
        )
        if count
    ]
    return f"To keep the notebook small, {_listed(parts)}." if parts else ""


def _players(files: Sequence[tuple[str, Prepared]], limits: Limits) -> list[bool]:
    most = {"video": limits.video, "audio": limits.audio}
    left, plays = limits.players, []
    for kind, made in files:
        fits = bool(made.plays_as) and made.bytes <= min(most.get(kind, 0), left)
        left -= made.bytes if fits else 0
        plays.append(fits)
    return plays


def _cost(encoded: Encoded | None) -> int:
    return in_notebook(len(encoded.content)) + MARKUP_BYTES if encoded else 0


def _frames(made: Prepared) -> bool:
    return any(note.endswith(" frames") for note in made.notes)


def _cut(made: Prepared, small: Encoded | None) -> bool:
    return small is not None and max(made.width, made.height) > _SHOWS_MORE * max(small.width, small.height) > 0


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)

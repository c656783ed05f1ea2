"""What is made of one file, whatever it is, and what the memory of it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfy_notebook.notebook.media.encoding import Encoded


@dataclass(frozen=True, slots=True)
class Prepared:
    """What there is to show of a file, before it is known what of that fits.

    Attributes
    ----------
    bytes
        The original's size.
    small, large
        A thumbnail, a video's poster or a sound's waveform; and a picture's preview, where it shows more.
    moving
        The animation, best first: the original, a smaller one. It takes the place of ``small`` and ``large``.
    width, height
        A picture's or video's size in pixels; 0 if unknown.
    seconds
        How long it plays; 0 if unknown.
    codec
        A video's or sound's, as users know it: "H.264".
    channels, rate
        A sound's, with ``rate`` in samples a second; 0 if unknown.
    plays_as
        The MIME type as which browsers play it; empty if they do not, or if it is nothing to play.
    notes
        What a user should know about it, in a few words each.
    problem
        Why there is nothing to show, to follow the file's name and a colon; empty if there is.
    """

    bytes: int = 0
    small: Encoded | None = None
    large: Encoded | None = None
    moving: tuple[Encoded, ...] = ()
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    codec: str = ""
    channels: int = 0
    rate: int = 0
    plays_as: str = ""
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def weight(self) -> int:
        """How many bytes of memory it takes."""
        parts = [part for part in (self.small, self.large, *self.moving) if part is not None]
        return 1000 + sum(len(part.content) for part in parts)

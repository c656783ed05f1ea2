"""How busy a server is, as far as that is known without asking it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Load:
    """The runs that a server has before it.

    Attributes
    ----------
    given
        Those that this process gave it as one of several, from the choice of the server to the run's end.
    others
        All others that are queued or running there, by its last word.
    """

    given: int = 0
    others: int = 0

    @property
    def length(self) -> int:
        """How many runs there are before one that came now."""
        return self.given + self.others

    def hear(self, remaining: int) -> None:
        """Take into account how many runs the server says are queued or running, everyone's together.

        What it was given and does not have yet is not told from others' runs that are over; its next word, which it
        says at each arrival, puts that right.
        """
        self.others = max(0, remaining - self.given)

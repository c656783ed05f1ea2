"""One run's way from server to server, and what is told of it when it ends or finds no server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from comfy_notebook.errors import NoServerError, ParameterError, Problem, RunLostError, ServerError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from comfy_notebook.errors import ComfyError
    from comfy_notebook.servers.following import Run
    from comfy_notebook.servers.members import Member

_DEADLY = 2  # servers that may die while they are at work on one run
_SENDS = 6  # altogether, of one run


@dataclass(eq=False, slots=True)
class Journey:
    """Where one run was.

    Attributes
    ----------
    lacking
        Servers that lack something it needs, and what.
    refusing
        Servers that were to have it and did not take it, and why.
    lost
        The servers that it was lost on, in order.
    deadly
        How many of those were at work on it.
    ready
        The run as it is for servers that have all it needs, and were looked at already.
    is_last_round
        Whether no server seems to have all, so that they are asked anew what they have and, as some nodes take more
        than they list, are left to judge by themselves.
    """

    lacking: dict[Member, ComfyError] = field(default_factory=dict)
    refusing: dict[Member, ServerError] = field(default_factory=dict)
    lost: list[Member] = field(default_factory=list)
    deadly: int = 0
    ready: dict[Member, Run] = field(default_factory=dict)
    is_last_round: bool = False

    @property
    def shut(self) -> Collection[Member]:
        """The servers that it does not go to."""
        return self.lacking.keys() | self.refusing.keys()

    @property
    def may_go_on(self) -> bool:
        """Whether it is sent once more: what ends server after server is not."""
        return self.deadly < _DEADLY and len(self.lost) < _SENDS

    def goes_round(self) -> bool:
        """Begin the last round, if there are servers that only seem to lack something; False if that was it."""
        if not self.lacking or self.is_last_round:
            return False
        self.is_last_round = True
        self.lacking.clear()
        return True

    def lose(self, member: Member, *, at_work: bool) -> None:
        """Note that it was lost there."""
        self.lost.append(member)
        self.deadly += at_work

    def story(self, end: Member) -> str:
        """Say where it was before it came to its end; "" if nowhere else."""
        before = list(dict.fromkeys(member.label for member in [*self.refusing, *self.lost]))
        return f"{' and '.join(before)} did not get this run done, so it was sent to {end.label}." if before else ""

    def reason(self, member: Member) -> ComfyError | None:
        """Return why it does not go to a server."""
        return self.lacking.get(member) or self.refusing.get(member) or member.trouble


def nobody(reasons: Mapping[str, ComfyError]) -> ComfyError:
    """Make one error of why each server, by its label, does not take a run."""
    errors = list(reasons.values())
    count = len(errors)
    if len({str(error) for error in errors}) == 1 and not isinstance(errors[0], ServerError | RunLostError):
        errors[0].hint = " ".join(filter(None, (errors[0].hint, f"It is the same on all {count} servers.")))
        return errors[0]
    problems = [problem for label, error in reasons.items() for problem in _problems(label, error)]
    if all(isinstance(error, NoServerError | RunLostError) for error in errors):
        return NoServerError(f"None of the {count} servers answers.", problems=problems)
    if all(isinstance(error, ServerError | RunLostError) for error in errors):
        return ServerError(f"None of the {count} servers takes this.", problems=problems)
    return ParameterError(f"None of the {count} servers can run this; nothing was queued.", problems=problems)


def _problems(label: str, error: ComfyError) -> Sequence[Problem]:
    """Say of which server each problem is."""
    listed = error.problems or [Problem(error.message)]
    return [
        Problem(each.message, ", ".join(filter(None, (label, each.subject))), each.node_id, each.input_name)
        for each in listed
    ]

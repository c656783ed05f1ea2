"""One family of exceptions, each with a sentence a user can act on.

::

    ComfyError
    ├── WorkflowError       the source is not a workflow that can run
    ├── ParameterError      values that the workflow or its nodes do not take
    ├── ServerError         the server answers, but not as it should
    │   └── NoServerError   nobody answers
    ├── RunError            the run began and did not complete
    │   ├── NodeError       a node raised an exception
    │   ├── RunCancelledError   the run was interrupted, or taken out of the queue
    │   ├── RunTimeoutError     it took longer than it was given
    │   ├── RunLostError        the server no longer knows the run
    │   └── WorkerError         no worker got it done, of those that were to
    ├── MediaError          a file of a result can no longer be had
    ├── HistoryError        the history of runs cannot be read or written, or is asked for what it does not have
    └── MissingExtraError   an optional part is not installed

They are values as well as exceptions: a result that is not completed holds one in ``result.error``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfy_notebook.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a workflow or a parameter.

    Attributes
    ----------
    message
        What is wrong and, where known, what to do.
    subject
        The parameter's name, or the node and input, that the message is about.
    node_id
        The node's id in the API graph, or None if no single node is meant.
    input_name
        The node's input, or None.
    """

    message: str
    subject: str | None = None
    node_id: str | None = None
    input_name: str | None = None

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}" if self.subject else self.message


class ComfyError(Exception):
    """Something that a user of comfy_notebook can do something about.

    Attributes
    ----------
    message : str
        What happened, in a sentence.
    hint : str or None
        What to do about it.
    problems : tuple of Problem
        All the single things that are wrong, where there are several.
    node_id, title, class_type : str or None
        The node where it happened: its id, its title, its class.
    exception_type : str or None
        The class of the exception that the node raised on the server.
    traceback : str
        The server's traceback, or "".
    node_errors : dict
        What the server's validation answered, node by node, as it came.
    shown : bool
        Whether a card with all of it was displayed, so that a headline will do.
    """

    node_id: str | None = None
    title: str | None = None
    class_type: str | None = None
    exception_type: str | None = None
    traceback: str = ""
    shown: bool = False

    def __init__(self, message: str, *, hint: str | None = None, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)
        self.node_errors: dict[str, Any] = {}

    def __str__(self) -> str:
        lines = [self.message, *(f"  - {problem}" for problem in self.problems)]
        if self.hint:
            lines.append(self.hint)
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy it with all it knows, but not that it was shown: that was elsewhere."""
        kept = {name: value for name, value in self.__dict__.items() if name != "shown"}
        return type(self), self.args, kept

    def _render_traceback_(self) -> list[str]:
        """Show IPython's users the sentence alone: the stack below it is not theirs."""
        return printable(f"{type(self).__name__}: {self.message if self.shown else self}").split("\n")


class WorkflowError(ComfyError):
    """The source cannot be read, or what it holds is not a workflow that can run."""


class ParameterError(ComfyError):
    """Values that the workflow or its nodes do not take; ``problems`` lists them all."""


class ServerError(ComfyError):
    """The server answers, but not as a ComfyUI should.

    ``status`` is the HTTP status code, or None if the answer was no HTTP answer at all; ``retry_after`` the seconds
    after which it asks to be tried again, or None.
    """

    status: int | None = None
    retry_after: float | None = None


class NoServerError(ServerError):
    """Nobody answers at the server's address."""


class RunError(ComfyError):
    """The run began and did not complete."""


class NodeError(RunError):
    """A node raised an exception while it ran."""

    @classmethod
    def from_message(cls, data: Mapping[str, Any], title: str | None) -> NodeError:
        """Read ComfyUI's ``execution_error`` message (protocol: WebSocket, message types).

        Parameters
        ----------
        data
            The message's data; any field may be missing.
        title
            The node's title in the workflow.
        """
        kind = str(data.get("exception_type") or "an exception")
        text = str(data.get("exception_message") or "").strip()
        class_type = str(data.get("node_type") or "") or None
        node_id = str(data.get("node_id") or "") or None
        where = describe_node(node_id, title, class_type)
        error = cls(f"{where} raised {kind}: {text}" if text else f"{where} raised {kind}.")
        error.node_id, error.title, error.class_type = node_id, title, class_type
        error.exception_type = kind
        lines = data.get("traceback")
        error.traceback = "".join(map(str, lines)) if isinstance(lines, list) else str(lines or "")
        return error


class RunCancelledError(RunError):
    """The run was interrupted, or taken out of the queue."""


class RunTimeoutError(RunError):
    """The run took longer than it was given, and was stopped."""


class RunLostError(RunError):
    """The server no longer knows the run: it was restarted, or its history was cleared.

    ``server_lost`` says whether it was the server that stopped answering or was restarted, and nobody who took the
    run away: then another server may have it.
    """

    server_lost: bool = False


class WorkerError(RunError):
    """No worker of an executor got the run done: they died, or could not begin."""


class MediaError(ComfyError):
    """A file of a result can no longer be had."""


class HistoryError(ComfyError):
    """The history of runs cannot be read or written, or is asked for what it does not have."""


class MissingExtraError(ComfyError):
    """An optional part of comfy_notebook is not installed."""


def describe_node(node_id: str | None, title: str | None, class_type: str | None) -> str:
    """Name a node as users know it, e.g. ``KSampler "Refine" (node 3)``."""
    name = class_type or "A node"
    quoted = f' "{title}"' if title and title != class_type else ""
    number = f" (node {node_id})" if node_id else ""
    return f"{name}{quoted}{number}"

"""Sends a run once, whatever becomes of the answer: what may have come is looked for before it is sent again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import NoServerError, ServerError
from comfy_notebook.servers.patience import BUSY, Patience
from comfy_notebook.servers.refusals import left_out, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from comfy_notebook.servers.following import Run
    from comfy_notebook.servers.http import Api

STRAGGLER_SECONDS = 1.0  # that a submit whose sender gave up may still take to come
_LOOKS = 4  # for it, in that time
_UNCERTAIN = frozenset({408, 429, 500, 502, 503, 504})  # after which a submit may have come all the same
_NEVER = float("inf")


async def submit(
    api: Api, run: Run, rename: Callable[[str], None], client_id: str | None, extra_data: dict[str, Any]
) -> None:
    """Send a run, until the server has accepted it.

    Parameters
    ----------
    rename
        Called if the server gives the run another id than it was sent with.
    client_id
        Whose socket its events go to; None if there is none.
    extra_data
        Goes along with it.

    Raises
    ------
    ParameterError
        If the server refuses the workflow.
    ServerError
        If it cannot be reached, or its answer is none and the run is not known to have come.
    """
    # Without a client id, a server reports no outputs of cached nodes: any id is better than none.
    body = {"prompt": run.binding.graph, "prompt_id": run.prompt_id, "client_id": client_id or run.prompt_id}
    body |= {"extra_data": extra_data} if extra_data else {}
    run.began = time.monotonic()
    answered = await _answered(api, run, body)
    if answered is None:
        run.accept()
        return
    status, answer = answered
    if status != 200:
        raise refusal(answer, run.workflow)
    run.accept()
    run.warnings += left_out(answer.get("node_errors") or {}, run.workflow)
    given = str(answer.get("prompt_id") or run.prompt_id)
    if given != run.prompt_id:  # a server before 0.3.45 chooses the id itself
        rename(given)


def may_still_come(error: ServerError) -> bool:
    """Whether a run whose submit ended with this error may yet begin, though it was looked for in vain."""
    return not isinstance(error, NoServerError) and _is_uncertain(error) and error.status not in BUSY


def _is_uncertain(error: ServerError) -> bool:
    return error.status is None or error.status in _UNCERTAIN


async def _answered(api: Api, run: Run, body: dict[str, Any]) -> tuple[int, Any] | None:
    """Return the answer to a submit, as status and content; None if only the answer was lost, and the run came."""
    attempts = Patience()
    while True:
        try:
            return await api.submit(body)
        except NoServerError:
            raise
        except ServerError as error:
            if _is_uncertain(error) and await _came(api, run, error):
                return None
            pause = attempts.pause(error.retry_after) if error.status in BUSY else None
            if pause is None:
                raise
            await asyncio.sleep(pause)


async def _came(api: Api, run: Run, error: ServerError) -> bool:
    """Whether the server has a run though its answer to the submit was none; ``error`` takes that this is not known.

    Asked more than once, as the submit may still be on its way.
    """
    looks, attempts = 1 if error.status in BUSY else _LOOKS, Patience()
    while looks:
        pause: float | None = STRAGGLER_SECONDS / _LOOKS
        try:
            run.accepted = await _knows(api, run.prompt_id)
            looks -= 1
        except ServerError:
            pause = attempts.pause()
        if run.accepted:
            return True
        if pause is None:
            error.hint = f"{error.hint or ''} Whether run {run.prompt_id} began cannot be found out.".strip()
            error.retry_after = _NEVER
            break
        await asyncio.sleep(pause)
    return False


async def _knows(api: Api, prompt_id: str) -> bool:
    """Whether the server has a run of this id, so that one with an unknown fate is not taken for unsent."""
    running, pending = await api.queue()
    queued = any(item[1] == prompt_id for item in [*running, *pending])
    return queued or await api.history(prompt_id) is not None

"""Makes a sweep ready: its workflow read, its values checked, its seeds settled, what ran earlier found again."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import ParameterError
from comfy_notebook.experiments.sweeps.cells import Cell, Results
from comfy_notebook.experiments.sweeps.checking import check, settle_seeds
from comfy_notebook.experiments.sweeps.course import Course
from comfy_notebook.experiments.sweeps.identity import cell_digests, key_of

if TYPE_CHECKING:
    from comfy_notebook.experiments.sweeps.plan import Plan
    from comfy_notebook.experiments.workers import Workers
    from comfy_notebook.kit import ComfyKit
    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.schema import Schemas

MANY = 100  # runs, above which a sweep is to be confirmed
LONG_MINUTES = 30  # the same for the time that it will take


@dataclass(frozen=True, slots=True)
class Order:
    """What a user asks for; see :func:`comfy_notebook.sweep`."""

    kit: ComfyKit
    source: Any
    plan: Plan
    timeout: float | None = None
    confirmed: bool = False
    fresh: bool = False
    workers: Workers | None = None


async def prepare(order: Order) -> Course:
    """Return a sweep that is ready to begin; nothing is queued yet. To be awaited on the portal's loop.

    Raises
    ------
    ComfyError
        If the workflow cannot be read, no server answers, values do not fit, or the sweep is large and nobody said
        that this is meant.
    """
    from comfy_notebook.experiments.sweeps.earlier import Earlier, earlier, pace  # SQLite, which a sweep alone needs

    count = len(order.plan)
    if count > MANY and not order.confirmed:
        raise _unconfirmed(f"It would be {count:,} runs")
    workflow, schemas, where = await _checked(order)
    key = await asyncio.to_thread(key_of, workflow, order.plan, where)
    digests = await asyncio.to_thread(cell_digests, workflow, order.plan)
    before = Earlier() if order.fresh else await asyncio.to_thread(earlier, key)
    plan, seeds = settle_seeds(workflow, order.plan, schemas, before.seeds)
    results = Results()
    cells = [Cell(number, plan, results, digest) for number, digest in enumerate(digests)]
    course = Course(
        order.kit.runner,
        workflow,
        plan,
        cells,
        labels={"sweep": key, "seeds": json.dumps(seeds)},
        server=where,
        timeout=order.timeout,
        seeds=seeds,
        workers=order.workers,
    )
    kept = before.give(cells)
    if kept:
        course.notes.append(f"{kept} of {count} taken from the history; fresh=True runs all anew.")
    course.expected = await asyncio.to_thread(pace, workflow, where)
    minutes = (count - kept) * (course.expected or 0) / 60
    if minutes > LONG_MINUTES and not order.confirmed:
        raise _unconfirmed(f"It would be {count - kept:,} runs, and take about {minutes:.0f} minutes")
    return course


async def _checked(order: Order) -> tuple[Workflow, Schemas, str]:
    """Read the workflow and check the plan; return it, what its servers say of its nodes, and what they are called."""
    runner, workers = order.kit.runner, order.workers
    if workers is not None:
        document = await runner.read(order.source)
        schemas = await workers.schemas(document.class_types)
        workflow = document.workflow(schemas, workers.label)
        await asyncio.to_thread(check, workflow, order.plan, schemas)
        return workflow, schemas, workers.label
    server, workflow = await runner.place(order.source)
    schemas = await runner.schemas(workflow.class_types)
    try:
        await asyncio.to_thread(check, workflow, order.plan, schemas)
    except ParameterError:  # by the kept schemas, and lists of files change
        schemas = await runner.schemas(workflow.class_types, fresh=True)
        await asyncio.to_thread(check, workflow, order.plan, schemas)
    return workflow, schemas, await runner.label(server)


def _unconfirmed(what: str) -> ParameterError:
    return ParameterError(
        f"{what}; nothing was queued.",
        hint="If that is meant, say confirm=True (in a cell: --yes). sample=50 (--sample 50) draws some at random.",
    )

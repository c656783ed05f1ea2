"""What a ``%%comfy`` cell asks for: a run, several, or a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from comfy_notebook.experiments.sweeps.varying import Vary

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from comfy_notebook.experiments.sweeps.course import Course
    from comfy_notebook.experiments.sweeps.preparing import Order as Sweep
    from comfy_notebook.kit import ComfyKit


@dataclass(frozen=True, slots=True)
class Order:
    """What a cell asks for."""

    kit: ComfyKit
    source: Any
    params: Mapping[str, Any]
    out: str | None
    quiet: bool
    no_raise: bool
    silent: bool
    timeout: float | None
    runs: int
    background: bool
    sweep: Sweep | None


def sweep_of(kit: ComfyKit, source: Any, params: Mapping[str, Any], arguments: Namespace) -> Sweep | None:
    """Read what a cell varies, with its options, as a sweep; None if it varies nothing."""
    several = {name: value for name, value in params.items() if isinstance(value, Vary)}
    options = {"--zip": arguments.zip, "--sample": arguments.sample, "--yes": arguments.yes, "--fresh": arguments.fresh}
    if not several:
        if given := [name for name, value in options.items() if value]:
            raise UsageError(f"{', '.join(given)}: nothing varies. Vary something, as in: cfg = vary(4, 7, 10)")
        return None
    if arguments.runs > 1:
        raise UsageError("-n: what varies says how many runs there are. Vary the seed, too: seed = vary(range(8))")
    from comfy_notebook.experiments.sweeps.plan import make_plan  # what sweeps alone take
    from comfy_notebook.experiments.sweeps.preparing import Order as Sweep

    fixed = {name: value for name, value in params.items() if name not in several}
    plan = make_plan(fixed, several, together=arguments.zip, sample=arguments.sample)
    return Sweep(kit, source, plan, arguments.timeout, confirmed=arguments.yes, fresh=arguments.fresh)


async def ready(sweep: Sweep | None) -> Course | None:
    """Make a sweep ready, if there is one."""
    if sweep is None:
        return None
    from comfy_notebook.experiments.sweeps.preparing import prepare

    return await prepare(sweep)

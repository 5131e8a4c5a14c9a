"""Lays out a plan for the terminal, and as JSON."""

from __future__ import annotations

import textwrap
from functools import partial
from typing import Any

from hyrec.plain_text import count, duration, table
from hyrec.studies.plan.plan import WITHIN_BUDGET, Change, Plan, PlannedVariant

_MAX_VALUE = 60


def plan_as_text(plan: Plan, *, jobs: int = 1) -> str:
    """Return what a study would run: costs, the time with ``jobs`` cells at once, and each variant's differences."""
    study = plan.study
    cells = len(study.seeds) * len(plan.variants)
    head = [f"{study.name}: {study.question}" if study.question else study.name]
    head.append(
        f"{len(plan.variants)} variants x {len(study.seeds)} seeds ({', '.join(map(str, study.seeds))}) = {cells} cells"
        f" (--index 0 to {cells - 1}); metrics {', '.join(study.metrics)}; baseline {study.baseline}"
    )
    header = ["variant", "dense", "", "sparse", "FLOPs/sample", "", "width", "time/cell"]
    rows = [_row(plan, planned) for planned in plan.variants]
    filled = [i for i in range(len(header)) if any(row[i] for row in rows)]
    shown = [[line[i] for i in filled] for line in (header, *rows)]
    notes = []
    if any(row[2].endswith("!") or row[5].endswith("!") for row in rows):
        notes.append(f"! differs from the baseline by more than {WITHIN_BUDGET:.0%}: not compared at one budget")
    total = total_seconds(plan, jobs)
    if total is not None:
        notes.append(f"Estimated time with --jobs {jobs}: {duration(total)}")
    alike: dict[str, list[str]] = {}
    for planned in plan.variants:
        changes = "\n".join([_change(change, planned) for change in planned.changes] or ["  nothing"])
        alike.setdefault(changes, []).append(planned.variant.name)
    blocks = ["\n".join(head), "\n".join([table(shown[0], shown[1:], right=range(1, len(filled))), *notes])]
    wrapped = partial(textwrap.fill, width=120, break_long_words=False, break_on_hyphens=False)
    differs = [f"{wrapped(' '.join(names))}\n{changes}" for changes, names in alike.items()]
    return "\n\n".join([*blocks, "\n".join(["What differs from the base", *differs])])


def plan_as_dict(plan: Plan, *, jobs: int = 1) -> dict[str, Any]:
    """Return the plan as plain mappings, with the cells by index and the estimated total time in seconds."""
    cells = [f"{planned.variant.name}/s{seed}" for seed in plan.study.seeds for planned in plan.variants]
    deviations = {planned.variant.name: _deviations(plan, planned) for planned in plan.variants}
    added = {"cells": cells, "deviations": deviations, "jobs": jobs, "seconds_total": total_seconds(plan, jobs)}
    return {**plan.to_dict(), **added}


def total_seconds(plan: Plan, jobs: int) -> float | None:
    """Return the wall time of all cells, ``jobs`` at once as fast as one alone, in seconds; None when not known."""
    times = [planned.seconds_per_cell for planned in plan.variants]
    known = [seconds for seconds in times if seconds is not None]
    cells = sorted((seconds for seconds in known for _ in plan.study.seeds), reverse=True)
    if len(known) < len(times) or not cells:
        return None
    return max(sum(cells) / jobs, cells[0])


def _deviations(plan: Plan, planned: PlannedVariant) -> dict[str, float]:
    costs = plan.costs(planned)
    return {"dense_parameters": costs.dense_ratio - 1, "flops": costs.flops_ratio - 1}


def _row(plan: Plan, planned: PlannedVariant) -> list[str]:
    over = ["", ""]
    if planned.variant.family != plan.study.baseline:
        found = _deviations(plan, planned).values()
        over = [f"{deviation:+.1%}{'!' if abs(deviation) > WITHIN_BUDGET else ' '}" for deviation in found]
    dense, sparse, flops = (
        count(cost) for cost in (planned.dense_parameters, planned.sparse_parameters, planned.flops_per_sample)
    )
    width = ", ".join(str(value) for value in planned.matched.values())
    time = "" if planned.seconds_per_cell is None else duration(planned.seconds_per_cell)
    return [planned.variant.name, dense, over[0], sparse, flops, over[1], width, time]


def _change(change: Change, planned: PlannedVariant) -> str:
    if change.carried:
        return f"  {change.key}: {_value(change.value)}  (carried over from the class that was replaced)"
    note = "  (matched)" if change.key in planned.matched else ""
    return f"  {change.key}: {_value(change.base)} -> {_value(change.value)}{note}"


def _value(value: Any) -> str:
    text = "-" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 3] + "..."

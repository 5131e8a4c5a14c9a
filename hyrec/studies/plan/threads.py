"""How many threads a cell computes with."""

from __future__ import annotations

import os


def threads_of_cell(jobs: int) -> int:
    """Return the share of the cores that one of several cells at once gets, at least one.

    Only cores that this process may use count: a scheduler or a container often grants fewer than the machine has.

    Args:
        jobs: Cells that run at once.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)

"""Estimates how long the cells of a study take, from a short real run of each variant."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hyrec.messages import CommandError
from hyrec.studies.plan.machine import threads_of_cell
from hyrec.studies.plan.plan import Plan

_LINES = 3


def timed(plan: Plan, jobs: int, *, report: Callable[[str], object]) -> Plan:
    """Return a plan with the estimated time of a cell of every variant, with the threads that a cell has."""
    variables = {"OMP_NUM_THREADS": str(threads_of_cell(jobs)), **os.environ}
    rows = []
    for planned in plan.variants:
        report(f"Timing {planned.variant.name}")
        rows.append(replace(planned, seconds_per_cell=probe(planned.arguments, variables)))
    return replace(plan, variants=tuple(rows))


def probe(arguments: Sequence[str], environment: Mapping[str, str]) -> float:
    """Estimate the seconds that ``hyrec fit`` takes by running its first steps in a process of their own.

    The short run is the real one, with its data, callbacks and batches, except that it logs to no service and writes
    to a folder that is deleted. It times some training batches after a few to warm up, and as many for evaluation.
    Early stopping, a time limit and the like are not foreseen. ``CommandError`` has its last words if it fails.
    """
    with tempfile.TemporaryDirectory(prefix="hyrec-probe-") as name:
        folder = Path(name)
        result, log = folder / "times.json", folder / "log.txt"
        command = [sys.executable, "-m", "hyrec.cli.probe", str(result), "20", *arguments]
        started = time.perf_counter()
        with log.open("wb") as output:
            done = subprocess.run(
                [*command, f"--trainer.default_root_dir={folder / 'run'}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**environment, "WANDB_MODE": "disabled"},  # also where a callback asks for it
            )
        wall = time.perf_counter() - started
        if done.returncode or not result.is_file():
            raise CommandError(f"The probe failed (exit code {done.returncode}).\n{_last_words(log)}")
        times = json.loads(result.read_text())
    return float(times["foreseen"] + max(0.0, wall - times["measured"]))


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    told = next((i for i in range(len(lines) - 1, -1, -1) if lines[i].startswith("hyrec: ")), len(lines) - _LINES)
    return "\n".join(lines[max(0, told) :][:_LINES]).removeprefix("hyrec: ")

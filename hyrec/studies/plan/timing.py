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
from typing import Any

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
    Early stopping and the like are not foreseen. ``CommandError`` has its last words if it fails.
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
        return estimate(json.loads(result.read_text()), wall)


def estimate(times: Mapping[str, Any], wall: float) -> float:
    """Extrapolate a short run, whose process took ``wall`` seconds, to those of the whole one.

    Data that had to be made first is not counted. A run without an end is a ``CommandError``.
    """
    loops = times["loops"]
    train, per_epoch = loops["train"], loops["train"]["batches"]
    ends = [per_epoch * times["max_epochs"]] if times["max_epochs"] >= 0 else []
    ends += [times["max_steps"] * times["accumulate"]] if times["max_steps"] >= 0 else []
    if not ends:
        raise CommandError("The run has no end that is known beforehand: set trainer.max_epochs or trainer.max_steps.")
    total = min(ends)
    fixed: float = max(0.0, wall - times["preparation"] - sum(loop["measured"] for loop in loops.values()))
    seconds = total / per_epoch * _seconds(train) if per_epoch else 0.0
    if (validation := loops.get("validate")) is not None:
        batches = validation["batches"]
        count = _validations(total, per_epoch, times["val_check_batch"], times["check_every_n_epoch"])
        sanity = batches if times["sanity"] < 0 else min(times["sanity"], batches)
        seconds += count * _seconds(validation)
        seconds += _seconds({**validation, "windows": 1, "batches": sanity}) if sanity else 0.0
    if times["max_time"] is not None:
        seconds = min(seconds, float(times["max_time"]))
    return fixed + seconds + (_seconds(loops["test"]) if "test" in loops else 0.0)


def _seconds(loop: Mapping[str, Any]) -> float:
    """Return the time of a pass over a split."""
    return float(loop["windows"] * loop["lead"] + loop["batches"] * loop["batch"] + loop["tail"])


def _validations(total: int, per_epoch: int, interval: float | None, every_n_epoch: int | None) -> int:
    """Return how often a run of ``total`` batches validates; those by the clock are not foreseen."""
    if not interval or not per_epoch:
        return 0
    if every_n_epoch is None:
        return int(total // interval)
    epochs, rest = divmod(total, per_epoch)
    count = int(per_epoch // interval) * (epochs // every_n_epoch)
    return count + (int(rest // interval) if (epochs + 1) % every_n_epoch == 0 else 0)


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    told = next((i for i in range(len(lines) - 1, -1, -1) if lines[i].startswith("hyrec: ")), len(lines) - _LINES)
    return "\n".join(lines[max(0, told) :][:_LINES]).removeprefix("hyrec: ")

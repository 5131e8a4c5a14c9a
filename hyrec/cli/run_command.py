"""``hyrec fit | validate | test | predict``."""

from __future__ import annotations

import logging
import signal
import warnings
from pathlib import Path
from shlex import quote
from types import FrameType

import torch
from lightning import Trainer

from hyrec.callbacks.run_guard import Stopped
from hyrec.config.experiment import Experiment
from hyrec.config.run_folder import find_checkpoint

_NEEDLESS = (
    "Be aware that when using `ckpt_path`, callbacks used",
    "Experiment logs directory",  # the run's own folder, which no other run may share
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning's own
)
"""Warnings of others that tell a user nothing."""


def run(arguments: list[str]) -> int:
    """Run an experiment: the command and its options."""
    for message in _NEEDLESS:
        warnings.filterwarnings("ignore", message=message)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_no_advertisement)
    # Before and between Lightning's loops; inside them RunGuard listens, which lets a training step end first.
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number, handler in before.items():
        if handler in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end)
    try:
        experiment = Experiment.parse(arguments)
        trainer = experiment.run()
        if experiment.command == "fit":
            tell_next(experiment.run_folder, trainer)
        _leave_group()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def tell_next(folder: Path, trainer: Trainer) -> None:
    """Print what a fit that has ended left where, and what to do with it."""
    best = find_checkpoint("best", folder)
    if best is None or trainer.interrupted or not trainer.is_global_zero:
        return
    place = quote(str(folder))
    kept = [name for name in ("config.yaml", "metrics.csv") if (folder / name).is_file()]
    print(f"\n{place} holds {', '.join(kept)} and {best.relative_to(folder)}. Next:")
    print(f"  hyrec predict --config {place}/config.yaml --ckpt_path best --data.predict FILES")
    print(f"  hyrec importance {place}")


def _leave_group() -> None:
    """Stop the threads of the process group: Lightning leaves those of gloo to the end of Python, which may abort."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _end(number: int, frame: FrameType | None) -> None:
    raise Stopped(128 + number)


def _is_no_advertisement(record: logging.LogRecord) -> bool:
    return "Tip: For seamless cloud" not in record.getMessage()

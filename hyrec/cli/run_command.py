"""``hyrec fit | validate | test | predict``."""

from __future__ import annotations

import logging
import signal
import warnings
from types import FrameType

import torch

from hyrec.callbacks.run_guard import Stopped
from hyrec.config.experiment import Experiment

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
        Experiment.parse(arguments).run()
        _leave_group()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _leave_group() -> None:
    """Stop the threads of the process group: Lightning leaves those of gloo to the end of Python, which may abort."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _end(number: int, frame: FrameType | None) -> None:
    raise Stopped(128 + number)


def _is_no_advertisement(record: logging.LogRecord) -> bool:
    return "Tip: For seamless cloud" not in record.getMessage()

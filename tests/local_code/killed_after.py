"""A local plugin for tests: a process that gets a signal at a step, as from a machine, a terminal or a scheduler."""

import os
import signal
import time
from typing import Literal

import torch
from lightning.pytorch.callbacks import Callback


class KilledAfter(Callback):
    """Send this process a signal.

    Args:
        step: Optimizer steps to survive.
        name: The signal, such as ``SIGKILL``.
        rank: The process that gets it.
        when: ``step``: at its end. ``validation``: in the first one after it. ``writing``: while the next checkpoint is
            written: by SIGKILL, when half of its bytes are on the disk.
        busy: Seconds that the other processes are at work from then on, and do not notice.
    """

    def __init__(
        self,
        step: int,
        name: str = "SIGKILL",
        rank: int = 0,
        when: Literal["step", "validation", "writing"] = "step",
        busy: float = 0,
    ) -> None:
        self.busy = busy
        self.step, self.number, self.rank, self.when = step, getattr(signal, name), rank, when

    def on_train_batch_end(self, trainer, *_):
        """Kill, or prepare to."""
        if trainer.global_step != self.step:
            return
        if trainer.global_rank != self.rank:
            time.sleep(self.busy)
            return
        if self.when == "step":
            os.kill(os.getpid(), self.number)
        elif self.when == "writing":
            save = torch.save

            def torn(content, file):
                save(content, file)
                if self.number == signal.SIGKILL:  # others let the file be finished
                    os.truncate(file, os.path.getsize(file) // 2)
                os.kill(os.getpid(), self.number)

            torch.save = torn

    def on_validation_batch_end(self, trainer, *_):
        """Kill inside a validation."""
        due = self.when == "validation" and trainer.global_step >= self.step and not trainer.sanity_checking
        if due and trainer.global_rank == self.rank:
            os.kill(os.getpid(), self.number)
            self.when = "step"

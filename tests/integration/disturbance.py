"""A plugin that kills its run, or makes it wait, where the environment asks for it."""

import os
import signal
import time
from pathlib import Path

from lightning.pytorch.callbacks import Callback


class Disturbance(Callback):
    """Do what the environment asks for: die, or wait to be stopped, as ``DISTURB=<die|wait>:<train|test>:<step>``."""

    def __init__(self) -> None:
        self.how, self.where, step = os.environ.get("DISTURB", "die:never:0").split(":")
        self.step = int(step)

    def on_train_batch_end(self, trainer, *_):
        """Come to a place in training."""
        self.come("train", trainer.global_step)

    def on_test_epoch_end(self, *_):
        """Come to the end of the test, when predictions are written but not complete."""
        self.come("test", 0)

    def come(self, where, step):
        """Die or wait when this is the place."""
        if (where, step) != (self.where, self.step):
            return
        if self.how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        Path(os.environ["WAITING"]).touch()
        time.sleep(60)

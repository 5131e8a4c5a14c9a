"""Ends a run in order: at a signal, with a checkpoint to resume from; at a loss that is no number, with its reason."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor

from hyrec.batch import Batch
from hyrec.callbacks.checkpoint import BestCheckpoint
from hyrec.callbacks.monitor import prepare_early_stopping, tell_early_stop
from hyrec.messages import OTHER_ENDED

_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1")
_NUM_COLUMNS = 3
_LOOK, _PATIENCE = 0.5, 20.0  # seconds between two looks at the other processes, and to notice the end of one oneself


class DivergenceError(ValueError):
    """The loss is no finite number."""


class Stopped(SystemExit):
    """A signal ended the run. ``code`` is 128 plus the number of the signal, as a shell counts (Ctrl-C: 130)."""


class RunGuard(L.Callback):
    """Stop at the end of a step when a signal asks for it or the loss is not finite; on all processes at one step.

    SIGTERM, SIGINT (Ctrl-C), SIGHUP and SIGUSR1 let the step end, write ``last.ckpt``, tell how to resume and end the
    process with 128 plus the signal's number; a second one ends it at once. Outside training nothing is to be saved:
    they end the process at once. Where Lightning requeues a SLURM job at a signal, it does so after the checkpoint is
    written. A signal that the process was started to ignore (``nohup``) stays ignored.

    An ``EarlyStopping`` whose ``mode`` is the wrong one for its metric is refused (ValueError); one that ends the run
    says why.

    Args:
        on_nonfinite_loss: ``stop`` ends the run with an error that names step, learning rate and the columns with the
            largest values; ``skip`` leaves the weights as they are, counts such steps and says how many there were.
    """

    def __init__(self, on_nonfinite_loss: Literal["stop", "skip"] = "stop") -> None:
        self.on_nonfinite_loss = on_nonfinite_loss
        self.skipped = 0
        self._broken: str | None = None
        self._batch: Batch | None = None
        self._received: int | None = None
        self._agreed = 0
        self._before: dict[int, Any] = {}
        self._trainer: L.Trainer | None = None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Begin anew."""
        self._trainer, self._received, self._agreed = trainer, None, 0
        launcher: Any = trainer.strategy.launcher
        if processes := getattr(launcher, "procs", None):
            launcher.procs = list(processes)
            processes.clear()  # Lightning's own watch ends: it would kill this process, without a word to the user
            watch = threading.Thread(target=_watch, args=(launcher.procs,), daemon=True, name="other processes")
            watch.start()

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Let an early stopping end the run only for what is a reason."""
        prepare_early_stopping(trainer, pl_module)

    def on_sanity_check_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen in place of Lightning, which broadcasts from inside its handler: processes would wait forever."""
        self._listen()

    on_train_start = on_test_start = on_predict_start = on_sanity_check_start

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Listen in a validation that is no part of training."""
        if trainer.state.fn == "validate":
            self.on_sanity_check_start(trainer, pl_module)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        """Keep the batch at hand."""
        self._batch = batch

    def on_before_backward(self, trainer: L.Trainer, pl_module: L.LightningModule, loss: Tensor) -> None:
        """Look at the loss."""
        if self._broken is None and not bool(loss.detach().isfinite()):
            self._broken = _explain(trainer, self._batch, float(loss.detach()))

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: Any) -> None:
        """Learn of all processes whether to stop or to skip, before weights change.

        Raises:
            DivergenceError: When the loss of any process is not finite and the policy is ``stop``.
        """
        self._agreed, broken = self._agree(trainer, pl_module.device)
        if broken and self.on_nonfinite_loss == "stop":
            raise DivergenceError(
                self._broken or f"The loss of another process is not finite at step {trainer.global_step}."
            )
        if broken:
            optimizer.skips_next, self._broken = True, None
            self.skipped += 1

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Stop if any process was asked to."""
        self._batch = None
        if self._agreed:
            self._stop(trainer, self._agreed)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Say how many steps were skipped."""
        tell_early_stop(trainer)
        if self.skipped:
            rank_zero_warn(f"{self.skipped} steps were skipped: their loss was not finite.")

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._give_back()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Give the signals back."""
        self._give_back()

    def _listen(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for name in _SIGNALS:
            number = getattr(signal, name, None)
            if number is None or (current := signal.getsignal(number)) in (signal.SIG_IGN, self._handle):
                continue
            self._before[number] = current
            signal.signal(number, self._handle)

    def _give_back(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                if signal.getsignal(number) == self._handle:
                    signal.signal(number, handler)
        self._before = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        trainer = self._trainer
        assert trainer is not None
        training = trainer.training or trainer.validating or trainer.sanity_checking
        if self._received is None and training and trainer.state.fn == "fit":
            self._received = number
            return
        launcher = trainer.strategy.launcher
        if launcher is not None and self._received is None:
            launcher.kill(signal.SIGTERM)
        raise Stopped(128 + number)

    def _agree(self, trainer: L.Trainer, device: torch.device) -> tuple[int, bool]:
        """Return the highest signal and whether any loss is broken, over all processes."""
        mine = [self._received or 0, self._broken is not None]
        if trainer.world_size == 1:
            return mine[0], bool(mine[1])
        both = torch.tensor(mine, dtype=torch.int64, device=device)
        torch.distributed.all_reduce(both, torch.distributed.ReduceOp.MAX)
        return int(both[0]), bool(both[1])

    def _stop(self, trainer: L.Trainer, signum: int) -> None:
        """Let the checkpoint be written where it is due next, and end there."""
        name = signal.Signals(signum).name
        stop = Stopped(0 if _is_watched(trainer) else 128 + signum)
        saver = next((c for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint)), None)
        if saver is None:
            rank_zero_info(f"Stopped by {name} at step {trainer.global_step}; no checkpoint was written.")
            raise stop

        def end() -> None:
            folder = Path(trainer.default_root_dir)
            rank_zero_info(
                f"Stopped by {name} at step {trainer.global_step}. Resume with\n"
                f"  hyrec fit --config {folder / 'config.yaml'} --ckpt_path last"
            )
            self._requeue(trainer, signum)
            raise stop

        saver.stop_after_save = end

    def _requeue(self, trainer: L.Trainer, signum: int) -> None:
        environment = getattr(trainer.strategy, "cluster_environment", None)
        if not isinstance(environment, SLURMEnvironment) or not environment.auto_requeue:
            return
        handler = self._before.get(signum)
        if signum == (environment.requeue_signal or signal.SIGUSR1) and callable(handler):
            handler(signum, None)  # Lightning's: saves once more, for the restarted job to find, and requeues it


def _watch(processes: list[subprocess.Popen[Any]]) -> None:
    """End this process when one of those that it started has failed, and it waits for that one and would not notice."""
    while not any(process.poll() for process in processes):
        if all(process.returncode == 0 for process in processes):
            return
        time.sleep(_LOOK)
    time.sleep(_PATIENCE)
    for process in processes:
        process.kill()
    print(f"hyrec: {OTHER_ENDED}", file=sys.stderr, flush=True)
    os._exit(1)


def _is_watched(trainer: L.Trainer) -> bool:
    """Whether the first process started this one, and would kill the others if it ended with a code of its own."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    return isinstance(environment, LightningEnvironment) and trainer.global_rank > 0 and "LOCAL_RANK" in os.environ


def _explain(trainer: L.Trainer, batch: Batch | None, loss: float) -> str:
    rates = ", ".join(f"{rate:.3g}" for rate in sorted({g["lr"] for g in trainer.optimizers[0].param_groups}))
    columns = sorted(_largest(batch) if batch else [], key=lambda found: found[1], reverse=True)[:_NUM_COLUMNS]
    shown = ", ".join(f"{name} ({value:.3g})" for name, value in columns)
    return (
        f"The loss is {loss} at step {trainer.global_step} (learning rates {rates}): the run stops.\n"
        f"Largest values in this batch: {shown or 'it has no numbers'}.\n"
        "Lower the learning rate, set trainer.gradient_clip_val, bound such a column with its transform, or leave out "
        "such steps with --on_nonfinite_loss skip."
    )


def _largest(batch: Batch) -> list[tuple[str, float]]:
    """Return the largest absolute value of every column of numbers."""
    columns = {name: value for name, value in batch.features.items() if isinstance(value, Tensor)}
    columns |= {
        f"{name} (weights)": value.weights for name, value in batch.features.items() if hasattr(value, "weights")
    }
    for sequence, events in batch.sequences.items():
        columns |= {f"{sequence}.{name}": value for name, value in events.features.items()}
    if batch.weights is not None:
        columns["weights of samples"] = batch.weights
    numbers = {name: v for name, v in columns.items() if v is not None and v.is_floating_point() and v.numel()}
    return [(name, float(v.detach().abs().nan_to_num(0.0, posinf=torch.inf).max())) for name, v in numbers.items()]

"""Where a run keeps its config, metrics, checkpoints and predictions."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from hyrec.files import write_text
from hyrec.messages import CommandError
from hyrec.schema import Schema

_LOCK, _FILES = "run.lock", ("config.yaml", "metrics.csv", "checkpoints")
_VARIABLE = "HYREC_RUN_FOLDER"


def choose_run_folder(command: str, name: str, saved_run: Path | None) -> Path:
    """Return the folder of a run that was given none: ``runs/<name>/<time>``, the same in all its processes.

    Only ``fit`` starts a run; others write into ``<command>-<time>``, inside the run when they evaluate a saved one.

    Raises:
        CommandError: For a name that leaves ``runs``.
    """
    if "LOCAL_RANK" in os.environ and _VARIABLE in os.environ:
        return Path(os.environ[_VARIABLE])
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts or "\0" in name:
        raise CommandError(f"name is {name!r}: it names a folder inside runs/, such as 'hyformer' or 'week-3/wide'.")
    now = datetime.now().strftime("%Y%m%d-%H%M%S")
    started = Path("runs") / name
    wanted = started / now if command == "fit" else (saved_run or started) / f"{command}-{now}"
    folder, number = wanted, 1
    while True:
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            number += 1
            folder = wanted.with_name(f"{wanted.name}-{number}")
    os.environ[_VARIABLE] = str(folder)
    return folder


@contextmanager
def held(folder: Path, checkpoint: str | None) -> Iterator[None]:
    """Keep a run's folder for this process and those it starts, until it ends or dies.

    Args:
        folder: The folder; made when it does not exist.
        checkpoint: What the run resumes from. Only from inside a folder may a run add to what an earlier one has left.

    Raises:
        CommandError: When another process holds the folder, or it has the files of another run.
    """
    if "LOCAL_RANK" in os.environ and os.environ["LOCAL_RANK"] != "0":
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / _LOCK, "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CommandError(f"Process {lock.read().strip()} trains in {folder}: choose another folder.") from None
        except OSError:  # a file system without locks
            rank_zero_warn(f"The file system of {folder} has no locks: see to it that no other process trains there.")
        own = checkpoint is not None and folder.resolve() in Path(checkpoint).resolve().parents
        if not own and (left := [name for name in _FILES if (folder / name).exists()]):
            raise CommandError(
                f"{folder} holds the {left[0]} of another run. Choose another --trainer.default_root_dir, or resume it "
                f"with --ckpt_path {folder / 'checkpoints' / 'last.ckpt'}"
            )
        lock.truncate(0)
        lock.write(f"{os.getpid()} on {platform.node()}")
        lock.flush()
        yield
        (folder / _LOCK).unlink(missing_ok=True)


def find_checkpoint(word: str, saved_run: Path | None) -> Path | None:
    """Return the file that ``best`` or ``last`` means for a saved run; None when there is none."""
    path = saved_run / "checkpoints" / f"{word}.ckpt" if saved_run else None
    return path if path is not None and path.is_file() else None


class SaveRunConfig(Callback):
    """Write ``config.yaml``, complete with schema and plugins, into the run's folder.

    One file a run, wherever the logger keeps its own: with W&B, Lightning would write one file for all. It names
    neither the folder nor a checkpoint, so that ``test`` and ``predict`` can start from it.

    Args:
        options: Every option of the run, as plain mappings.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._is_saved = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the file, once a run, before loggers read it."""
        if self._is_saved or not trainer.is_global_zero:
            return
        content = {**self._options, "schema": Schema.from_dict(self._options["schema"]).to_dict()}
        content["ckpt_path"] = content["output"] = content["submission"] = None
        content["trainer"] = {**content["trainer"], "default_root_dir": None}
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        write_text(Path(trainer.default_root_dir) / "config.yaml", text)
        self._is_saved = True

"""Where a run keeps its config, metrics, checkpoints and predictions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from lightning import Callback, LightningModule, Trainer

from hyrec.files import write_text
from hyrec.schema import Schema

_VARIABLE = "HYREC_RUN_FOLDER"


def choose_run_folder(command: str, name: str, saved_run: Path | None) -> Path:
    """Return the folder of a run that was given none: ``runs/<name>/<time>``, the same in all its processes.

    Args:
        command: ``fit``, ``validate``, ``test`` or ``predict``. Only ``fit`` starts a run; the others write
            into a folder ``<command>-<time>``, inside the run when they evaluate a saved one.
        name: Name of the run.
        saved_run: Folder of the run that the config was saved in.
    """
    if "LOCAL_RANK" in os.environ and _VARIABLE in os.environ:
        return Path(os.environ[_VARIABLE])
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
        content["ckpt_path"] = content["output"] = None
        content["trainer"] = {**content["trainer"], "default_root_dir": None}
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        write_text(Path(trainer.default_root_dir) / "config.yaml", text)
        self._is_saved = True

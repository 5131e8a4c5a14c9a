"""Checkpoint files: whole, free of code and of the right form before anything of them is used."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hyrec.messages import listed

_MODEL = ("state_dict", "pytorch-lightning_version")
_TRAINING = ("optimizer_states", "lr_schedulers", "loops")
_NUM_SHOWN = 2


class CheckpointError(ValueError):
    """A checkpoint that cannot be used."""


def read_checkpoint(path: str | Path, *, resumes: bool = False) -> dict[str, Any]:
    """Return what a checkpoint of Lightning holds, on the CPU; tensors stay in the file until they are read.

    Args:
        path: The file.
        resumes: Whether training is to continue from it, which takes optimizers and loops too.

    Raises:
        CheckpointError: For a file that is truncated, damaged (its checksums differ), or holds anything but tensors
            and plain data, or is no checkpoint.
        OSError: When it cannot be read at all.
    """
    _refuse_damaged(Path(path))
    try:
        content = torch.load(path, weights_only=True, map_location="cpu", mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} holds more than tensors and plain data, and is not loaded: that could run code.\n"
            f"Checkpoints of `hyrec fit` load. ({str(error).splitlines()[0][:160]})"
        ) from error
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} is no checkpoint of a run: it holds a {type(content).__name__}.")
    if missing := [key for key in _MODEL if key not in content]:
        raise CheckpointError(
            f"{path} is no checkpoint of a run: it has no {' and no '.join(missing)}.\n"
            + listed(map(str, content), "It holds")
        )
    if resumes and (missing := [key for key in _TRAINING if key not in content]):
        raise CheckpointError(
            f"{path} holds no {', no '.join(missing)}: `test` and `predict` can use it, but training cannot resume "
            "from it. Take a last.ckpt; checkpoint.save_weights_only=true leaves such things out."
        )
    for key in ("state_dict", "hyper_parameters"):
        if not isinstance(content.get(key, {}), Mapping):
            raise CheckpointError(f"{path} is no checkpoint of a run: its {key} are no mapping.")
    return dict(content)


def refuse_other_weights(saved: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Refuse weights of another model, with the first that differ.

    Raises:
        CheckpointError: When names or shapes differ.
    """
    wrong = [f"{name}: not in the checkpoint" for name in own if name not in saved]
    wrong += [f"{name}: not in the model" for name in saved if name not in own]
    wrong += [
        f"{name}: {tuple(saved[name].shape)} in the checkpoint, {tuple(own[name].shape)} in the model"
        for name in own
        if name in saved and saved[name].shape != own[name].shape
    ]
    if wrong:
        more = [f"and {len(wrong) - _NUM_SHOWN} more."] if len(wrong) > _NUM_SHOWN else []
        first = "The checkpoint holds other weights than the model: build it from the config.yaml of the same run."
        raise CheckpointError("\n  ".join([first, *wrong[:_NUM_SHOWN], *more]))


def _refuse_damaged(path: Path) -> None:
    """Compare every part of the file with its checksum, which ``torch.load`` does not do."""
    with path.open("rb") as file:
        start = file.read(2)
    if start != b"PK":
        what = "is empty" if not start else "is no checkpoint: torch.save writes zip archives, and this is none"
        raise CheckpointError(f"{path} {what}.")
    try:
        with zipfile.ZipFile(path) as archive:
            part = archive.testzip()
            damaged = part and part.split("/", 1)[-1]
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError):
        damaged = "its index"
    if damaged:
        raise CheckpointError(
            f"{path} is damaged or was cut short: {damaged} is not what was written ({path.stat().st_size:,} bytes).\n"
            "Copy it again, or take an earlier checkpoint of the run."
        )

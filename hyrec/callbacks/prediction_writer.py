"""Writes predictions as Parquet while they are made."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from hyrec.batch import Batch
from hyrec.callbacks.submission import check_submission, write_submission
from hyrec.parquet import parquet_writer

_PARTIAL = ".partial"


class PredictionWriter(Callback):
    """Write ids, labels and scores of a prediction or test pass to ``part-<process>.parquet``, batch by batch.

    Columns: the schema's id columns, ``row`` (position in the split, by which the parts of several processes
    sort), ``group``, ``weight`` where samples have one, and for each task, the primary one first, ``label_<task>``
    (null where unknown) and ``score_<task>`` (a probability). Each process writes the rows that it scored; together
    the parts hold every row once. A part has a name that ends in ``.partial`` until all its rows are written; nothing
    is left of it when the run fails.

    Args:
        folder: Where the parts go; made when missing.
        submission: File for the ids and scores of a prediction pass, in the order of the input: ``.csv`` or ``.json``.

    Raises:
        FileExistsError: When the folder holds predictions already, or the submission is there, before anything is
            computed.
        ValueError: For a submission in another form.
    """

    def __init__(self, folder: str, submission: str | None = None) -> None:
        self.folder, self.submission = Path(folder), Path(submission) if submission else None
        if self.submission is not None:
            check_submission(self.submission)
        self._writer: pq.ParquetWriter | None = None
        self._path: Path | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Agree on the folder and refuse to mix two sets of predictions."""
        if stage == "validate":
            return
        self.folder = Path(trainer.strategy.broadcast(str(self.folder)))
        self.refuse_older(trainer.strategy.broadcast(self._is_taken()))
        self._path = self.folder / f"part-{trainer.global_rank:05d}.parquet"

    def refuse_older(self, is_taken: bool | None = None) -> None:
        """Raise ``FileExistsError`` when the folder holds predictions, which ``is_taken`` may say already."""
        if self._is_taken() if is_taken is None else is_taken:
            raise FileExistsError(f"{self.folder} holds predictions already. Remove them or give another --output.")

    def _is_taken(self) -> bool:
        return any(self.folder.glob("part-*.parquet"))

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *_: Any
    ) -> None:
        """Append one batch."""
        self._append(trainer, pl_module, outputs, batch, "predict")

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, *_: Any
    ) -> None:
        """Append one batch."""
        self._append(trainer, pl_module, outputs, batch, "test")

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Complete the file, and say where it is."""
        self._complete()
        rank_zero_info(f"Scores: {self.folder}")
        if self.submission is None:
            return
        trainer.strategy.barrier("predictions")
        if trainer.is_global_zero:
            ids = getattr(getattr(trainer, "datamodule", None), "schema", None)
            write_submission(self.submission, sorted(self.folder.glob("part-*.parquet")), ids.id_columns if ids else [])
            rank_zero_info(f"Submission: {self.submission}")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Complete the file."""
        self._complete()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Remove an unfinished file."""
        if self._writer is not None:
            with contextlib.suppress(OSError, pa.ArrowException):  # the disk may be what has failed
                self._writer.close()
            self._writer = None
            self._partial_path().unlink(missing_ok=True)

    def _append(
        self, trainer: Trainer, module: LightningModule, scores: Any, batch: Batch, split: Literal["test", "predict"]
    ) -> None:
        if not isinstance(scores, dict):
            raise TypeError(
                f"{type(module).__name__}.{split}_step must return the probabilities by task, as Ranker's does, so "
                f"that they can be written; it returned {type(scores).__name__}."
            )
        assert self._path is not None
        first = getattr(module, "primary_task", None)
        ordered = {task: scores[task] for task in sorted(scores, key=lambda task: task != first)}
        table = prediction_table(batch, ordered, getattr(trainer, "datamodule", None), split=split)
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = parquet_writer(self._partial_path(), table.schema)
        self._writer.write_table(table)

    def _partial_path(self) -> Path:
        assert self._path is not None
        return self._path.with_name(self._path.name + _PARTIAL)

    def _complete(self) -> None:
        if self._writer is not None:
            self._writer.close()
            assert self._path is not None
            self._partial_path().replace(self._path)
            self._writer = None


def prediction_table(
    batch: Batch, scores: dict[str, Tensor], data: Any = None, split: Literal["test", "predict"] = "predict"
) -> pa.Table:
    """Return one batch as a table, with its probabilities by task, ``(B,)``.

    ``id_columns`` of the data module adds ids of the ``split`` that batches do not carry, such as strings.
    """
    columns: dict[str, Any] = {}
    if batch.row is not None and hasattr(data, "id_columns"):
        ids = data.id_columns(split, batch.row.cpu())
        columns |= {name: ids.column(name) for name in ids.column_names}
    own = {**batch.ids, "row": batch.row, "group": batch.group, "weight": batch.weights}
    for name, values in own.items():
        if values is not None and name not in columns:
            columns[name] = _array(values)
    first = [task for task in scores if task in batch.labels]
    labels = [*first, *(task for task in batch.labels if task not in scores)]
    columns |= {f"label_{task}": _array(batch.labels[task]) for task in labels}
    columns |= {f"score_{task}": _array(score) for task, score in scores.items()}
    return pa.table(columns)


def _array(values: Tensor) -> pa.Array:
    half = values.dtype in (torch.bfloat16, torch.float16)  # which NumPy or Arrow lack
    numbers = values.detach().float() if half else values.detach()
    array: np.ndarray[Any, Any] = numbers.cpu().numpy()
    return pa.array(array, from_pandas=True)

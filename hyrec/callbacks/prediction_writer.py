"""Writes predictions as Parquet while they are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from hyrec.batch import Batch


class PredictionWriter(Callback):
    """Write ids, labels and scores to ``part-<process>.parquet``, one row a sample, batch by batch.

    Columns: the schema's id columns, ``row`` (place in the split, by which the parts of several processes
    sort), ``group``, ``label_<task>`` (null where unknown) and ``score_<task>`` (a probability). Each process
    writes the rows that it scored; together the parts hold every row once.

    Args:
        folder: Where the parts go; made when missing.

    Raises:
        FileExistsError: When the folder holds predictions already.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self._writer: pq.ParquetWriter | None = None
        self._path: Path | None = None

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Agree on the folder and refuse to mix two sets of predictions."""
        folder = Path(trainer.strategy.broadcast(str(self.folder)))
        taken = trainer.strategy.broadcast(any(folder.glob("part-*.parquet")))
        if taken:
            raise FileExistsError(f"{folder} holds predictions already. Remove them or give another --output.")
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"part-{trainer.global_rank:05d}.parquet"

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Append one batch."""
        assert self._path is not None
        table = prediction_table(batch, outputs, trainer.datamodule)  # type: ignore[attr-defined]
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        self._writer.write_table(table)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the file."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the file, so that nothing holds it open; what it has is complete batches."""
        self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def prediction_table(batch: Batch, scores: dict[str, Tensor], data: Any = None) -> pa.Table:
    """Return one batch of predictions as a table.

    Args:
        batch: What was scored.
        scores: Probabilities by task, ``(B,)``.
        data: The data module; its ``id_columns`` adds ids that batches do not carry, such as strings.
    """
    columns: dict[str, Any] = {}
    if batch.row is not None and hasattr(data, "id_columns"):
        ids = data.id_columns("predict", batch.row.cpu())
        columns |= {name: ids.column(name) for name in ids.column_names}
    for name, values in {**batch.ids, "row": batch.row, "group": batch.group}.items():
        if values is not None and name not in columns:
            columns[name] = _array(values)
    columns |= {f"label_{task}": _array(label) for task, label in batch.labels.items()}
    columns |= {f"score_{task}": _array(score) for task, score in scores.items()}
    return pa.table(columns)


def _array(values: Tensor) -> pa.Array:
    numbers = values.detach().float() if values.is_floating_point() else values.detach()
    array: np.ndarray[Any, Any] = numbers.cpu().numpy()
    return pa.array(array, from_pandas=True)

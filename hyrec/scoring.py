"""Scores of new rows, from a model and a table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import torch
from lightning.fabric.utilities import move_data_to_device

from hyrec.callbacks.prediction_writer import prediction_table
from hyrec.data.tables import table_data
from hyrec.ranker import Ranker


def score(model: Ranker, table: Any, *, batch_size: int = 1024) -> pa.Table:
    """Return the predicted probability of every sample of a table, in its order.

    Args:
        model: A trained model; it stays in the mode, and on the device, that it is in.
        table: New rows as the model's schema describes them, of pandas, polars or Arrow. They need no labels.
        batch_size: Stored rows that are scored at once.

    Returns:
        The schema's id columns, ``row``, ``group``, labels where there are any, and ``score_<task>``; the same columns
        as ``hyrec predict`` writes.

    Raises:
        DataError: For a table that does not fit the schema.
    """
    data = table_data(model.schema, predict=table, eval_batch_size=batch_size)
    was_training = model.training
    model.eval()
    parts = []
    try:
        with torch.inference_mode():
            for number, batch in enumerate(data.predict_dataloader()):
                scores = model.predict_step(move_data_to_device(batch, model.device), number)
                first = {model.primary_task: scores[model.primary_task]}
                parts.append(prediction_table(batch, {**first, **scores}, data))
    finally:
        model.train(was_training)
    return pa.concat_tables(parts)

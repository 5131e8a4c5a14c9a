"""Scores of new rows, from a model and a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from lightning.fabric.utilities import move_data_to_device

from hyrec.batch import Batch, RequestMap
from hyrec.callbacks.prediction_writer import prediction_table
from hyrec.data.tables import arrow_table, table_data
from hyrec.ranker import Ranker
from hyrec.schema import Schema
from hyrec.serving import RequestState


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


def encode_requests(model: Ranker, table: Any) -> RequestState:
    """Encode the histories of requests, once for all of their candidates.

    Args:
        model: A trained model.
        table: A row a request, of pandas, polars or Arrow: the schema's features that no candidate has a part in
            (roles user and context), sequences and the moment. Columns of candidates are not looked at.

    Raises:
        DataError: For a table that does not fit the schema.
    """
    return model.encode(_batch(model, _side(model.schema, candidates=False), table))


def score_candidates(model: Ranker, state: RequestState, table: Any, *, request: str = "request") -> pa.Table:
    """Score candidates against encoded requests.

    Args:
        model: The model that encoded them.
        state: What ``encode_requests`` returned.
        table: A row a candidate: features of the roles item and cross.
        request: Column with the place of each candidate's request in the table of requests, from 0. Without such a
            column all belong to the only request, or there is one candidate for each.

    Returns:
        The table's rows in order: the schema's id columns that it has, ``request`` and ``score_<task>``.

    Raises:
        DataError: For a table that does not fit the schema.
        ValueError: For candidates whose request is not there.
    """
    rows = arrow_table(table)
    batch = replace(_batch(model, _side(model.schema, candidates=True), rows), request_of=None)
    count = state.requests.num_samples
    place = np.asarray(rows[request].to_numpy(), dtype=np.int64) if request in rows.column_names else None
    if place is not None:
        if len(place) and not 0 <= place.min() <= place.max() < count:
            raise ValueError(
                f"Column {request!r} names requests {place.min()} to {place.max()}, and the state holds {count}, "
                "counted from 0."
            )
        batch.request_of = RequestMap.from_index(torch.from_numpy(place).to(model.device), count)
    scores = model.score(state, batch)
    kept = [name for name in dict.fromkeys([*model.schema.id_columns, request]) if name in rows.column_names]
    found = {f"score_{task}": pa.array(score.cpu().numpy()) for task, score in scores.items()}
    return pa.table({**{name: rows[name] for name in kept}, **found})


def _side(schema: Schema, *, candidates: bool) -> Schema:
    """Return what a schema says of candidates, or of all else, a row each."""
    return replace(
        schema,
        features={n: f for n, f in schema.features.items() if schema.is_per_candidate(n) == candidates},
        sequences={} if candidates else schema.sequences,
        time_column="" if candidates else schema.time_column,
        groups=[],
        layout="flat",
        group_column="",
        weight_column="",
        id_columns=[],
        split=type(schema.split)(),
        fingerprint={},
    )


def _batch(model: Ranker, schema: Schema, table: Any) -> Batch:
    rows, labels = arrow_table(table), {task.column or name for name, task in schema.tasks.items()}
    rows = rows.select([name for name in rows.column_names if name not in labels])
    data = table_data(schema, predict=rows, eval_batch_size=max(1, rows.num_rows))
    batch: Batch = move_data_to_device(next(iter(data.predict_dataloader())), model.device)
    return batch

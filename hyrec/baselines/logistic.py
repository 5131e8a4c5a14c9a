"""Logistic regression on one-hot ids and numbers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from hyrec.baselines.baseline import Baseline, NotOfferedError, Report, required
from hyrec.baselines.columns import as_long, collect
from hyrec.batch import Batch, Jagged
from hyrec.data.base import RankingData
from hyrec.embeddings.features import Buckets, transform_dense
from hyrec.schema import PADDING_ID, Feature, Schema

_STRENGTHS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_MAX_COLUMNS = 2**20
_MAX_ITERATIONS = 200


class LogisticBaseline(Baseline):
    """Logistic regression with an L2 penalty, scikit-learn's, whose strength is chosen by the validation log loss.

    Every non-sequential feature is used. Ids, lists of ids and buckets are one-hot (a list shares a weight of one, or
    has its own weights), ids of tables beyond a million are hashed into as many columns; other numbers are
    transformed as the schema says and standardised.

    Args:
        max_rows: Training and validation rows that are held in memory; more are sampled.
    """

    def __init__(self, max_rows: int) -> None:
        self.max_rows = max_rows

    def fit(self, data: RankingData, task: str, report: Report) -> None:
        """Fit from the strongest penalty on until validation gets worse."""
        linear_model = required("sklearn.linear_model")
        self.columns = list(data.schema.features)
        train, validate = (
            collect(data, split, task, self.columns, max_rows=self.max_rows, report=report)
            for split in ("train", "validate")
        )
        if len(train.labels[task].unique()) < 2:
            raise NotOfferedError(f"all known labels of {task!r} among the training rows are the same.")
        self._encode = SparseColumns(data.schema, train)
        x, y, w = self._encode(train), train.labels[task].numpy(), _numpy(train.weights)
        report(f"{x.shape[1]:,} columns, {x.nnz * 8 / 2**20:,.1f} MiB of non-zeros")
        x_val, y_val = self._encode(validate), validate.labels[task].double()
        w_val = torch.ones_like(y_val) if validate.weights is None else validate.weights.double()
        least = np.inf
        model = linear_model.LogisticRegression(solver="lbfgs", max_iter=_MAX_ITERATIONS, warm_start=True)
        for strength in _STRENGTHS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of iterations that a weak penalty would need
                model.set_params(C=strength).fit(x, y, sample_weight=w)
            scores = torch.from_numpy(model.decision_function(x_val))
            total = torch.nn.functional.binary_cross_entropy_with_logits(scores, y_val, w_val, reduction="sum")
            loss = float(total / w_val.sum())
            report(f"C = {strength:g}: validation log loss {loss:.4f}")
            if loss >= least:
                break
            least, self.note = loss, f"C = {strength:g}"
            self._weights, self._bias = model.coef_[0].copy(), float(model.intercept_[0])

    def predict(self, batch: Batch) -> Tensor:
        """Return the probability of each sample."""
        return torch.from_numpy(self._encode(batch) @ self._weights + self._bias).double().sigmoid()


class SparseColumns:
    """Turns non-sequential features into the rows of a sparse matrix.

    Args:
        schema: The data.
        train: Rows that say how numbers are standardised.
    """

    def __init__(self, schema: Schema, train: Batch) -> None:
        self.features = schema.features
        self._moments: dict[str, tuple[Tensor, Tensor]] = {}
        for name, feature in self.features.items():
            if not feature.is_embedded:
                numbers = transform_dense(feature, train.features[name].double())
                spread = numbers.std(0, correction=0)
                self._moments[name] = numbers.mean(0), torch.where(spread > 0, spread, 1.0)

    def __call__(self, batch: Batch) -> sparse.csr_matrix:
        """Encode rows, ``(B, columns)`` float32."""
        parts = [self._columns(name, feature, batch.features[name]) for name, feature in self.features.items()]
        return sparse.hstack(parts, format="csr", dtype=np.float32)

    def _columns(self, name: str, feature: Feature, value: Tensor | Jagged) -> sparse.csr_matrix:
        if isinstance(value, Jagged):
            lengths = value.offsets.diff()
            entries = (1 / lengths.clamp(min=1)).repeat_interleave(lengths) if value.weights is None else value.weights
            return _one_hot(feature, value.values, value.offsets, entries.float())
        if not feature.is_embedded:
            mean, spread = self._moments[name]
            return sparse.csr_matrix(((transform_dense(feature, value.double()) - mean) / spread).numpy())
        ids: Tensor = Buckets(feature.boundaries)(value.squeeze(-1)) if feature.kind == "dense" else value
        return _one_hot(feature, ids, torch.arange(len(ids) + 1), torch.ones(len(ids)))


def _one_hot(feature: Feature, ids: Tensor, offsets: Tensor, entries: Tensor) -> sparse.csr_matrix:
    size = min(feature.num_ids, _MAX_COLUMNS)
    entries = entries.masked_fill(ids == PADDING_ID, 0.0)
    columns = as_long(ids) % size
    return sparse.csr_matrix((entries.numpy(), columns, offsets.numpy()), shape=(len(offsets) - 1, size))


def _numpy(values: Tensor | None) -> Any:
    return None if values is None else values.numpy()

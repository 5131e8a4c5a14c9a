"""Boosted trees on counters and other non-sequential features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hyrec.baselines.baseline import Baseline, NotOfferedError, Report, required
from hyrec.baselines.columns import as_long, collect
from hyrec.batch import Batch, Jagged
from hyrec.data.base import RankingData, Split
from hyrec.schema import Feature, Schema

MAX_IDS = 1000
"""Table size up to which ids are used; trees find little in more of them but the rows that they were grown on."""
MAX_CATEGORIES = 64
"""Table size up to which ids are categories and lists have a column for each; above it ids are numbers."""
_PARAMETERS = {
    "objective": "binary", "metric": "binary_logloss", "learning_rate": 0.03, "num_leaves": 31,
    "min_data_in_leaf": 200, "feature_fraction": 0.7, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 1.0,
    "deterministic": True, "force_row_wise": True, "verbosity": -1,
}  # fmt: skip
_MAX_TREES, _PATIENCE = 3000, 50

Column = tuple[bool, Any]
"""Whether it is a category, and values ``(B,)`` float32."""


class BoostingBaseline(Baseline):
    """LightGBM with fixed parameters; the number of trees is chosen by the validation log loss.

    Numbers are used as they are, those that are bucketized too. Ids of tables up to 64 are categories, ids of tables up
    to 1,000 numbers; larger ones are left out, which counters of a recipe stand for. Of a list, the length is used and
    each id's share or weight, of tables above 64 the first id.

    Args:
        max_rows: Training and validation rows that are held in memory; more are sampled.
        seed: Of the rows and columns that trees are grown on.
    """

    def __init__(self, max_rows: int, seed: int) -> None:
        self.max_rows, self.seed = max_rows, seed

    def fit(self, data: RankingData, task: str, report: Report) -> None:
        """Grow trees until validation has not improved for 50 of them."""
        lightgbm = required("lightgbm")
        self._schema = data.schema
        self.columns = [name for name, feature in data.schema.features.items() if _is_used(feature)]
        left_out = [name for name in data.schema.features if name not in self.columns]
        if not self.columns:
            raise NotOfferedError(f"every feature is an id of a table above {MAX_IDS:,}.")
        if left_out:
            report(f"left out, tables above {MAX_IDS:,} ids: {', '.join(left_out)}")
        sets: list[Any] = []
        splits: tuple[Split, ...] = ("train", "validate")
        for split in splits:
            rows = collect(data, split, task, self.columns, max_rows=self.max_rows, report=report)
            x, categories = _matrix(self._schema, self.columns, rows)
            report(f"{split}: {x.nbytes / 2**20:,.1f} MiB as numbers, {x.shape[1]} columns")
            weights = None if rows.weights is None else rows.weights.numpy()
            given = {"categorical_feature": categories, "reference": sets[0] if sets else None}
            sets.append(lightgbm.Dataset(x, rows.labels[task].numpy(), weight=weights, **given))
        stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
        options = {**_PARAMETERS, "seed": self.seed, "num_threads": torch.get_num_threads()}
        self._trees = lightgbm.train(options, sets[0], _MAX_TREES, valid_sets=sets[1:], callbacks=[stop])
        loss = self._trees.best_score["valid_0"]["binary_logloss"]
        self.note = f"{self._trees.best_iteration} trees"
        report(f"validation log loss {loss:.4f}")

    def predict(self, batch: Batch) -> Tensor:
        """Return the probability of each sample."""
        x, _ = _matrix(self._schema, self.columns or (), batch)
        return torch.from_numpy(np.asarray(self._trees.predict(x)))


def _is_used(feature: Feature) -> bool:
    return feature.kind != "id" or feature.num_ids <= MAX_IDS


def _matrix(schema: Schema, columns: Any, batch: Batch) -> tuple[Any, list[int]]:
    """Return rows ``(B, columns)`` float32, and which columns are categories."""
    made = [column for name in columns for column in _columns(schema.features[name], batch.features[name])]
    return np.stack([x for _, x in made], 1), [i for i, (is_category, _) in enumerate(made) if is_category]


def _columns(feature: Feature, value: Tensor | Jagged) -> Iterator[Column]:
    if isinstance(value, Jagged):
        yield from _list_columns(feature, value)
    elif feature.kind == "id":
        yield feature.num_ids <= MAX_CATEGORIES, value.numpy().astype(np.float32)
    else:
        yield from ((False, x.numpy()) for x in value.T)


def _list_columns(feature: Feature, lists: Jagged) -> Iterator[Column]:
    lengths, ids = lists.offsets.diff(), as_long(lists.values)
    yield False, lengths.numpy().astype(np.float32)
    if feature.num_ids <= MAX_CATEGORIES:
        rows = torch.arange(len(lengths)).repeat_interleave(lengths).numpy()
        weights = 1 / lengths.repeat_interleave(lengths) if lists.weights is None else lists.weights
        shares = np.zeros((len(lengths), feature.num_ids), np.float32)
        np.add.at(shares, (rows, ids), weights.numpy().astype(np.float32))
        yield from ((False, column) for column in shares.T)
    elif feature.num_ids <= MAX_IDS:
        first = np.zeros(len(lengths), np.float32)
        has = lengths.numpy() > 0
        first[has] = ids[lists.offsets[:-1].numpy()[has]]
        yield False, first

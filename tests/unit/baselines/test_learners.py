"""Logistic regression and trees find what is planted, on the columns that they say they use."""

import numpy as np
import polars as pl
import pytest
import torch

from hyrec.baselines.baseline import NotOfferedError
from hyrec.baselines.boosting import BoostingBaseline
from hyrec.baselines.columns import collect
from hyrec.baselines.din_training import DINBaseline
from hyrec.baselines.logistic import LogisticBaseline, SparseColumns
from hyrec.data.tables import table_data
from hyrec.metrics.functional import auc
from hyrec.sample_batch import random_batch
from hyrec.schema import Schema
from hyrec.testing.batches import tiny_schema

FEATURES = {
    "item": {"vocab_size": 2003, "role": "item"},
    "colour": {"vocab_size": 12},
    "price": {"kind": "dense"},
    "tags": {"kind": "multi_id", "vocab_size": 20},
}
RNG = np.random.default_rng(0)
EFFECTS = {"item": RNG.normal(size=2003), "colour": RNG.normal(size=12)}


def draw(size, effect, seed):
    """Return rows whose clicks depend on one feature."""
    rng = np.random.default_rng(seed)
    columns = {
        "item": rng.integers(3, 40, size),
        "colour": rng.integers(3, 12, size),
        "price": rng.normal(size=size),
        "tags": [rng.integers(3, 20, rng.integers(0, 4)).tolist() for _ in range(size)],
    }
    logit = {
        "item": EFFECTS["item"][columns["item"]],
        "colour": EFFECTS["colour"][columns["colour"]],
        "price": np.abs(columns["price"]) * 3 - 2,
        "tags": np.array([3.0 * (5 in tags) - 1 for tags in columns["tags"]]),
    }[effect]
    click = (rng.random(size) < 1 / (1 + np.exp(-logit * 2))).astype(float)
    return pl.DataFrame({**columns, "click": click})


def fitted(baseline, effect):
    schema = Schema.from_dict({"features": FEATURES, "tasks": {"click": {}}})
    data = table_data(schema, **{split: draw(3000, effect, i) for i, split in enumerate(("train", "validate", "test"))})
    told = []
    baseline.fit(data, "click", told.append)
    parts = [(baseline.predict(b), b.labels["click"]) for b in data.scan("test", baseline.columns)]
    return auc(*(torch.cat(column) for column in zip(*parts, strict=True))), told


@pytest.mark.parametrize("effect", ["item", "colour", "tags"])
def test_logistic_regression_finds_ids_and_lists(effect):
    assert fitted(LogisticBaseline(10**6), effect)[0] > 0.7


@pytest.mark.parametrize("effect", ["colour", "price", "tags"])
def test_trees_find_small_ids_numbers_and_lists(effect):
    assert fitted(BoostingBaseline(10**6, 0), effect)[0] > 0.7


def test_trees_say_which_ids_they_leave_out():
    assert "left out, tables above 1,000 ids: item" in fitted(BoostingBaseline(10**6, 0), "colour")[1]


def test_a_sample_of_the_rows_is_told():
    _, told = fitted(LogisticBaseline(500), "colour")
    assert any("500 rows, a uniform sample of 3,000 (--max_rows)" in line for line in told)


def test_columns_in_memory_hold_what_batches_hold():
    schema = Schema.from_dict({"features": FEATURES, "tasks": {"click": {}}})
    data = table_data(schema, train=draw(100, "item", 0), validate=draw(9, "item", 1))
    rows = collect(data, "train", "click", list(FEATURES), max_rows=1000, report=print)
    (batch,) = data.scan("train")
    encode = SparseColumns(schema, batch)
    assert rows.features["item"].element_size() == 2
    assert (encode(rows) != encode(batch)).nnz == 0


def test_one_hot_columns_of_every_kind_of_feature_stand_side_by_side():
    schema = tiny_schema()
    batch = random_batch(schema, num_requests=6, missing=0.0)
    dense = SparseColumns(schema, batch)(batch).toarray()
    assert dense.shape == (6, 23 + 2 + 11 + 13 + 31 + 4 + 27 + 6)
    names = list(schema.features)
    start = sum(width(schema.features[name]) for name in names[: names.index("item")])
    assert dense[:, start : start + 31].argmax(1).tolist() == batch.features["item"].tolist()


def width(feature):
    return feature.num_ids if feature.is_embedded else 2 * feature.width


LEARNERS = [LogisticBaseline(10**6), BoostingBaseline(10**6, 0), DINBaseline(0)]


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: type(learner).__name__)
def test_a_baseline_is_not_offered_where_no_validation_label_is_known(learner):
    schema = Schema.from_dict({"features": FEATURES, "tasks": {"click": {}}})
    unknown = draw(20, "item", 1).with_columns(click=pl.lit(None, pl.Float64))
    data = table_data(schema, train=draw(100, "item", 0), validate=unknown)
    with pytest.raises(NotOfferedError, match="no row of 'validate' has a known label of 'click'"):
        learner.fit(data, "click", print)


def test_logistic_regression_is_not_offered_where_all_labels_are_the_same():
    schema = Schema.from_dict({"features": FEATURES, "tasks": {"click": {}}})
    clicked = draw(100, "item", 0).with_columns(click=pl.lit(1.0))
    with pytest.raises(NotOfferedError, match="are the same"):
        LogisticBaseline(10**6).fit(table_data(schema, train=clicked, validate=clicked), "click", print)


def test_trees_are_not_offered_for_large_ids_alone():
    schema = Schema.from_dict({"features": {"item": FEATURES["item"]}, "tasks": {"click": {}}})
    rows = draw(100, "item", 0)
    with pytest.raises(NotOfferedError, match="above 1,000"):
        BoostingBaseline(10**6, 0).fit(table_data(schema, train=rows, validate=rows), "click", print)


def test_trees_take_features_of_any_name():
    schema = Schema.from_dict(
        {"features": {"a:b": {"vocab_size": 12}, "x,y[0]": {"kind": "dense"}}, "tasks": {"click": {}}}
    )
    rows = draw(100, "colour", 0).rename({"colour": "a:b", "price": "x,y[0]"})
    trees = BoostingBaseline(10**6, 0)
    trees.fit(table_data(schema, train=rows, validate=rows), "click", print)
    assert trees.note.endswith("trees")

"""The counting baseline finds planted rates, needs no tuning, and sees no label it should not."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch

from hyrec.baselines import CountingBaseline
from hyrec.batch import Batch
from hyrec.metrics import GAUC
from hyrec.metrics.functional import auc, log_loss
from hyrec.schema import Feature, Schema, Task

KUAIRAND = Path(__file__).parents[4] / "shared/data/kuairand-pure/log_standard_0425_0504.parquet"

SCHEMA = Schema(
    features={
        "item": Feature(vocab_size=53, role="item"),
        "brand": Feature(vocab_size=8, role="item"),
        "user": Feature(vocab_size=203, role="user"),
        "page": Feature(vocab_size=7, role="context"),
        "hour": Feature(vocab_size=27, role="context"),
        "age": Feature(kind="dense", role="user"),
        "tags": Feature(kind="multi_id", vocab_size=10, role="item"),
    },
    tasks={"click": Task()},
)


def effect(num_ids, scale):
    rng = torch.Generator().manual_seed(num_ids)
    return scale * torch.randn(num_ids + 3, generator=rng, dtype=torch.float64)


EFFECTS = {"item": effect(50, 0.8), "user": effect(200, 0.5), "page": effect(4, 0.7)}


def draw(num_rows, seed):
    """Return a batch of rows with clicks drawn from planted effects, and the true probabilities."""
    rng = torch.Generator().manual_seed(seed)

    def ids(num_ids):
        return torch.randint(3, num_ids + 3, (num_rows,), generator=rng)

    features = {"item": ids(50), "user": ids(200), "page": ids(4), "hour": ids(24)}
    features["brand"] = features["item"] % 5 + 3
    true = sum((EFFECTS[name][features[name]] for name in EFFECTS), torch.tensor(-1.0)).sigmoid()
    label = (torch.rand(num_rows, generator=rng, dtype=torch.float64) < true).float()
    return Batch(features, {}, {"click": label}, num_rows), true


def pick(batch, rows):
    return Batch(
        {name: ids[rows] for name, ids in batch.features.items()},
        {},
        {task: label[rows] for task, label in batch.labels.items()},
        len(rows),
        weights=None if batch.weights is None else batch.weights[rows],
    )


def test_it_comes_close_to_the_true_probabilities():
    train, _ = draw(20_000, seed=1)
    test, true = draw(5_000, seed=2)
    label = test.labels["click"]
    scores = CountingBaseline(SCHEMA, "click").fit([train]).predict(test)
    assert scores.shape == (5_000,)
    assert auc(true, label) - 0.01 < auc(scores, label) < auc(true, label) + 0.002
    assert log_loss(scores, label) < log_loss(true, label) + 0.01


def test_of_each_role_the_feature_that_explains_most_is_used():
    train, _ = draw(20_000, seed=1)
    baseline = CountingBaseline(SCHEMA, "click").fit([train])
    assert [(f.role, f.name) for f in baseline.counted] == [
        ("item", "item"),
        ("user", "user"),
        ("context", "page"),
    ]


def test_columns_name_all_that_must_be_read():
    train, _ = draw(4_000, seed=1)
    baseline = CountingBaseline(SCHEMA, "click")
    assert sorted(baseline.columns) == ["brand", "hour", "item", "page", "user"]
    needed = Batch({name: train.features[name] for name in baseline.columns}, {}, train.labels, 4_000)
    assert baseline.fit([needed]).columns == ["item", "user", "page"]
    chosen = Batch({name: train.features[name] for name in baseline.columns}, {}, {}, 4_000)
    assert torch.equal(baseline.predict(chosen), baseline.predict(train))


def test_the_estimated_spread_is_that_of_the_planted_rates():
    rng = torch.Generator().manual_seed(0)
    rates = 0.2 + 0.2 * torch.rand(2003, generator=rng, dtype=torch.float64)  # variance 0.2**2 / 12
    items = torch.randint(3, 2003, (20_000,), generator=rng)
    label = (torch.rand(20_000, generator=rng, dtype=torch.float64) < rates[items]).float()
    schema = Schema(features={"item": Feature(vocab_size=2003, role="item")}, tasks={"click": Task()})
    (item,) = CountingBaseline(schema, "click").fit([Batch({"item": items}, {}, {"click": label}, 20_000)]).counted
    assert item.spread == pytest.approx(0.2**2 / 12, rel=0.25)
    assert item.damping == pytest.approx(0.3 * 0.7 / item.spread - 1, rel=0.05)


def test_a_feature_without_influence_moves_no_prediction():
    train, _ = draw(20_000, seed=1)
    baseline = CountingBaseline(SCHEMA, "click", features=["item", "hour"]).fit([train])
    noon, midnight = (pick(train, torch.arange(5)) for _ in range(2))
    noon.features["hour"], midnight.features["hour"] = torch.full((5,), 15), torch.full((5,), 3)
    gap = (baseline.predict(noon) - baseline.predict(midnight)).abs().max()
    assert gap < 0.02


def test_a_row_does_not_see_its_own_label():
    """Every user occurs twice and users carry no signal: counting must not trust users."""
    rng = torch.Generator().manual_seed(0)
    users, label = torch.arange(3, 4003) // 2 + 2, torch.randint(0, 2, (4000,), generator=rng).float()
    schema = Schema(features={"user": Feature(vocab_size=3000, role="user")}, tasks={"click": Task()})
    train = Batch({"user": users}, {}, {"click": label}, 4000)
    baseline = CountingBaseline(schema, "click", damping=1.0).fit([train])
    assert abs(baseline.counted[0].weight) < 0.2
    assert (baseline.predict(train) - 0.5).abs().max() < 0.06


@pytest.mark.parametrize("sizes", [[4_000], [1, 999, 0, 3_000]])
def test_any_batching_gives_the_same_baseline(sizes):
    train, _ = draw(4_000, seed=1)
    batches = (pick(train, rows) for rows in torch.arange(4_000).split(sizes))
    expected = CountingBaseline(SCHEMA, "click").fit([train]).predict(train)
    assert torch.allclose(CountingBaseline(SCHEMA, "click").fit(batches).predict(train), expected, atol=1e-6)


def test_unknown_labels_are_left_out_and_counted():
    train, _ = draw(4_000, seed=1)
    expected = CountingBaseline(SCHEMA, "click").fit([pick(train, torch.arange(3_000))]).predict(train)
    train.labels["click"][3_000:] = float("nan")
    baseline = CountingBaseline(SCHEMA, "click").fit([train])
    assert (baseline.num_rows, baseline.num_unknown) == (3_000, 1_000)
    assert torch.allclose(baseline.predict(train), expected, atol=1e-6)


def test_rows_of_weight_zero_count_nothing():
    train, _ = draw(4_000, seed=1)
    expected = CountingBaseline(SCHEMA, "click").fit([pick(train, torch.arange(2_000))]).predict(train)
    train.weights = (torch.arange(4_000) < 2_000).float()
    assert torch.allclose(CountingBaseline(SCHEMA, "click").fit([train]).predict(train), expected, atol=1e-6)


def test_ids_that_training_never_saw_have_the_global_rate():
    train, _ = draw(4_000, seed=1)
    unseen = Batch({name: torch.ones(1, dtype=torch.int64) for name in train.features}, {}, {}, 1)
    baseline = CountingBaseline(SCHEMA, "click").fit([train])
    assert baseline.predict(unseen).logit().item() == pytest.approx(baseline.bias)


def test_long_logs_keep_a_sample_for_the_weights(monkeypatch):
    monkeypatch.setattr("hyrec.baselines.counting.MAX_SAMPLE", 1_000)
    train, _ = draw(20_000, seed=1)
    test, true = draw(5_000, seed=2)
    batches = (pick(train, rows) for rows in torch.arange(20_000).split(500))
    scores = CountingBaseline(SCHEMA, "click").fit(batches).predict(test)
    assert auc(scores, test.labels["click"]) > auc(true, test.labels["click"]) - 0.02


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "clik"}, "Did you mean 'click'"),
        ({"features": ["iten"]}, "Did you mean 'item'"),
        ({"features": ["age"]}, "'age' of kind 'dense'"),
        ({"features": []}, "nothing to count"),
        ({"damping": 0.0}, "damping must be above 0"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(ValueError, match=words):
        CountingBaseline(SCHEMA, **{"task": "click", **options})


def test_data_that_cannot_be_counted_is_refused():
    train, _ = draw(100, seed=1)
    with pytest.raises(RuntimeError, match="call fit"):
        CountingBaseline(SCHEMA, "click").predict(train)
    with pytest.raises(ValueError, match="needs rows of both labels: got 0 rows"):
        CountingBaseline(SCHEMA, "click").fit([])
    train.features["item"] = torch.full((100,), 53)
    with pytest.raises(ValueError, match="'item' has ids from 53 to 53; the schema allows 0 to 52"):
        CountingBaseline(SCHEMA, "click").fit([train])
    del train.features["item"]
    with pytest.raises(ValueError, match="lacks the counted feature 'item'"):
        CountingBaseline(SCHEMA, "click").fit([train])
    train.labels["click"][:] = 1.0
    with pytest.raises(ValueError, match="rows of both labels"):
        CountingBaseline(SCHEMA, "click", features=["user"]).fit([train])


@pytest.mark.skipif(not KUAIRAND.is_file(), reason=f"the KuaiRand-Pure log is not at {KUAIRAND}")
def test_on_kuairand_it_reaches_the_known_yardstick():
    """Train 25 April - 2 May, test 4 May: counting by hand-chosen damping gives AUC 0.721 and GAUC 0.626."""
    columns = ["video_id", "user_id", "tab", "is_click", "date"]
    log = pl.read_parquet(KUAIRAND, columns=columns).with_columns(
        pl.col("video_id", "user_id", "tab").rank("dense").cast(pl.Int64) + 2
    )
    roles = {"video_id": "item", "user_id": "user", "tab": "context"}
    features = {name: Feature(vocab_size=log[name].max() + 1, role=role) for name, role in roles.items()}
    schema = Schema(features=features, tasks={"is_click": Task()})

    def batch(rows):
        labels = {"is_click": rows["is_click"].cast(pl.Float32).to_torch()}
        return Batch({name: rows[name].to_torch() for name in roles}, {}, labels, len(rows))

    train = batch(log.filter(pl.col("date") <= 20220502))
    test = batch(log.filter(pl.col("date") == 20220504))
    label = test.labels["is_click"]
    scores = CountingBaseline(schema, "is_click").fit([train]).predict(test)
    assert auc(scores, label).item() == pytest.approx(0.7274, abs=0.001)
    by_user = GAUC()
    by_user.update(scores, label, test.features["user_id"])
    assert by_user.compute().item() == pytest.approx(0.6259, abs=0.002)
    assert (by_user.details()["num_groups"], by_user.details()["num_rows"]) == (2_201, 7_863)

"""Rates that move see every earlier row and nothing else; frozen ones see training alone."""

import numpy as np
import polars as pl
import pytest

from hyrec.baselines import NotOfferedError
from hyrec.baselines.rates import FrozenRates, MovingRates, earlier_sums
from hyrec.data.tables import table_data
from hyrec.schema import Schema

SCHEMA = Schema.from_dict(
    {
        "features": {"item": {"vocab_size": 8, "role": "item"}},
        "tasks": {"click": {}},
        "time_column": "time",
    }
)
TRAIN = pl.DataFrame(
    {"item": [3, 3, 3, 3, 4, 4, 4, 4], "click": [1, 0, 0, 1, 0, 0, 1, 0], "time": [1.6e9 + i for i in range(8)]}
)


def rows(*lines):
    return pl.DataFrame(
        {
            "item": [i for i, _, _ in lines],
            "click": [c for _, c, _ in lines],
            "time": [1.6e9 + 100 + t for _, _, t in lines],
        },
        schema={"item": pl.Int64, "click": pl.Float64, "time": pl.Float64},
    )


def scores(baseline, test, validate=((3, 1, 0),), schema=SCHEMA, train=TRAIN):
    data = table_data(schema, train=train, validate=rows(*validate), test=rows(*test))
    baseline.fit(data, "click", print)
    return np.concatenate([baseline.predict(batch).numpy() for batch in data.scan("test", baseline.columns)])


def test_sums_of_earlier_rows_equal_a_loop():
    rng = np.random.default_rng(0)
    ids, time, values = rng.integers(0, 5, 200), rng.integers(0, 30, 200).astype(float), rng.random((200, 2))
    slow = [values[(ids == i) & (time < t)].sum(0) for i, t in zip(ids, time, strict=True)]
    np.testing.assert_allclose(earlier_sums(ids, time, values), slow, atol=1e-12)


def test_a_moving_rate_rises_after_a_click():
    before, after = scores(MovingRates(), [(4, 1, 1), (4, 0, 2)])
    assert after > before


def test_a_moving_rate_knows_the_validation_rows():
    (clicked,), (none) = scores(MovingRates(), [(3, 0, 9)], [(3, 1, 0)] * 5), scores(MovingRates(), [(3, 0, 9)])
    assert clicked > none[0]


def test_rows_of_one_moment_do_not_see_each_other():
    first, second = scores(MovingRates(), [(4, 1, 1), (4, 0, 1)])
    assert first == second


def test_a_row_without_a_label_moves_no_rate():
    first, second = scores(MovingRates(), [(4, None, 1), (4, 0, 2)])
    assert first == second


def test_a_frozen_rate_stays_after_a_click():
    before, after = scores(FrozenRates(), [(4, 1, 1), (4, 0, 2)])
    assert before == after


def test_rates_that_move_need_times():
    schema = Schema.from_dict({k: v for k, v in SCHEMA.to_dict().items() if k != "time_column"})
    with pytest.raises(NotOfferedError, match="no time_column"):
        scores(MovingRates(), [(4, 1, 1)], schema=schema)


def test_counting_is_not_offered_where_all_labels_are_the_same():
    with pytest.raises(NotOfferedError, match="both labels"):
        scores(FrozenRates(), [(4, 1, 1)], train=rows((4, 1, 0), (5, 1, 0)))

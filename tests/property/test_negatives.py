"""Drawn items against a loop over every row, item and draw: few items and many ties, so that users take all of them."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyrec.data.logs.sampling import TRIES, Sampler

ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 4), st.booleans()), min_size=1, max_size=14
).filter(lambda rows: any(train for *_, train in rows))
WORD = 2**64


def mixed(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) % WORD
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % WORD
    return x ^ (x >> 31)


def number(seed: int, row: int, attempt: int) -> float:
    step = 0x9E3779B97F4A7C15
    of_row = mixed((mixed(seed) + row * step) % WORD)
    return (mixed((of_row + attempt * step) % WORD) >> 11) / 2**53


def slow(rows: list[tuple], row: int, count: int, by_popularity: bool, seed: int) -> list[int]:
    user, _, time, _ = rows[row]
    held = Counter(item for _, item, _, train in rows if train)
    weights = {item: held[item] if by_popularity else 1 for item in sorted(held)}
    taken = {item for u, item, t, _ in rows if u == user and t <= time}
    chosen: list[int] = []
    for attempt in range(TRIES * count):
        place = int(number(seed, row, attempt) * sum(weights.values()))
        picked = next(item for item in weights if (place := place - weights[item]) < 0)
        if picked not in taken and picked not in chosen and len(chosen) < count:
            chosen.append(picked)
    arrival = {
        item: -math.log1p(-number(seed, row, TRIES * count + i)) / weights[item] for i, item in enumerate(weights)
    }
    rest = sorted((item for item in weights if item not in taken and item not in chosen), key=arrival.__getitem__)
    return chosen + rest[: count - len(chosen)]


def sampler(rows: list[tuple], count: int, by_popularity: bool, seed: int) -> Sampler:
    user, item, time, train = (np.array(column) for column in zip(*rows, strict=True))
    codes = user.astype(np.uint32), item.astype(np.uint32)
    return Sampler(*codes, time, train, count=count, by_popularity=by_popularity, seed=seed)


@pytest.mark.parametrize("by_popularity", [False, True])
@given(ROWS, st.integers(1, 4), st.integers(0, 2**63 - 1))
@settings(max_examples=60, deadline=None)
def test_draws_are_those_of_a_loop(by_popularity, rows, count, seed):
    of_row, items = sampler(rows, count, by_popularity, seed).draw(np.arange(len(rows), dtype=np.uint32))
    for row in range(len(rows)):
        assert items[of_row == row].tolist() == slow(rows, row, count, by_popularity, seed)


@given(ROWS, st.integers(0, 13))
@settings(max_examples=40, deadline=None)
def test_draws_do_not_depend_on_which_rows_are_drawn_for_together(rows, cut):
    drawn = sampler(rows, 2, True, 7)
    every = np.arange(len(rows), dtype=np.uint32)
    parts = [drawn.draw(part) for part in (every[:cut], every[cut:])]
    for whole, pieces in zip(drawn.draw(every), zip(*parts, strict=True), strict=True):
        assert whole.tolist() == np.concatenate(pieces).tolist()


@pytest.mark.parametrize(("by_popularity", "shares"), [(False, [1 / 3] * 3), (True, [0.1, 0.3, 0.6])])
def test_items_are_drawn_alike_or_as_often_as_training_rows_hold_them(by_popularity, shares):
    training = [(1, item, 0, True) for item, rows in ((0, 100), (1, 300), (2, 600)) for _ in range(rows)]
    others = [(2, 3, 9, False)] * 20_000  # users who took nothing that trains, and an item that does not
    drawn = sampler(training + others, 1, by_popularity, 3)
    _, items = drawn.draw(np.arange(1000, 21_000, dtype=np.uint32))
    assert np.bincount(items) / len(items) == pytest.approx(shares, abs=0.015)

"""Which rows train, validate and test, against loops over moments: ties are the rule, and are never parted."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hyrec.data.logs import Recipe, build

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=16)
SHARES = st.sampled_from(["0.0", "0.1", "0.3", "0.34", "0.5"])
SPLITS = ("train", "validate", "test")


def splits_of(rows: list[tuple[int, int]], split: dict) -> list[str]:
    """Return the split of each row, by the files of a build."""
    log = pl.DataFrame(
        {
            "user": [user for user, _ in rows],
            "item": list(range(len(rows))),
            "time": [1_700_000_000 + time for _, time in rows],
            "click": [1] * len(rows),
        }
    )
    recipe = {
        "log": {"files": ["log.parquet"], "user": "user", "item": "item", "time": "time", "outcomes": []},
        "split": split,
        "tasks": {"click": {}},
        "features": {"user": {}},
    }
    with TemporaryDirectory() as folder:
        log.write_parquet(Path(folder) / "log.parquet")
        build(Recipe.from_dict(recipe), folder, Path(folder) / "out")
        parts = {name: pl.read_parquet(Path(folder) / "out" / f"{name}.parquet")["item"] for name in SPLITS}
    found = {item: name for name, items in parts.items() for item in items}
    return [found[i] for i in range(len(rows))]


def latest(times: list[int], share: str) -> set[int]:
    """Return as few of the latest moments as hold the share of the rows."""
    taken: set[int] = set()
    for moment in sorted({*times}, reverse=True):
        if sum(time in taken for time in times) >= Fraction(share) * len(times):
            break
        taken.add(moment)
    return taken


def by_shares(times: list[int], validate: str, test: str) -> list[str]:
    tested = latest(times, test)
    of_all = Fraction(validate) * len(times)
    validated: set[int] = set()
    for moment in sorted({*times} - tested, reverse=True):
        if sum(time in validated for time in times) >= of_all:
            break
        validated.add(moment)
    return ["test" if t in tested else "validate" if t in validated else "train" for t in times]


def by_last_moments(rows: list[tuple[int, int]]) -> list[str]:
    found = []
    for user, time in rows:
        moments = sorted({t for u, t in rows if u == user})
        place = {moments[-1]: "test", moments[-2]: "validate"} if len(moments) >= 3 else {}
        found.append(place.get(time, "train"))
    return found


@given(ROWS, SHARES, SHARES)
@settings(max_examples=40, deadline=None)
def test_shares_are_the_latest_whole_moments_that_hold_them(rows, validate, test):
    assume(0 < float(validate) + float(test) < 1)
    expected = by_shares([time for _, time in rows], validate, test)
    assume("train" in expected)
    assert splits_of(rows, {"validate_share": float(validate), "test_share": float(test)}) == expected


@given(ROWS)
@settings(max_examples=40, deadline=None)
def test_the_last_moments_of_each_user_test_and_validate(rows):
    expected = by_last_moments(rows)
    assume("train" in expected)
    assert splits_of(rows, {"leave_one_out": "user"}) == expected


@given(ROWS)
@settings(max_examples=20, deadline=None)
def test_one_moment_of_a_user_tests_and_one_validates_both_later_than_all_that_train(rows):
    assume("train" in by_last_moments(rows))
    moments = defaultdict(lambda: defaultdict(set))
    for (user, time), split in zip(rows, splits_of(rows, {"leave_one_out": "user"}), strict=True):
        moments[user][split].add(time)
    for parts in moments.values():
        if {*parts} != {"train"}:
            assert len(parts["validate"]) == len(parts["test"]) == 1
            assert max(parts["train"]) < min(parts["validate"]) < min(parts["test"])

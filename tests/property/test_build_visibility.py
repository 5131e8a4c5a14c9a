"""What an impression sees of a log, against a loop over every pair of rows: logged days, delays and time zones."""

from __future__ import annotations

import copy
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hyrec.data.logs import Recipe, build

HOUR, START = 3600, 1_682_553_600  # 27 April 2023, 00:00 UTC; the clocks of Cairo go forward at the next midnight
RECIPE = yaml.safe_load("""
log: {files: [log.parquet], user: user, item: item, time: time, outcomes: [click, row]}
tasks: {click: {}}
features: {item: {}}
counters: {clicks: {keys: [user], positive: [{column: click}], values: [rate, count, age], strength: 1}}
sequences: {seen: {max_length: 99, features: {row: {kind: dense}}}}
""")
# Few users, whole hours and half of them twice: ties between an impression and events are the rule.
ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 70), st.integers(-1, 1), st.booleans()), min_size=1, max_size=14
)


def midnight(day: int, zone: str) -> int:
    """Return the first moment of a day, as 20230428, by trying every half hour."""
    wanted = datetime.strptime(str(day), "%Y%m%d").date()
    around = int(datetime.strptime(str(day), "%Y%m%d").timestamp()) // HOUR * HOUR
    moments = range(around - 30 * HOUR, around + 30 * HOUR, HOUR // 2)
    return next(t for t in moments if datetime.fromtimestamp(t, ZoneInfo(zone)).date() >= wanted)


def day_of(time: int, zone: str) -> int:
    return int(datetime.fromtimestamp(time, ZoneInfo(zone)).strftime("%Y%m%d"))


def slow(rows: list[tuple], refresh: str, delay: int, zone: str, validate_from: int) -> list[list[int]]:
    """Return the rows that each row sees, oldest first; of rows the logged day decides which train."""
    seen, frozen = [], midnight(validate_from, zone)
    for user, time, day, _ in rows:
        limit, visible = time - delay, [True] * len(rows)
        known = [t for _, t, _, _ in rows]
        if refresh == "day":
            limit = min(limit, midnight(day, zone))
            known = [max(t, midnight(d, zone)) for _, t, d, _ in rows]
        if refresh == "train":
            visible = [d < validate_from for _, _, d, _ in rows]
            limit = limit if day < validate_from else min(limit, frozen - delay)
        events = [(rows[i][1], i) for i in range(len(rows)) if rows[i][0] == user and known[i] < limit and visible[i]]
        assert all(t < time - delay for t, _ in events)
        if refresh == "day":
            assert all(rows[i][2] < day for _, i in events)
        seen.append([i for _, i in sorted(events)])
    return seen


@pytest.mark.parametrize("refresh", ["event", "day", "train"])
@pytest.mark.parametrize("logged", [True, False], ids=["logged days", "days of the time"])
@given(
    ROWS,
    st.sampled_from([0, HOUR, 30 * HOUR]),
    st.sampled_from(["UTC", "Africa/Cairo", "Asia/Shanghai"]),
    st.sampled_from([20230428, 20230429, 20230510]),
)
@settings(max_examples=25, deadline=None)
def test_rows_see_what_a_loop_over_all_pairs_finds(refresh, logged, drawn, delay, zone, validate_from):
    times = sorted((START + hours * HOUR, user, shift, click) for user, hours, shift, click in drawn)
    rows = [(u, t, day_of(t + (shift * 12 * HOUR if logged else 0), zone), c) for t, u, shift, c in times]
    assume(any(day < validate_from for _, _, day, _ in rows))
    log = pl.DataFrame(
        {
            "user": [u for u, *_ in rows],
            "item": list(range(len(rows))),
            "time": [t for _, t, *_ in rows],
            "day": [d for _, _, d, _ in rows],
            "click": [int(c) for *_, c in rows],
            "row": [float(i) for i in range(len(rows))],
        }
    )
    recipe = copy.deepcopy(RECIPE)
    recipe["log"] |= {"delay": delay, "time_zone": zone, **({"day": "day"} if logged else {})}
    recipe["split"] = {"validate_from": str(validate_from), "test_from": str(validate_from + 1)}
    recipe["counters"]["clicks"]["refresh"] = recipe["sequences"]["seen"]["refresh"] = refresh
    with TemporaryDirectory() as folder:
        log.write_parquet(Path(folder) / "log.parquet")
        build(Recipe.from_dict(recipe), folder, Path(folder) / "out")
        parts = [pl.read_parquet(Path(folder) / "out" / f"{split}.parquet") for split in ("train", "validate", "test")]
    built = pl.concat(parts).sort("item")
    expected = slow(rows, refresh, delay, zone, validate_from)
    assert built["s_seen__row"].to_list() == expected
    assert built["f_clicks_count"].to_numpy() == pytest.approx(np.log1p([len(events) for events in expected]))
    positives = np.array([sum(rows[i][3] for i in events) for events in expected])
    rate = (positives + 0.5) / (np.array([len(events) for events in expected]) + 1)
    assert built["f_clicks_rate"].to_numpy() == pytest.approx(np.log(rate / (1 - rate)), abs=1e-5)
    ages = [np.log1p(rows[n][1] - rows[events[-1]][1]) if events else None for n, events in enumerate(expected)]
    assert built["f_clicks_age"].to_list() == [None if age is None else pytest.approx(age, rel=1e-6) for age in ages]

"""What batches of the log layout see, against a loop over every pair of rows: ties, logged days, delays, refreshes."""

from __future__ import annotations

import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hyrec.data.logs import Recipe, build
from hyrec.data.parquet import ParquetData
from hyrec.schema import Schema
from tests.property.test_build_visibility import HOUR, RECIPE, ROWS, START, day_of, midnight, slow
from tests.references.parquet import take_apart

ZONE = "Africa/Cairo"


@pytest.mark.parametrize("refresh", ["event", "day", "train"])
@given(
    ROWS,
    st.sampled_from([0, HOUR, 30 * HOUR]),
    st.sampled_from([20230428, 20230429, 20230510]),
    st.integers(1, 4),
    st.booleans(),
)
@settings(max_examples=8, deadline=None)
def test_batches_hold_the_most_recent_events_that_a_loop_finds(
    refresh, drawn, delay, validate_from, max_length, shuffle
):
    times = sorted((START + hours * HOUR, user, shift, click) for user, hours, shift, click in drawn)
    rows = [(user, time, day_of(time + shift * 12 * HOUR, ZONE), click) for time, user, shift, click in times]
    assume(any(day < validate_from for _, _, day, _ in rows))
    log = pl.DataFrame(rows, schema=["user", "time", "day", "click"], orient="row")
    log = log.with_columns(pl.col("click").cast(pl.Int8), item=pl.int_range(len(rows)), row=pl.int_range(len(rows)))
    recipe = copy.deepcopy(RECIPE)
    recipe["log"] |= {"delay": delay, "time_zone": ZONE, "day": "day"}
    recipe["split"] = {"validate_from": str(validate_from), "test_from": str(validate_from + 1)}
    recipe["sequences"]["seen"] |= {"refresh": refresh, "max_length": max_length}
    recipe["sequences"]["all"] = {"features": {"row": {"kind": "dense"}}}
    found: dict[int, tuple[list[float], list[float]]] = {}
    with TemporaryDirectory() as folder:
        log.write_parquet(Path(folder) / "log.parquet")
        out = Path(folder) / "out"
        build(Recipe.from_dict(recipe), folder, out, row_group_size=4, layout="log")
        for split in ("train", "validate", "test"):
            items = pl.read_parquet(out / f"{split}.parquet")["item"].to_list()
            if not items:
                continue
            options = {"batch_size": 5, "shuffle": shuffle, split: str(out / f"{split}.parquet")}
            data = ParquetData(Schema.load(out / "schema.yaml"), **options)
            for batch in data.loader(split):
                for row, sample in take_apart(batch, data.schema).items():
                    found[items[row]] = sample["seen.row"], sample["all.row"]
    # Which of many events are the most recent is for the order in which they count to say, not for that of their times.
    known = [max(t, midnight(day, ZONE)) if refresh == "day" else t for _, t, day, _ in rows]
    expected = {}
    every = slow(rows, "event", delay, ZONE, validate_from)
    for item, events in enumerate(slow(rows, refresh, delay, ZONE, validate_from)):
        newest = sorted(events, key=lambda event: (known[event], event))[-max_length:]
        expected[item] = sorted(newest), every[item]
    assert found == expected

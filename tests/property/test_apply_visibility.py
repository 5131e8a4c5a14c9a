"""What new rows see of a build's log and of one another: the same as if all had been built at once."""

from __future__ import annotations

import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyrec.data.logs import Recipe, apply, build
from tests.property.test_build_visibility import HOUR, RECIPE, ROWS, START, day_of

RECIPE = copy.deepcopy(RECIPE)
RECIPE["counters"]["leaning"] = {**RECIPE["counters"]["clicks"], "keys": ["user", "day"], "backoff": "clicks"}
RECIPE["sequences"]["clicked"] = {**RECIPE["sequences"]["seen"], "where": [{"column": "click"}], "max_length": 2}
VALIDATE_FROM = 20230428


@pytest.mark.parametrize("refresh", ["event", "day", "train"])
@pytest.mark.parametrize("logged", [True, False], ids=["logged days", "days of the time"])
@given(ROWS, st.sampled_from([0, HOUR, 30 * HOUR]), st.integers(0, 70), st.integers(0, 13))
@settings(max_examples=8, deadline=None)
def test_new_rows_are_encoded_as_if_they_had_been_built_with_the_log(refresh, logged, drawn, delay, hours, number):
    times = sorted((START + hour * HOUR, user, shift, click) for user, hour, shift, click in [*drawn, (0, -1, 0, True)])
    log = pl.DataFrame(
        {
            "user": [user for _, user, *_ in times],
            "item": list(range(len(times))),
            "time": [time for time, *_ in times],
            "day": [day_of(time + (shift * 12 * HOUR if logged else 0), "UTC") for time, _, shift, _ in times],
            "click": [int(click) for *_, click in times],
            "row": [float(i) for i in range(len(times))],
        }
    )
    now = times[1 + number % len(drawn)][0]
    built_until = min(START + hours * HOUR, now)
    # What happened between is known with its labels; what happens now is asked for without.
    earlier, new = log.filter(pl.col("time") < built_until), log.filter(pl.col("time").is_between(built_until, now))
    new = new.with_columns(pl.when(pl.col("time") < now).then(pl.col("click", "row")))
    recipe = copy.deepcopy(RECIPE)
    recipe["log"] |= {"delay": delay, **({"day": "day"} if logged else {})}
    recipe["split"] = {"validate_from": str(VALIDATE_FROM), "test_from": str(VALIDATE_FROM + 1)}
    for part in (*recipe["counters"].values(), *recipe["sequences"].values()):
        part["refresh"] = refresh
    with TemporaryDirectory() as name:
        folder = Path(name)
        for part, rows in {"all": log, "earlier": earlier, "new": new}.items():
            (folder / part).mkdir()
            rows.write_parquet(folder / part / "log.parquet")
        build(Recipe.from_dict(recipe), folder / "all", folder / "whole")
        build(Recipe.from_dict(recipe), folder / "earlier", folder / "built")
        apply(folder / "built", folder / "new", folder / "out")
        splits = [pl.read_parquet(folder / "whole" / f"{split}.parquet") for split in ("train", "validate", "test")]
        found = pl.read_parquet(folder / "out" / "predict.parquet")
    names = [name for name in found.columns if name.startswith(("f_clicks", "f_leaning", "s_"))]
    expected = pl.concat(splits).filter(pl.col("item").is_in(new["item"].implode())).sort("item")
    assert found.sort("item").select(names).equals(expected.select(names))

"""What impressions see of event logs, against loops over every pair of an impression and an event, ties included."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hyrec.data.logs import Recipe, apply, build

START, HOUR, ZONE = 1_682_553_600, 3600, "Asia/Shanghai"  # 27 April 2023, 00:00 UTC
VALIDATE_FROM = int(datetime(2023, 4, 28, tzinfo=ZoneInfo(ZONE)).timestamp())
RECIPE = yaml.safe_load("""
log: {files: [log.csv], user: user, item: item, time: time, outcomes: [click], time_zone: Asia/Shanghai}
split: {validate_from: 2023-04-28, test_from: 2023-04-29}
tasks: {click: {}}
features: {item: {table: item}}
event_logs:
  searches: {files: [search*.csv], user: uid, time: ms, time_unit: ms}
  purchases: {files: [purchases.csv], user: buyer, time: at, time_zone: Asia/Shanghai, names: {item: product}}
  plays: {files: [plays.csv], user: user, time: time, names: {item: track}}
counters:
  plays: {log: plays, keys: [item], positive: [{column: whole}], values: [rate, count, age], strength: 1}
  bought: {log: purchases, keys: [user, item], values: [count]}
sequences:
  shown: {max_length: 2, features: {item: {table: item}}}
  searched: {log: searches, max_length: 99, features: {n: {kind: dense}, query: {table: item}}}
  bought: {log: purchases, max_length: 2, features: {n: {kind: dense}}, where: [{column: product, op: "!=", value: a}]}
  played: {log: plays, max_length: 99, features: {n: {kind: dense}}}
""")
# Few users and half hours of two days: an event and an impression at one moment are the rule.
HALVES = st.integers(0, 96)
IMPRESSIONS = st.lists(st.tuples(st.integers(0, 1), HALVES, st.sampled_from("ab")), min_size=1, max_size=16)
EVENTS = st.lists(
    st.tuples(st.integers(0, 1), HALVES, st.sampled_from("abc"), st.sampled_from([0, 1, 500])), min_size=1, max_size=16
)


class Event(NamedTuple):
    """An event with its time in milliseconds; ``n`` numbers those of a log."""

    user: int
    ms: int
    item: str
    n: int


def events_of(drawn: list[tuple], *, finer: bool) -> list[Event]:
    return [
        Event(user, (START + half * HOUR // 2) * 1000 + (ms if finer else 0), item, n)
        for n, (user, half, item, ms) in enumerate(drawn)
    ]


def slow(events: list[Event], time: int, delay: int, refresh: str) -> list[Event]:
    """Return the events that an impression at a time (seconds) sees, oldest first; of one time in order of ``n``."""
    day = datetime.fromtimestamp(time, ZoneInfo(ZONE)).replace(hour=0, minute=0)
    seen = []
    for event in events:
        visible = event.ms < (time - delay) * 1000
        if refresh == "day":
            visible = visible and event.ms < day.timestamp() * 1000
        if refresh == "train" and time >= VALIDATE_FROM:
            visible = visible and event.ms < (VALIDATE_FROM - delay) * 1000
        if visible:
            seen.append(event)
    return sorted(seen, key=lambda event: (event.ms, event.n))


def write(folder: Path, log: pl.DataFrame, logs: dict[str, list[Event]]) -> Path:
    """Write each log as another team would: milliseconds, local date-times, seconds."""
    folder.mkdir()
    log.write_csv(folder / "log.csv")
    if found := logs["searches"]:
        part = {"uid": [e.user for e in found], "ms": [e.ms for e in found], "query": [e.item for e in found]}
        pl.DataFrame({**part, "n": [e.n for e in found]}).write_csv(folder / "search.csv")
    if found := logs["purchases"]:
        local = [datetime(1970, 1, 1) + timedelta(milliseconds=e.ms, hours=8) for e in found]
        part = {"buyer": [e.user for e in found], "at": [moment.isoformat() for moment in local]}
        pl.DataFrame({**part, "n": [e.n for e in found], "product": [e.item for e in found]}).write_csv(
            folder / "purchases.csv"
        )
    if found := logs["plays"]:
        part = {"user": [e.user for e in found], "time": [e.ms // 1000 for e in found]}
        part |= {"track": [e.item for e in found], "n": [e.n for e in found], "whole": [e.n % 2 for e in found]}
        pl.DataFrame(part).write_csv(folder / "plays.csv")
    return folder


def recipe_with(refresh: str, delay: int) -> Recipe:
    recipe = copy.deepcopy(RECIPE)
    recipe["log"]["delay"] = 7 * HOUR  # of the impressions alone
    recipe["event_logs"]["plays"]["delay"] = delay
    for part in (*recipe["counters"].values(), *recipe["sequences"].values()):
        part["refresh"] = refresh
    return Recipe.from_dict(recipe)


def drawn_log(impressions: list[tuple]) -> pl.DataFrame:
    rows = sorted((START + half * HOUR // 2, user, item) for user, half, item in impressions)
    log = pl.DataFrame({"user": [r[1] for r in rows], "time": [r[0] for r in rows], "item": [r[2] for r in rows]})
    return log.with_columns(click=pl.int_range(pl.len()) % 2)


DELAYS = st.sampled_from([0, HOUR // 2, 30 * HOUR])
LOGS = {"searches": True, "purchases": False, "plays": False}


@pytest.mark.parametrize("refresh", ["event", "day", "train"])
@given(IMPRESSIONS, EVENTS, EVENTS, EVENTS, DELAYS)
@settings(max_examples=6, deadline=None)
def test_impressions_see_what_loops_over_all_events_find(refresh, impressions, searches, purchases, plays, delay):
    log = drawn_log(impressions)
    assume(log["time"][0] < VALIDATE_FROM)
    drawn = zip(LOGS.items(), (searches, purchases, plays), strict=True)
    logs = {name: events_of(events, finer=finer) for (name, finer), events in drawn}
    with TemporaryDirectory() as name:
        folder = Path(name)
        build(recipe_with(refresh, delay), write(folder / "in", log, logs), folder / "out")
        splits = [pl.read_parquet(folder / "out" / f"{split}.parquet") for split in ("train", "validate", "test")]
        words = pl.read_parquet(folder / "out" / "vocabulary" / "item.parquet").sort("id")["value"].to_list()
    fit = [i for t, i in zip(log["time"], log["item"], strict=True) if t < VALIDATE_FROM]
    fit += [event.item for event in logs["searches"] if event.ms < VALIDATE_FROM * 1000]
    assert set(words) == set(fit)
    for row in pl.concat(splits).iter_rows(named=True):
        user, item, time = row["user"], row["item"], row["time"]
        seen = {
            kind: slow([e for e in events if e.user == user], time, delay if kind == "plays" else 0, refresh)
            for kind, events in logs.items()
        }
        assert row["s_searched__n"] == [e.n for e in seen["searches"]]
        assert row["s_searched__time"] == [e.ms // 1000 for e in seen["searches"]]
        ids = [3 + words.index(e.item) if e.item in words else 2 for e in seen["searches"]]
        assert row["s_searched__query"] == ids
        assert row["s_bought__n"] == [e.n for e in seen["purchases"] if e.item != "a"][-2:]
        assert row["s_played__n"] == [e.n for e in seen["plays"]]
        bought = sum(e.item == item for e in seen["purchases"])
        assert row["f_bought_count"] == pytest.approx(np.log1p(bought))
        played = slow([e for e in logs["plays"] if e.item == item], time, delay, refresh)
        assert row["f_plays_count"] == pytest.approx(np.log1p(len(played)))
        rate = (sum(e.n % 2 for e in played) + 0.5) / (len(played) + 1)
        assert row["f_plays_rate"] == pytest.approx(np.log(rate / (1 - rate)), abs=1e-5)
        age = np.log1p(time - max(e.ms for e in played) // 1000) if played else None
        assert row["f_plays_age"] == (None if age is None else pytest.approx(age, rel=1e-6))


@pytest.mark.parametrize("refresh", ["event", "day", "train"])
@given(IMPRESSIONS, EVENTS, EVENTS, EVENTS, DELAYS, HALVES)
@settings(max_examples=3, deadline=None)
def test_new_rows_see_the_events_of_the_build_and_of_new_files(
    refresh, impressions, searches, purchases, plays, delay, halves
):
    log = drawn_log([(0, -1, "a"), *impressions])
    now = log["time"].max()
    built_until = min(START + halves * HOUR // 2, now)
    drawn = zip(LOGS.items(), (searches, purchases, plays), strict=True)
    first = (0, -1, "b", 0)  # so that the build has files, whatever was drawn
    logs = {name: events_of([first, *events], finer=finer) for (name, finer), events in drawn}
    earlier = {name: [e for e in events if e.ms < built_until * 1000] for name, events in logs.items()}
    later = {name: [e for e in events if e.ms >= built_until * 1000] for name, events in logs.items()}
    new = log.filter(pl.col("time").is_between(built_until, now))
    new = new.with_columns(pl.when(pl.col("time") < now).then("click"))
    recipe = recipe_with(refresh, delay)
    with TemporaryDirectory() as name:
        folder = Path(name)
        build(recipe, write(folder / "all", log, logs), folder / "whole")
        build(recipe, write(folder / "earlier", log.filter(pl.col("time") < built_until), earlier), folder / "built")
        apply(folder / "built", write(folder / "new", new, later), folder / "out")
        splits = [pl.read_parquet(folder / "whole" / f"{split}.parquet") for split in ("train", "validate", "test")]
        found = pl.read_parquet(folder / "out" / "predict.parquet")
    expected = pl.concat(splits).filter(pl.col("time") >= built_until)
    names = [
        c for c in found.columns if c.startswith(("f_plays", "f_bought", "s_")) and not c.endswith(("item", "query"))
    ]
    key = ["time", "user", "item"]
    assert found.sort(*key).select(*key, *names).equals(expected.sort(*key).select(*key, *names))

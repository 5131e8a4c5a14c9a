"""The shipped recipe on the real KuaiRand-Pure logs."""

from __future__ import annotations

import time
from pathlib import Path

import polars as pl
import pytest

from hyrec.data.logs import BuildReport, Recipe, apply, build
from hyrec.schema import Schema

ROOT = Path(__file__).parents[2]
LOGS = ROOT.parent / "shared" / "data" / "kuairand-pure"
RECIPE = ROOT / "configs" / "recipes" / "kuairand_pure.yaml"
OUTCOMES = ["is_like", "long_view", "play_time_ms", "profile_stay_time", "comment_stay_time"]

pytestmark = pytest.mark.skipif(
    not (LOGS / "log_standard_0425_0504.parquet").is_file(),
    reason="needs the KuaiRand-Pure extract in ../shared/data/kuairand-pure",
)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BuildReport, float]:
    out, start = tmp_path_factory.mktemp("kuairand"), time.process_time()
    report = build(Recipe.load(RECIPE), LOGS, out)
    return out, report, time.process_time() - start


def test_every_impression_is_in_the_split_of_its_day(result):
    out, report, seconds = result
    log = pl.read_parquet(LOGS / "log_standard_0425_0504.parquet")
    for split, low, high in [("train", 0, 20220502), ("validate", 20220503, 20220503), ("test", 20220504, 20220504)]:
        expected = log.filter(pl.col("date").is_between(low, high))
        rows = pl.read_parquet(out / f"{split}.parquet", columns=["user_id", "video_id", "time_ms", "is_click"])
        assert rows.sort(rows.columns).equals(expected.select(rows.columns).sort(rows.columns))
        assert report.base_rates[split]["click"] == pytest.approx(expected["is_click"].mean())
    assert seconds < 60  # of processor time: other programs on the machine are not what is measured


def test_no_outcome_is_a_column_beside_the_label(result):
    out, _, _ = result
    columns = pl.read_parquet_schema(out / "train.parquet")
    assert not set(OUTCOMES) & set(columns)


def test_real_histories_equal_slow_ones(result):
    out, _, _ = result
    log = pl.read_parquet(LOGS / "log_standard_0425_0504.parquet")
    snapshot = pl.read_parquet(LOGS / "history_until_0424.parquet")
    known = pl.read_parquet(out / "vocabulary" / "video.parquet")
    ids = dict(zip(known["value"], known["id"], strict=True))
    rows = pl.read_parquet(out / "test.parquet", columns=["user_id", "time_ms", "s_impressions__video"])
    for user, moment, got in rows.sample(60, seed=0).iter_rows():
        mine = log.filter((pl.col("user_id") == user) & (pl.col("time_ms") < moment)).sort("time_ms", "video_id")
        listed = snapshot.filter(pl.col("user_id") == user)["watch_seq"].to_list()
        videos = [*(listed[0] if listed else []), *mine["video_id"]][-50:]
        assert got == [ids.get(video, 2) for video in videos]


def test_the_schema_fits_the_files(result):
    out, report, _ = result
    schema = Schema.load(out / "schema.yaml")
    columns = pl.read_parquet_schema(out / "test.parquet")
    assert {f.column for f in schema.features.values()} <= set(columns)
    assert set(schema.sequences) == set(report.history_lengths)
    assert 6 <= len(schema.group_names) <= 12


def test_the_official_csv_names_are_read_and_early_days_take_the_snapshots_place(tmp_path):
    source, out = tmp_path / "official", tmp_path / "out"
    source.mkdir()
    log = pl.read_parquet(LOGS / "log_standard_0425_0504.parquet").filter(pl.col("user_id") < 1500)
    early = log.with_columns(pl.col("time_ms") - 10 * 86_400_000, date=pl.lit(20220415))
    early.write_csv(source / "log_standard_4_08_to_4_21_pure.csv")
    log.write_csv(source / "log_standard_4_22_to_5_08_pure.csv")
    for table in ("user_features_pure.csv", "video_features_basic_pure.csv"):
        (source / table).write_bytes((LOGS / table).read_bytes())
    report = build(Recipe.load(RECIPE), source, out)
    assert report.history_only == early.height
    assert sum(report.splits.values()) == log.height
    first = pl.read_parquet(out / "train.parquet", columns=["s_impressions__time"]).head(200).to_series()
    assert first.list.len().mean() > 3
    assert first.explode().drop_nulls().len() == first.explode().len() - (first.list.len() == 0).sum()


def test_the_last_day_is_encoded_from_a_build_without_it_as_by_the_build_with_it(tmp_path):
    recipe, outcomes = Recipe.load(RECIPE), Recipe.load(RECIPE).outcomes
    log = pl.read_parquet(LOGS / "log_standard_0425_0504.parquet").filter(pl.col("user_id") < 500)
    known = log.with_columns(pl.when(pl.col("time_ms") < log["time_ms"].max()).then(pl.col(outcomes)))
    parts = {
        "all": log,
        "early": log.filter(pl.col("date") < 20220504),
        "new": known.filter(pl.col("date") == 20220504),
    }
    for name, rows in parts.items():
        (tmp_path / name).mkdir()
        rows.write_parquet(tmp_path / name / "log_standard_0425_0504.parquet")
        for other in ("history_until_0424.parquet", "user_features_pure.csv", "video_features_basic_pure.csv"):
            if name != "new":
                (tmp_path / name / other).symlink_to(LOGS / other)
    for name in ("all", "early"):
        build(recipe, tmp_path / name, tmp_path / f"{name}-built")
    apply(tmp_path / "early-built", tmp_path / "new", tmp_path / "out")
    expected = pl.read_parquet(tmp_path / "all-built" / "test.parquet").drop("is_click", "user_id_day")
    found = pl.read_parquet(tmp_path / "out" / "predict.parquet").select(expected.columns)
    key = ["time_ms", "user_id", "video_id"]
    assert found.sort(key).equals(expected.sort(key))

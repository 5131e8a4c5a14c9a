"""Which files are profiled as which split, and what the figures count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from hyrec.cli.profile import as_text
from hyrec.data.parquet.policy import DataError
from hyrec.data.profiling import find_sources, profile
from hyrec.data.profiling.drift import id_drift
from hyrec.data.profiling.rows import IdCounts
from hyrec.data.simulation.files import simulate
from hyrec.data.simulation.spec import SimulatorSpec
from hyrec.schema import Schema
from tests.unit.data.profiling.logs import log, schema, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("log"), log())


def test_names_of_files_say_their_splits(folder: Path) -> None:
    files = [str(folder / f"{split}.parquet") for split in ("test", "train", "validate")]
    assert list(find_sources(files, str(folder / "schema.yaml")).splits) == ["train", "validate", "test"]


def test_a_folder_may_hold_folders_of_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for part in ("a", "b"):
        (tmp_path / "train" / f"{part}.parquet").write_bytes((folder / "train.parquet").read_bytes())
    (tmp_path / "schema.yaml").write_bytes((folder / "schema.yaml").read_bytes())
    assert profile(find_sources([str(tmp_path)]), 0).splits["train"].rows == 2400


def test_rates_of_days_and_of_values_are_those_of_the_rows(folder: Path) -> None:
    found, frame = profile(find_sources([str(folder)]), 0), pl.read_parquet(folder / "train.parquet")
    (day,) = found.splits["train"].days
    assert (day.value, day.rows, day.rates["click"]) == ("2026-01-05", 1200, pytest.approx(frame["click"].mean()))
    first = found.slices["tag"]["train"][0]
    rows = frame.filter(pl.col("tag") == 3)
    assert (first.value, first.rows, first.rates["click"]) == ("id 3", rows.height, pytest.approx(rows["click"].mean()))


def test_days_and_moments_are_of_the_zone_of_the_recipe(folder: Path, tmp_path: Path) -> None:
    named = write(tmp_path / "log", log())
    recipe = {
        "log": {"files": [], "user": "u", "item": "i", "time": "t", "outcomes": ["click"]},
        "tasks": {"click": {}},
    }
    recipe["log"]["time_zone"] = "America/New_York"
    split = {"validate_share": 0.1}
    (named / "recipe.yaml").write_text(yaml.safe_dump(recipe | {"split": split, "features": {"i": {}}}))
    found, utc = profile(find_sources([str(named)]), 0), profile(find_sources([str(folder)]), 0).splits["train"]
    train = found.splits["train"]
    there = pl.from_epoch(pl.read_parquet(folder / "train.parquet")["time"], "s").dt.replace_time_zone("UTC")
    there = there.dt.convert_time_zone("America/New_York")
    days = there.dt.date().value_counts(sort=False).sort("time")
    assert [(day.value, day.rows) for day in train.days] == [(str(day), count) for day, count in days.iter_rows()]
    assert len(train.days) == len(utc.days) + 1 == 2
    assert train.begin == there.min().strftime("%Y-%m-%d %H:%M:%S") != utc.begin
    assert "last (America/New_York)" in as_text(found)


def test_values_of_slices_are_those_of_the_vocabulary(folder: Path, tmp_path: Path) -> None:
    named = write(tmp_path / "log", log())
    (named / "vocabulary").mkdir()
    pl.DataFrame({"value": ["music", "sport"], "id": [3, 4]}).write_parquet(named / "vocabulary" / "tag.parquet")
    found = profile(find_sources([str(named)]), 0).slices["tag"]["train"]
    assert [rate.value for rate in found[:3]] == ["music", "sport", "id 5"]


def test_groups_with_both_labels_are_counted(folder: Path) -> None:
    groups = profile(find_sources([str(folder)]), 0).splits["test"].groups
    frame = pl.read_parquet(folder / "test.parquet").group_by("user").agg(pl.col("click").n_unique() == 2, pl.len())
    assert groups is not None
    assert groups.count == frame.height
    assert groups.with_both["click"] == pytest.approx(frame["click"].mean())
    inside = frame.filter("click")["len"].sum() / frame["len"].sum()
    assert groups.rows_in_both["click"] == pytest.approx(inside)


def test_lengths_are_those_before_the_cut(folder: Path) -> None:
    found, lengths = (
        profile(find_sources([str(folder)]), 0),
        pl.read_parquet(folder / "train.parquet")["seen_item"].list.len(),
    )
    seen = found.lengths["seen"]["train"]
    assert (seen.max, seen.empty, seen.full, seen.cut) == pytest.approx(
        (7, (lengths == 0).mean(), (lengths >= 5).mean(), (lengths > 5).mean())
    )
    tags = found.features["tags"].splits["train"].lengths
    assert tags is not None
    assert tags.max == 4
    assert tags.cut > 0


def test_lists_of_events_are_counted_without_what_fills_them(tmp_path: Path) -> None:
    columns, plain = log(), schema().to_dict()
    side = {"kind": "multi_id", "vocab_size": 43, "table": "item", "max_length": 3, "column": "seen_lists"}
    plain["sequences"]["seen"]["features"]["lists"] = side
    for part in columns.values():
        part["seen_lists"] = [[[4, 5], []][: len(ids)] + [[1]] * (len(ids) - 2) for ids in part["seen_item"]]
    folder = write(tmp_path / "log", columns, Schema.from_dict(plain))
    figures = profile(find_sources([str(folder)]), 0).sides["seen.lists"].splits["train"]
    lists = [ids for row in columns["train"]["seen_lists"] for ids in row]
    assert figures.missing == pytest.approx(lists.count([1]) / sum(map(len, lists)), abs=1e-4)
    assert figures.distinct == 2


def test_missing_and_unknown_ids_are_told_apart(tmp_path: Path) -> None:
    columns = log()
    columns["train"]["tag"] = [None] * 120 + [99] * 60 + columns["train"]["tag"][180:].tolist()
    tag = profile(find_sources([str(write(tmp_path / "log", columns))]), 0).features["tag"].splits["train"]
    assert (tag.missing, tag.oov, tag.distinct) == (0.1, 0.05, 10)


def test_ids_that_training_never_saw_are_counted_by_id_and_by_row() -> None:
    before, after = IdCounts(), IdCounts()
    before.add(np.array([3, 3, 4, 5, 1]))
    after.add(np.array([3, 6, 6, 6, 2]))
    drift = id_drift(before, after)
    assert (drift.coverage, drift.new_ids) == (0.5, 0.6)


def test_equal_rows_have_no_drift_and_chance_makes_little(folder: Path) -> None:
    found = profile(find_sources([str(folder)]), 0)
    drifts = [figures.drift for figures in found.features.values() if figures.drift is not None]
    assert len(drifts) == len(found.features)
    assert all(drift.psi < 5 * drift.by_chance for drift in drifts)


def test_tables_cost_what_their_rows_take_and_a_number_a_row(folder: Path) -> None:
    item = profile(find_sources([str(folder)]), 0).tables["item"]
    assert (item.rows, item.weights, item.optimizer) == (43, 43 * 16 * 4, 43 * 4)


def test_requests_are_counted_by_candidates(tmp_path: Path) -> None:
    report = simulate(SimulatorSpec(num_requests=300, num_users=50, num_items=600), tmp_path / "log")
    found = profile(find_sources([str(tmp_path / "log")]), 0)
    sizes = report["files"]["train.parquet"]
    rates = found.splits["train"].rates["click"]
    assert (found.splits["train"].rows, rates) == (sizes["samples"], pytest.approx(sizes["clicks"] / sizes["samples"]))


def test_a_sample_of_many_row_groups_spans_their_whole_time(tmp_path: Path) -> None:
    write(tmp_path / "log", log(2400))
    pl.read_parquet(tmp_path / "log" / "train.parquet").write_parquet(
        tmp_path / "log" / "train.parquet", row_group_size=20
    )
    every, some = (profile(find_sources([str(tmp_path / "log")]), rows).splits["train"] for rows in (0, 800))
    assert 750 <= some.rows_read <= 850
    assert every.begin == some.begin
    assert every.end[:15] == some.end[:15]  # to ten minutes


def test_a_damaged_file_is_told(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "train.parquet"
    broken.write_bytes((folder / "train.parquet").read_bytes()[:1000])
    with pytest.raises(DataError, match=r"train\.parquet is not a readable Parquet file"):
        profile(find_sources([str(broken)], str(folder / "schema.yaml")), 0)


def test_hashed_ids_of_texts_are_profiled(tmp_path: Path) -> None:
    columns, spec = log(), schema()
    for values in columns.values():
        values["tag"] = [f"tag {tag}" for tag in values["tag"]]
    hashed = replace(
        spec, features={**spec.features, "tag": replace(spec.features["tag"], vocab_size=0, hash_size=1000)}
    )
    tag = profile(find_sources([str(write(tmp_path / "log", columns, hashed))]), 0).features["tag"]
    assert tag.splits["train"].distinct == 10


def test_a_feature_that_never_changes_and_one_out_of_vocabulary_are_told(tmp_path: Path) -> None:
    columns = log()
    for values in columns.values():
        values["extra"] = np.ones(1200)
        values["tag"] = [*values["tag"][:800].tolist(), *[99] * 400]
    found = profile(find_sources([str(write(tmp_path / "log", columns))]), 0).findings
    assert [(f.kind, f.where) for f in found] == [("constant_feature", "extra"), ("out_of_vocabulary", "tag")]

"""A profile finds every kind of leak that is planted, and none where there is none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrec.data.profiling import Finding, find_sources, profile
from hyrec.data.simulation.files import simulate
from hyrec.data.simulation.spec import SimulatorSpec
from tests.unit.data.profiling.logs import SPLITS, log, schema, write

Columns = dict[str, Any]


def findings(folder: Path) -> list[Finding]:
    return profile(find_sources([str(folder)]), 0).findings


def nearly(columns: Columns) -> None:
    columns["extra"] = columns["click"] * 5 + columns["extra"]


def far(columns: Columns) -> None:
    columns["extra"] = columns["click"] * 1.6 + columns["extra"]


def hump(columns: Columns) -> None:
    columns["extra"] = np.where(columns["click"], 0.1 * columns["extra"], np.sign(columns["extra"]) * 3)


def tag_of_label(columns: Columns) -> None:
    columns["tag"] = columns["tag"] - 3 + np.where(columns["click"], 3, 8) - (columns["tag"] - 3) // 5 * 5


def tags_of_label(columns: Columns) -> None:
    columns["tags"] = [[3 + int(c), 9] for c in columns["click"]]


def label_itself(columns: Columns) -> None:
    columns["extra"] = 1.0 - columns["click"]


def known_for_positives(columns: Columns) -> None:
    columns["extra"] = [e if c else None for e, c in zip(columns["extra"], columns["click"], strict=True)]


def known_for_some_positives(columns: Columns) -> None:
    kept = np.arange(len(columns["click"])) % 4 == 0
    columns["extra"] = [
        e if c and k else None for e, c, k in zip(columns["extra"], columns["click"], kept, strict=True)
    ]


def missing_tag_for_negatives(columns: Columns) -> None:
    columns["tag"] = [t if c else None for t, c in zip(columns["tag"], columns["click"], strict=True)]


def events_of_positives(columns: Columns) -> None:
    for column in ("seen_item", "seen_time"):
        columns[column] = [e if c else [] for e, c in zip(columns[column], columns["click"], strict=True)]


def later_event(columns: Columns) -> None:
    columns["seen_item"][7], columns["seen_time"][7] = [5], [int(columns["time"][7]) + 60]


def event_at_the_time(columns: Columns) -> None:
    item = 4 if columns["item"][7] != 4 else 5
    columns["seen_item"][7], columns["seen_time"][7] = [item], [int(columns["time"][7])]


def impression_in_history(columns: Columns) -> None:
    for name, own in (("seen_item", "item"), ("seen_time", "time")):
        columns[name] = [[*events, int(value)] for events, value in zip(columns[name], columns[own], strict=True)]


@pytest.mark.parametrize(
    ("plant", "kind", "where"),
    [
        (nearly, "predicts_label", "extra"),
        (far, "predicts_label", "extra"),
        (hump, "predicts_label", "extra"),
        (tag_of_label, "predicts_label", "tag"),
        (tags_of_label, "predicts_label", "tags"),
        (label_itself, "equals_label", "extra"),
        (known_for_positives, "known_by_label", "extra"),
        (known_for_some_positives, "known_by_label", "extra"),
        (missing_tag_for_negatives, "known_by_label", "tag"),
        (events_of_positives, "known_by_label", "sequence seen"),
        (later_event, "late_events", "seen"),
        (event_at_the_time, "late_events", "seen"),
        (impression_in_history, "newest_is_impression", "seen"),
    ],
)
def test_a_planted_leak_is_found_and_nothing_beside_it(
    tmp_path: Path, plant: Callable[[Columns], None], kind: str, where: str
) -> None:
    columns = log()
    for split in SPLITS:
        plant(columns[split])
    leaks = [f for f in findings(write(tmp_path / "log", columns)) if f.is_leak]
    assert (kind, where) in {(leak.kind, leak.where) for leak in leaks}
    # A history that is there for positives alone gives itself away by its length too.
    assert {leak.where.removeprefix("sequence ").partition(" ")[0] for leak in leaks} == {where.rpartition(" ")[2]}


def test_labels_that_never_change_are_found(tmp_path: Path) -> None:
    columns = log()
    columns["validate"]["click"][:] = 1
    leaks = [f for f in findings(write(tmp_path / "log", columns)) if f.is_leak]
    assert [(leak.kind, leak.where) for leak in leaks] == [("constant_label", "validate")]


def test_an_empty_split_is_found(tmp_path: Path) -> None:
    columns = log()
    columns["validate"] = {name: values[:0] for name, values in columns["validate"].items()}
    leaks = [f for f in findings(write(tmp_path / "log", columns)) if f.is_leak]
    assert [(leak.kind, leak.where) for leak in leaks] == [("empty_split", "validate")]


def test_rows_before_the_end_of_training_are_found_and_how_many(tmp_path: Path) -> None:
    columns = log()
    columns["validate"]["time"][:12] = columns["train"]["time"][:12] + 1
    for part in columns["validate"]["seen_time"][:12]:
        part[:] = [0 + time - 10 * 86_400 for time in part]
    leaks = [f for f in findings(write(tmp_path / "log", columns)) if f.is_leak]
    assert [(leak.kind, leak.where, leak.value) for leak in leaks] == [("time_overlap", "validate", 0.01)]


def test_rows_that_were_written_twice_are_found(tmp_path: Path) -> None:
    columns = log()
    for values in columns["train"].values():
        values[100:160] = values[0:60]
    found = [f for f in findings(write(tmp_path / "log", columns)) if f.kind != "time_overlap"]
    assert [(f.kind, f.where, f.value) for f in found] == [("repeated_rows", "train", pytest.approx(0.05))]


def test_an_impression_with_two_outcomes_is_found(tmp_path: Path) -> None:
    columns = log()
    for name, values in columns["train"].items():
        if name != "click":
            values[100:160] = values[0:60]
    columns["train"]["click"][100:160] = 1 - columns["train"]["click"][0:60]
    found = [f for f in findings(write(tmp_path / "log", columns)) if f.where == "train"]
    assert [f.kind for f in found] == ["repeated_impressions"]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_found_in_a_clean_log(tmp_path: Path, seed: int) -> None:
    assert findings(write(tmp_path / "log", log(seed=seed))) == []


@pytest.mark.parametrize("seed", range(2))
def test_no_leak_is_found_in_a_simulated_log(tmp_path: Path, seed: int) -> None:
    simulate(SimulatorSpec(seed=seed, num_requests=1500, num_users=300, num_items=600), tmp_path / "log")
    assert [f for f in findings(tmp_path / "log") if f.is_leak] == []


def test_drift_and_new_ids_are_told_but_are_no_leaks(tmp_path: Path) -> None:
    columns = log()
    columns["test"]["extra"] = columns["test"]["extra"] + 2
    columns["train"]["tag"] = np.minimum(columns["train"]["tag"], 8)
    found = {f.kind: (f.where, f.is_leak) for f in findings(write(tmp_path / "log", columns))}
    assert found == {"drift": ("extra", False), "new_ids": ("tag", False)}


def test_a_leak_is_found_in_a_single_file_by_its_halves(tmp_path: Path) -> None:
    columns = log(2400)
    nearly(columns["train"])
    write(tmp_path / "log", {"train": columns["train"]})
    sources = find_sources([str(tmp_path / "log" / "train.parquet")], str(tmp_path / "log" / "schema.yaml"))
    assert [f.where for f in profile(sources, 0).findings] == ["extra"]


def test_events_that_are_newest_first_are_read_in_their_order(tmp_path: Path) -> None:
    columns, spec = log(), schema()
    for split in SPLITS:
        impression_in_history(columns[split])
        for name in ("seen_item", "seen_time"):
            columns[split][name] = [events[::-1] for events in columns[split][name]]
    turned = replace(spec, sequences={"seen": replace(spec.sequences["seen"], order="newest_first")})
    leaks = [f for f in findings(write(tmp_path / "log", columns, turned)) if f.is_leak]
    assert [leak.kind for leak in leaks] == ["newest_is_impression"]

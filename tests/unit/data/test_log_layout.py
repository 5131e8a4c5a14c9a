"""``--layout log``: events stored once, rows that name ranges of them, and the batches of the flat layout."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyrec.cli.main import main
from hyrec.data.event_file import KEY
from hyrec.data.logs import Recipe, apply, build, extend
from hyrec.data.parquet import ParquetData
from hyrec.data.parquet.policy import DataError, Policies
from hyrec.schema import Schema
from hyrec.testing import check_data
from tests.references.parquet import same, take_apart
from tests.unit.data import test_build_events
from tests.unit.data.test_build_dataset import DAY, LOG, RECIPE, write_logs

SPLITS = ("train", "validate", "test")


def long_log() -> pl.DataFrame:
    """Return three users over four days with candidates of one moment, and rows that a server logged a day late."""
    number = np.arange(240)
    time = number // 3 * 3 * DAY // 80
    columns = {"time": time, "user": number // 3 % 3, "item": list("abcd" * 60), "tab": number % 3 + 1}
    late = (number // 3 % 7 == 0).astype(int)
    more = {"click": number // 2 % 2, "watched": number * 0.5, "day": 19_700_101 + time // DAY + late}
    return pl.DataFrame(columns | more)


def day_recipe() -> dict[str, Any]:
    recipe = copy.deepcopy(RECIPE)
    recipe["log"]["day"] = "day"
    recipe["sequences"]["clicks"] |= {"refresh": "day", "max_length": 9}
    recipe["split"] = {"validate_from": 19700103, "test_from": 19700104}
    return recipe


@pytest.fixture(scope="module", params=["by event", "by day"])
def folder(request, tmp_path_factory) -> Path:
    """Return a folder with the same build in both layouts."""
    folder = tmp_path_factory.mktemp("layouts")
    recipe, log = (RECIPE, LOG) if request.param == "by event" else (day_recipe(), long_log())
    write_logs(folder / "in", log=log)
    for layout in ("flat", "log"):
        build(Recipe.from_dict(recipe), folder / "in", folder / layout, row_group_size=16, layout=layout)
    return folder


def data_of(folder: Path, schema: Schema | None = None, **options: Any) -> ParquetData:
    files = {split: str(folder / f"{split}.parquet") for split in SPLITS}
    return ParquetData(schema or Schema.load(folder / "schema.yaml"), **{"batch_size": 5, **files, **options})


def samples(data: ParquetData, split: str = "train") -> dict[int, dict[str, Any]]:
    return {row: s for batch in data.loader(split) for row, s in take_apart(batch, data.schema).items()}


def test_the_rows_hold_no_lists_of_events_and_each_event_is_stored_once(folder):
    rows = pq.read_schema(folder / "log" / "train.parquet")
    assert {name for name in rows.names if name.startswith("s_")} == {"s_clicks", "s_shown"}
    assert (folder / "log" / "schema.yaml").read_text() == (folder / "flat" / "schema.yaml").read_text()
    with pa.memory_map(str(folder / "log" / "events" / "clicks.arrow")) as file:
        stored = pa.ipc.open_file(file).read_all()
    log = pl.read_parquet(folder / "in" / "log.parquet")
    assert stored.num_rows == log["click"].sum()


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_flat_layout_in_the_same_order(folder, workers):
    options = {"num_workers": workers, "seed": 3, "shuffle_rows": 30}
    flat, log = data_of(folder / "flat", **options), data_of(folder / "log", **options)
    batches = 0
    for expected, got in zip(flat.loader("train"), log.loader("train"), strict=True):
        assert got.row.tolist() == expected.row.tolist()
        left, right = take_apart(got, log.schema), take_apart(expected, flat.schema)
        assert same(left, right)
        assert [events.features[name].dtype for events in got.sequences.values() for name in events.features] == [
            events.features[name].dtype for events in expected.sequences.values() for name in events.features
        ]
        batches += 1
    assert batches
    assert log.counts["train"].as_dict() == flat.counts["train"].as_dict()


def test_event_logs_whose_events_hold_lists_of_ids_are_read_alike(tmp_path):
    tags = {"source": "products", "kind": "multi_id", "separator": "|", "max_length": 2}
    recipe = test_build_events.changed("sequences.bought.features.tags", tags)
    recipe["sequences"]["daily"] = {"log": "purchases", "refresh": "day", "features": {"product": {"table": "item"}}}
    products = test_build_events.PRODUCTS.with_columns(tags=pl.Series(["x|y|z", "y", None]))
    logs = {"log": test_build_events.LOG, "purchases": test_build_events.PURCHASES, "products": products}
    test_build_events.write(tmp_path / "in", **logs)
    for layout in ("flat", "log"):
        build(Recipe.from_dict(recipe), tmp_path / "in", tmp_path / layout, layout=layout)
    found = samples(data_of(tmp_path / "log"))
    assert same(found, samples(data_of(tmp_path / "flat")))
    assert any(sample["bought.tags"] for sample in found.values())


def test_scans_are_those_of_the_flat_layout(folder):
    for split in SPLITS:
        scanned = []
        for layout in ("flat", "log"):
            data = data_of(folder / layout)
            read = [take_apart(batch, data.schema) for batch in data.scan(split, sequences=["shown"])]
            scanned.append({row: sample for part in read for row, sample in part.items()})
        assert same(*scanned)


def test_the_layout_keeps_the_contract_of_data(folder):
    files = {split: str(folder / "log" / f"{split}.parquet") for split in SPLITS}
    schema = Schema.load(folder / "log" / "schema.yaml")
    results = check_data(ParquetData, schema=schema, batch_size=5, **files)
    assert {result.status for result in results} == {"passed"}


def test_candidates_of_one_moment_share_their_events_and_nothing_else(folder):
    data = data_of(folder / "log", shuffle=False, batch_size=64)
    batch = next(iter(data.loader("train")))
    users = batch.ids["user"].tolist()
    moments = batch.time[batch.request_of.index].tolist()
    assert batch.num_requests == len(set(zip(users, moments, strict=True))) < batch.num_samples
    assert len(batch.sequences["clicks"].offsets) == batch.num_requests + 1
    grouped = batch.grouped()
    assert grouped.num_requests == len(set(batch.group.tolist()))


def test_rows_of_several_moments_that_see_the_same_events_keep_their_times(tmp_path):
    recipe = day_recipe()
    del recipe["sequences"]["shown"]  # of every event, so that no two moments see the same
    write_logs(tmp_path / "in", log=long_log())
    for layout in ("flat", "log"):
        build(Recipe.from_dict(recipe), tmp_path / "in", tmp_path / layout, layout=layout)
    data = data_of(tmp_path / "log", batch_size=64)
    assert same(samples(data), samples(data_of(tmp_path / "flat")))
    batch = next(iter(data.loader("train")))
    assert batch.num_requests < batch.num_samples


def test_a_run_that_was_interrupted_goes_on_with_the_next_batch(folder):
    whole = [batch.row.tolist() for batch in data_of(folder / "log").loader("train")]
    loader = data_of(folder / "log").loader("train")
    began = iter(loader)
    assert next(began).row.tolist() == whole[0]
    for layout in ("log", "flat"):
        again = data_of(folder / layout).loader("train")
        again.load_state_dict(loader.state_dict())
        assert [batch.row.tolist() for batch in again] == whole[1:]


def test_longer_histories_need_a_change_of_the_schema_and_no_build(tmp_path):
    recipe = copy.deepcopy(RECIPE)
    write_logs(tmp_path / "in")
    build(Recipe.from_dict(recipe), tmp_path / "in", tmp_path / "long")
    recipe["sequences"]["shown"]["max_length"] = 1
    build(Recipe.from_dict(recipe), tmp_path / "in", tmp_path / "short", layout="log")
    schema = Schema.load(tmp_path / "long" / "schema.yaml")
    longer = samples(data_of(tmp_path / "short", schema))
    assert same(longer, samples(data_of(tmp_path / "long")))
    assert max(len(sample["shown.item"]) for sample in longer.values()) > 1


def test_a_split_may_take_its_events_from_several_files(folder):
    parts = {}
    for layout in ("flat", "log"):
        new = write_logs(
            folder / "new", log=pl.read_parquet(folder / "in" / "log.parquet").with_columns(pl.col("time") + DAY * 9)
        )
        extend(folder / layout, new, folder / f"grown-{layout}", row_group_size=16, layout=layout)
        files = [str(folder / name / "train.parquet") for name in (layout, f"grown-{layout}")]
        schema = Schema.load(folder / f"grown-{layout}" / "schema.yaml")
        parts[layout] = data_of(folder / layout, schema, train=files, batch_size=9)
    assert same(samples(parts["log"]), samples(parts["flat"]))
    assert parts["log"].counts["train"].as_dict() == parts["flat"].counts["train"].as_dict()


def test_new_rows_are_encoded_in_either_layout(folder):
    predicted = []
    for layout in ("flat", "log"):
        apply(folder / "flat", folder / "in", folder / f"applied-{layout}", layout=layout)
        schema = Schema.load(folder / "flat" / "schema.yaml")
        data = data_of(folder / "flat", schema, predict=str(folder / f"applied-{layout}" / "predict.parquet"))
        predicted.append(samples(data, "predict"))
    assert same(*predicted)


def test_profiles_of_both_layouts_agree(folder, capsys, monkeypatch):
    told = []
    for layout in ("flat", "log"):
        monkeypatch.chdir(folder / layout)
        assert main(["data", "profile", ".", "--out", f"../profile-{layout}"]) == 0
        figures = json.loads((folder / f"profile-{layout}" / "profile.json").read_text())
        told.append({key: figures[key] for key in ("splits", "features", "lengths", "sides", "findings")})
    assert told[0] == told[1]


def test_a_build_leaves_no_events_of_the_one_before_and_keeps_files_of_others(tmp_path):
    source, out = write_logs(tmp_path / "in"), tmp_path / "out"
    build(Recipe.from_dict(RECIPE), source, out, layout="log")
    (out / "events" / "mine.txt").write_text("mine")
    build(Recipe.from_dict(RECIPE), source, out)
    assert [path.name for path in (out / "events").iterdir()] == ["mine.txt"]


def test_the_same_logs_give_the_same_event_files(tmp_path):
    source = write_logs(tmp_path / "in")
    for name in ("one", "two"):
        build(Recipe.from_dict(RECIPE), source, tmp_path / name, layout="log")
    files = sorted((tmp_path / "one" / "events").iterdir())
    assert len(files) == 2
    assert all(file.read_bytes() == (tmp_path / "two" / "events" / file.name).read_bytes() for file in files)


def test_a_log_without_events_has_empty_histories(tmp_path):
    write_logs(tmp_path / "in", log=LOG.with_columns(click=pl.lit(0)), snapshot=False)
    recipe = copy.deepcopy(RECIPE)
    del recipe["snapshot"], recipe["sequences"]["shown"]
    build(Recipe.from_dict(recipe), tmp_path / "in", tmp_path / "out", layout="log")
    assert all(sample["clicks.item"] == [] for sample in samples(data_of(tmp_path / "out")).values())


def moved(folder: Path) -> None:
    (folder / "events" / "clicks.arrow").rename(folder / "clicks.arrow")


def damaged(folder: Path) -> None:
    path = folder / "events" / "clicks.arrow"
    path.write_bytes(path.read_bytes()[:100])


def exchanged(folder: Path) -> None:
    (folder / "events" / "shown.arrow").replace(folder / "events" / "clicks.arrow")


def beyond(folder: Path) -> None:
    table = pq.read_table(folder / "train.parquet")
    far = pa.array([{"start": 1, "length": 99}] * table.num_rows, table.schema.field("s_clicks").type)
    table = table.set_column(table.schema.get_field_index("s_clicks"), table.schema.field("s_clicks"), far)
    pq.write_table(table, folder / "train.parquet")


def garbled(folder: Path) -> None:
    table = pq.read_table(folder / "train.parquet")
    pq.write_table(table.replace_schema_metadata({KEY: b'{"clicks": 3}'}), folder / "train.parquet")


def rewritten(folder: Path) -> None:
    pl.read_parquet(folder / "train.parquet").write_parquet(folder / "train.parquet")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (moved, "clicks.arrow, which is not there. Move or copy a data set with its folder events/"),
        (damaged, "clicks.arrow cannot be read as Arrow"),
        (exchanged, "clicks.arrow holds the events of another build than"),
        (beyond, r"row 0, column 's_clicks': the 99 events from 1 on, but .*clicks.arrow has 5"),
        (rewritten, "train.parquet has ranges of events in 's_clicks', but its metadata does not say of which file"),
        (garbled, "its hyrec.events does not name event files. Build it again."),
    ],
)
def test_events_that_are_not_those_of_the_rows_are_refused(tmp_path, change: Callable[[Path], None], problem):
    build(Recipe.from_dict(RECIPE), write_logs(tmp_path / "in"), tmp_path / "out", layout="log")
    change(tmp_path / "out")
    with pytest.raises(ValueError, match=problem) as error:
        samples(data_of(tmp_path / "out"))
    assert len(str(error.value).splitlines()) <= 5


def test_a_split_of_both_layouts_is_refused(folder):
    files = [str(folder / layout / "train.parquet") for layout in ("flat", "log")]
    with pytest.raises(DataError, match="one has lists of events, the other has them in event files"):
        data_of(folder / "flat", train=files).index("train")


def test_a_schema_that_says_newest_first_is_refused(folder):
    schema = Schema.load(folder / "log" / "schema.yaml")
    clicks = replace(schema.sequences["clicks"], order="newest_first")
    with pytest.raises(DataError, match=r"has order newest_first and reads .* oldest first"):
        samples(data_of(folder / "log", replace(schema, sequences={"clicks": clicks})))


def test_a_policy_names_the_event_file_of_an_id_that_it_refuses(folder):
    schema = Schema.load(folder / "log" / "schema.yaml")
    shown = schema.sequences["shown"]
    small = {**shown.features, "tab": replace(shown.features["tab"], vocab_size=4)}
    schema = replace(schema, sequences={"shown": replace(shown, features=small)})
    data = data_of(folder / "log", schema, policies=Policies(out_of_range="error"))
    with pytest.raises(
        DataError, match=r"shown.arrow, row \d+, column 's_shown__tab': 4 is an id outside vocab_size=4"
    ):
        samples(data)

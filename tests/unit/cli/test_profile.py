"""What ``hyrec data profile`` prints and writes, and says of files that it cannot read."""

import dataclasses
import importlib.util
import json

import polars as pl
import pytest

from hyrec.cli.main import main
from hyrec.cli.profile import as_text
from hyrec.data.parquet.policy import DataError
from hyrec.data.profiling import find_sources, profile
from tests.unit.data.profiling.logs import SPLITS, log, schema, write


def told(files, max_rows=0):
    return as_text(profile(find_sources([str(file) for file in files]), max_rows))


def test_a_column_is_told_by_type_nulls_lengths_distinct_values_and_range(tmp_path):
    columns = {"user": [7, None, 9, 7], "seen": [[1, 2, 3], [], [2], [2, 2]], "tags": [[["a"]]] * 4}
    pl.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    first, _, user, seen, tags = told([tmp_path / "a.parquet"]).splitlines()
    assert first == "4 rows of 1 file(s)"
    assert user.split() == ["user", "Int64", "25.0%", "2", "7", "..", "9"]
    assert seen.split() == ["seen", "List(Int64)", "0.0%", "1.5", "3", "3", "3", "1", "..", "3"]
    assert tags.split() == ["tags", "List(List(String))", "0.0%", "1.0", "1", "1"]


def test_a_sample_is_as_large_as_was_asked_for_and_is_told(tmp_path):
    for name in ("a", "b", "c"):
        pl.DataFrame({"user": range(10)}).write_parquet(tmp_path / f"{name}.parquet")
    files = sorted(tmp_path.iterdir())
    assert told(files, 15).startswith("30 rows of 3 file(s) (a sample: the first 15 were read)")
    assert told(files, 0).startswith("30 rows of 3 file(s)\n")


def test_csv_is_read_like_parquet(tmp_path):
    frame = pl.DataFrame({"user": [1, 2, 3], "name": ["a", "b", None]})
    frame.write_csv(tmp_path / "a.csv", separator="\t")
    frame.write_parquet(tmp_path / "b.parquet")
    assert told([tmp_path / "a.csv"]) == told([tmp_path / "b.parquet"])


def test_ids_of_csv_files_keep_their_leading_zeros(tmp_path):
    (tmp_path / "a.csv").write_text("shop,count\n0053,7\n12,8\n")
    (shop, count) = (line.split() for line in told([tmp_path / "a.csv"]).splitlines()[2:])
    assert (shop[1], shop[-3:]) == ("String", ["0053", "..", "12"])
    assert (count[1], count[-3:]) == ("Int64", ["7", "..", "8"])


def test_a_comma_inside_a_name_of_a_csv_header_does_not_part_columns(tmp_path):
    (tmp_path / "a.csv").write_text("user;item;size (x, y)\n1;2;3\n")
    assert [line.partition("  ")[0] for line in told([tmp_path / "a.csv"]).splitlines()[2:]] == [
        "user", "item", "size (x, y)",
    ]  # fmt: skip


def test_a_file_that_is_no_parquet_and_files_of_other_columns_are_told(tmp_path):
    pl.DataFrame({"user": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"item": [1]}).write_parquet(tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_text("none")
    with pytest.raises(DataError, match="have different columns"):
        told([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    with pytest.raises(DataError, match=r"c\.parquet is not a readable Parquet file"):
        told([tmp_path / "c.parquet"])


def test_a_path_that_does_not_exist_is_told_with_the_nearest(tmp_path, mistake):
    pl.DataFrame({"user": [1]}).write_parquet(tmp_path / "train.parquet")
    assert "train.parquet'" in mistake("data", "profile", str(tmp_path / "trian.parquet"))


def test_what_is_written_is_strict_json(tmp_path, capsys):
    pl.DataFrame({"price": [float("nan"), None]}).write_parquet(tmp_path / "a.parquet")
    assert main(["data", "profile", str(tmp_path / "a.parquet"), "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "profile.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["columns"]["rows"] == 2
    assert "profile.json" in capsys.readouterr().out


def test_without_the_extra_the_figures_are_written_and_the_way_to_the_page_is_told(tmp_path, capsys, monkeypatch):
    found = importlib.util.find_spec
    absent = {"jinja2"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in absent else found(name, *rest))
    pl.DataFrame({"user": [1]}).write_parquet(tmp_path / "a.parquet")
    assert main(["data", "profile", str(tmp_path / "a.parquet"), "--out", str(tmp_path / "out")]) == 0
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["profile.json"]
    assert "pip install 'hyrec[report]'" in capsys.readouterr().out


def test_of_a_built_folder_splits_features_and_all_leaks_are_told(tmp_path, capsys):
    columns = log()
    for split in SPLITS:
        columns[split]["extra"] = columns[split]["click"] * 1.0
    columns["validate"]["click"] = columns["validate"]["click"] * 0
    assert main(["data", "profile", str(write(tmp_path / "log", columns))]) == 0
    text = capsys.readouterr().out
    assert [line.split()[1] for line in text.splitlines() if line.startswith("leak?")] == ["validate:", "extra:"]
    assert "1,200" in text


def test_a_sample_of_a_split_is_told(tmp_path, capsys):
    assert main(["data", "profile", str(write(tmp_path / "log", log())), "--max_rows", "300"]) == 0
    assert "train 300 of 1,200" in capsys.readouterr().out


def test_csv_with_a_schema_gives_the_figures_of_parquet(tmp_path):
    columns, spec = log(), schema()
    write(tmp_path / "a", columns)
    (tmp_path / "b").mkdir()
    for split, values in columns.items():
        joined = {n: ["^".join(map(str, v)) for v in c] if isinstance(c, list) else c for n, c in values.items()}
        pl.DataFrame(joined).write_csv(tmp_path / "b" / f"{split}.csv")
    separated = dataclasses.replace(spec.sequences["seen"], separator="^")
    tags = dataclasses.replace(spec.features["tags"], separator="^")
    joined_schema = dataclasses.replace(spec, sequences={"seen": separated}, features={**spec.features, "tags": tags})
    joined_schema.save(tmp_path / "b" / "schema.yaml")
    parts = [json.loads(profile(find_sources([str(tmp_path / name)]), 0).to_json()) for name in "ab"]
    for part in parts:
        part.pop("name"), part.pop("epoch_bytes")
        for figures in part["splits"].values():
            figures.pop("handled")  # empty texts are no lists
    assert parts[0] == parts[1]


def test_a_folder_without_anything_to_profile_is_told(tmp_path, mistake):
    (tmp_path / "empty").mkdir()
    assert "holds no train, validate or test" in mistake("data", "profile", str(tmp_path / "empty"))

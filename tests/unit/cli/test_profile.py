"""What ``hyrec data profile`` says of columns and of files that it cannot read."""

import polars as pl
import pytest

from hyrec.cli.profile import profile
from hyrec.messages import CommandError


def test_a_column_is_told_by_type_nulls_lengths_distinct_values_and_range(tmp_path):
    columns = {"user": [7, None, 9, 7], "seen": [[1, 2, 3], [], [2], [2, 2]], "tags": [[["a"]]] * 4}
    pl.DataFrame(columns).write_parquet(tmp_path / "a.parquet")
    first, _, user, seen, tags = profile([tmp_path / "a.parquet"], 0).splitlines()
    assert first == "4 rows of 1 file(s)"
    assert user.split() == ["user", "Int64", "25.0%", "2", "7", "..", "9"]
    assert seen.split() == ["seen", "List(Int64)", "0.0%", "1.5", "3", "3", "3", "1", "..", "3"]
    assert tags.split() == ["tags", "List(List(String))", "0.0%", "1.0", "1", "1"]


def test_no_more_rows_are_read_than_asked_for(tmp_path):
    for name in ("a", "b", "c"):
        pl.DataFrame({"user": range(10)}).write_parquet(tmp_path / f"{name}.parquet")
    files = sorted(tmp_path.iterdir())
    assert profile(files, 15).startswith("15 rows of 2 file(s)")
    assert profile(files, 10).startswith("10 rows of 1 file(s)")
    assert profile(files, 0).startswith("30 rows of 3 file(s)")


def test_a_file_that_is_no_parquet_and_files_of_other_columns_are_told(tmp_path):
    pl.DataFrame({"user": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"item": [1]}).write_parquet(tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_text("none")
    with pytest.raises(CommandError, match="have different columns"):
        profile([tmp_path / "a.parquet", tmp_path / "b.parquet"], 0)
    with pytest.raises(CommandError, match=r"c\.parquet is not a readable Parquet file"):
        profile([tmp_path / "c.parquet"], 0)

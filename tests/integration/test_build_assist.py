"""The recipe of the benchmarks on the real answers of ASSISTments 2017."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from hyrec.data.logs import Recipe, build

ROOT = Path(__file__).parents[2]
ANSWERS = ROOT.parent / "shared" / "data" / "assist2017" / "answers.parquet"
BENCHMARK = ROOT / "benchmarks" / "quality"

pytestmark = pytest.mark.skipif(
    not ANSWERS.is_file(), reason="needs the answers of ASSISTments 2017 in ../shared/data/assist2017"
)


def test_the_last_fifth_of_every_students_answers_tests(tmp_path):
    answers = pl.read_parquet(ANSWERS).filter(pl.col("student") < 30)
    answers.write_parquet(tmp_path / "some.parquet")
    script = [sys.executable, str(BENCHMARK / "assist2017.py"), str(tmp_path / "some.parquet"), str(tmp_path / "log")]
    subprocess.run(script, check=True)
    build(Recipe.load(BENCHMARK / "assist2017.yaml"), tmp_path / "log", tmp_path / "out")
    tested = pl.read_parquet(tmp_path / "out" / "test.parquet")["student"].value_counts()
    own = answers.group_by("student").agg(
        pl.len(), pl.col("order").rank("ordinal").sub(1).truediv(pl.len()).ge(0.8).sum()
    )
    joined = own.join(tested, on="student", how="left").fill_null(0)
    assert joined["order"].sum() > 1000
    assert joined["order"].to_list() == joined["count"].to_list()

"""Give the answers of ASSISTments 2017 the times that its recipe splits by.

python benchmarks/quality/assist2017.py ANSWERS.parquet FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

START, DAYS, DAY = 1_577_836_800, 100, 86_400  # 1 January 2020


def with_times(answers: pl.DataFrame) -> pl.DataFrame:
    """Spread each student's answers evenly over 100 days, in their order."""
    share = pl.col("order").rank("ordinal").over("student").sub(1) / pl.len().over("student")
    return answers.with_columns(time=START + (share * DAYS * DAY).cast(pl.Int64)).sort("time", "student", "order")


if __name__ == "__main__":
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    with_times(pl.read_parquet(source)).write_parquet(folder / "answers.parquet")

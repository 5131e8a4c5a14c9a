"""Time and memory of ``hyrec data build`` on a generated log: rows, seconds, peak resident memory, bytes a row.

    python benchmarks/build_logs.py --rows 20000000 [--csv] [--layout log] [--per_user 20]
        [--max_length 20] [--folder FOLDER]

The log has as many impressions a user (20) and features as a small product's; the build runs in a process of its own.
Then the size of what was built is told (without ``_state/``), and how many rows of shuffled training batches a
process reads in a second of its processor time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import torch
import yaml

from hyrec.data.parquet import ParquetData
from hyrec.schema import Schema

START, DAYS = 1_700_006_400, 10  # 15 November 2023, 00:00 UTC
PART = 2_000_000
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
RECIPE = yaml.safe_load("""
log: {files: [log*.parquet, log*.csv], user: user, item: item, time: time, outcomes: [click, seconds]}
split: {validate_from: 2023-11-23, test_from: 2023-11-24}
tasks: {click: {}}
tables:
  users: {files: [users.parquet], key: user, role: user}
  items: {files: [items.parquet], key: item}
features:
  user: {role: user, min_count: 2}
  item: {role: item, table: item}
  place: {}
  price: {kind: dense, transform: bucketize, num_buckets: 16}
  hour: {derive: hour}
  city: {source: users}
  brand: {source: items, table: brand}
  tags: {source: items, kind: multi_id, separator: ","}
counters:
  item_clicks: {keys: [item], positive: [{column: click}], values: [rate, count, age], role: item}
  user_clicks: {keys: [user], positive: [{column: click}], refresh: day}
  user_brand: {keys: [user, items.brand], positive: [{column: click}], backoff: user_clicks, role: cross}
sequences:
  seen: {max_length: 20, features: {item: {table: item}, brand: {source: items, table: brand}, place: {}}}
  clicks:
    where: [{column: click}]
    max_length: 20
    features: {item: {table: item}, brand: {source: items, table: brand}, seconds: {kind: dense}}
""")


def generate(folder: Path, rows: int, *, csv: bool, per_user: int) -> None:
    """Write a log in files of two million rows, with a table of users and one of items."""
    users, items = max(rows // per_user, 10), max(rows // 100, 10)
    draw = np.random.default_rng(0)
    for number, first in enumerate(range(0, rows, PART)):
        n = min(PART, rows - first)
        part = pl.DataFrame(
            {
                "user": draw.integers(0, users, n) * 7919,
                "item": (items * draw.random(n) ** 2).astype(np.int64) * 104_729,
                "time": START + draw.integers(0, DAYS * 86_400, n),
                "place": draw.choice(["home", "search", "cart", "mail"], n),
                "price": draw.gamma(2.0, 10.0, n).round(2),
                "click": draw.integers(0, 5, n) == 0,
                "seconds": draw.integers(0, 300, n),
            }
        ).with_columns(pl.col("click").cast(pl.Int8))
        part.write_csv(folder / f"log_{number}.csv") if csv else part.write_parquet(folder / f"log_{number}.parquet")
    cities = pl.DataFrame({"user": np.arange(users) * 7919, "city": draw.integers(0, 300, users)})
    cities.write_parquet(folder / "users.parquet")
    tags = [",".join(map(str, drawn)) for drawn in draw.integers(0, 1000, (items, 3))]
    brands = pl.DataFrame({"item": np.arange(items) * 104_729, "brand": draw.integers(0, 5000, items), "tags": tags})
    brands.write_parquet(folder / "items.parquet")


def built(folder: Path, layout: str, max_length: int) -> tuple[float, int]:
    """Build in a child process; return its seconds and its peak resident memory in bytes."""
    sequences = {name: {**sequence, "max_length": max_length} for name, sequence in RECIPE["sequences"].items()}
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, "sequences": sequences}, sort_keys=False))
    command = [sys.executable, "-m", "hyrec", "data", "build", "--recipe", str(folder / "recipe.yaml")]
    command += ["--input", str(folder), "--out", str(folder / "built"), "--layout", layout]
    one_core = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **one_core})
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return time.monotonic() - start, peak * RSS_UNIT


def size(folder: Path) -> int:
    """Return the bytes of what training reads."""
    return sum(file.stat().st_size for file in [*folder.glob("*.parquet"), *folder.glob("events/*")])


def reading(folder: Path, max_rows: int = 1_000_000) -> tuple[float, int]:
    """Read shuffled batches in a child process; return rows a second of a core, and peak resident memory in bytes."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_read, folder, max_rows).result()


def _read(folder: Path, max_rows: int) -> tuple[float, int]:
    torch.set_num_threads(1)
    schema = Schema.load(folder / "schema.yaml")
    data = ParquetData(schema, train=str(folder / "train.parquet"), batch_size=512)
    loader, rows, start = data.loader("train"), 0, time.process_time()
    for batch in loader:
        rows += batch.num_samples
        if rows >= max_rows:
            break
    seconds = time.process_time() - start
    return rows / seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--csv", action="store_true", help="the log as CSV files")
    parser.add_argument("--layout", default="flat", choices=["flat", "log"])
    parser.add_argument("--per_user", type=int, default=20, help="impressions a user has on average")
    parser.add_argument("--max_length", type=int, default=20, help="of the two sequences")
    parser.add_argument("--folder", help="where log and data set go and stay; default: a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(options.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        generate(folder, options.rows, csv=options.csv, per_user=options.per_user)
        seconds, peak = built(folder, options.layout, options.max_length)
        taken = size(folder / "built")
        speed, memory = reading(folder / "built")
    print(f"rows {options.rows:,}  {'CSV' if options.csv else 'Parquet'}  seconds {seconds:.0f}", end="  ")
    print(f"peak {peak / 2**30:.2f} GiB  {peak / options.rows:.0f} bytes a row")
    print(
        f"layout {options.layout}  {taken / 2**20:,.0f} MiB on disk  {taken / options.rows:.0f} bytes a row", end="  "
    )
    print(f"read {speed:,.0f} rows/s of a core  peak {memory / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()

"""What hyrec holds in memory where the data is large: peak resident memory beyond that of the imports.

    python benchmarks/memory.py [--rows 20000000] [--study_rows 5000000] [--only metrics]

Each line is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torchmetrics import MetricCollection

from hyrec.cli.main import main as hyrec
from hyrec.data.parquet import ParquetData
from hyrec.data.parquet.window import GIB
from hyrec.metrics import default_metrics
from hyrec.schema import Schema

GROUP, BATCH, EVENTS = 8192, 1024, 100
EVENT = {"item": {"column": "seen", "vocab_size": 10**6}, "dwell": {"column": "dwell", "kind": "dense"}}
SCHEMA = {
    "features": {"user": {"vocab_size": 10**6}},
    "sequences": {"seen": {"features": EVENT, "time_column": "seen_time", "max_length": EVENTS}},
    "tasks": {"click": {}},
    "time_column": "time",
}


def write_rows(path: Path, rows: int) -> None:
    """Write rows of 50 to 150 events, of which the schema keeps 100 at most."""
    draw, writer = np.random.default_rng(0), None
    for _ in range(0, rows, GROUP):
        offsets = np.cumsum([0, *draw.integers(EVENTS // 2, EVENTS * 3 // 2, GROUP)]).astype(np.int32)
        kinds = {"seen": np.int32, "dwell": np.float32, "seen_time": np.int64}
        events = {name: draw.integers(3, 10**6, offsets[-1]).astype(kind) for name, kind in kinds.items()}
        columns = {"user": draw.integers(3, 10**6, GROUP), "click": draw.integers(0, 2, GROUP)}
        columns["time"] = np.full(GROUP, 10**9)
        table = pa.table(columns | {name: pa.ListArray.from_arrays(offsets, values) for name, values in events.items()})
        writer = writer or pq.ParquetWriter(path, table.schema, use_dictionary=False)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def window(folder: Path, limit: float) -> None:
    """Read the training batches of two windows and a half."""
    options = {"batch_size": BATCH, "shuffle_rows": 10**9, "shuffle_memory": limit}
    loader = ParquetData(Schema.from_dict(SCHEMA), train=str(folder / "rows.parquet"), **options).loader("train")
    enough = 2.5 * loader.sampler.rows.layout.batches_per_window
    for number, _ in enumerate(loader):
        if number >= enough:
            break


def metrics(rows: int, *, weighted: bool) -> None:
    """Compute the default metrics of rows in groups of twenty."""
    chosen, draw = MetricCollection(default_metrics()), torch.Generator().manual_seed(0)
    for start in range(0, rows, 4096):
        n = min(4096, rows - start)
        preds = (torch.randn(n, generator=draw, dtype=torch.float64) - 2).sigmoid()
        target = (torch.rand(n, generator=draw) < preds).float()
        group = torch.arange(start, start + n) // 20 * 7919 % 1_000_003
        chosen.update(preds, target, group=group, weights=torch.rand(n, generator=draw) if weighted else None)
    chosen.compute()


def write_study(folder: Path, rows: int) -> None:
    """Write the folder of a study of two variants with three seeds, as the tests do."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.unit.studies.report.study_folder import TABLE
    from tests.unit.studies.report.study_folder import write_study as write

    write(folder, TABLE[:2], seeds=(0, 1, 2), requests=rows // 8)


def peak() -> int:
    """Return the peak of this process in bytes; ``ru_maxrss`` would begin with that of the process that started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def measure(name: str, arguments: argparse.Namespace) -> None:
    """Do what a line of the table says, and print seconds and peak."""
    kind, _, option = name.partition("=")
    before, start = peak(), time.perf_counter()
    if kind == "window":
        window(arguments.folder, float(option))
    elif kind.startswith("metrics"):
        metrics(arguments.rows, weighted=kind == "metrics, weighted")
    else:
        hyrec(["ablate", "report", str(arguments.folder / "study")])
    print(f"| {time.perf_counter() - start:.0f} | {(peak() - before) / GIB:.2f} GiB |")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000, help="rows of the metrics")
    parser.add_argument("--study_rows", type=int, default=5_000_000, help="test rows of each of the study's six cells")
    parser.add_argument("--only", default="", help="lines whose name begins so")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure, arguments)
        return
    lines = ["window=1.0", "window=0.5", "window=0.25", "metrics", "metrics, weighted", "report"]
    lines = [line for line in lines if line.startswith(arguments.only)]
    with tempfile.TemporaryDirectory() as name:
        if any(line.startswith("window") for line in lines):
            write_rows(Path(name) / "rows.parquet", 1_300_000)
        if "report" in lines:
            write_study(Path(name) / "study", arguments.study_rows)
        print("| what | seconds | peak |\n|---|---|---|")
        for line in lines:
            command = [sys.executable, __file__, "--rows", str(arguments.rows), "--folder", name, "--measure", line]
            told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
            print(f"| {line} {told}", flush=True)


if __name__ == "__main__":
    main()

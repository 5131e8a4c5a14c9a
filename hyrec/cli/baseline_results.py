"""What ``hyrec baseline`` prints and writes."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from torch import Tensor

from hyrec.batch import Batch
from hyrec.callbacks.prediction_writer import prediction_table
from hyrec.data.base import RankingData
from hyrec.files import replaced, write_csv, write_text
from hyrec.parquet import parquet_writer
from hyrec.plain_text import table

RESULTS = "baselines.json"


@dataclass(frozen=True)
class BaselineRun:
    """A baseline, fitted and tested.

    Args:
        seed: Its seed.
        metrics: Test metrics by name.
        note: What was chosen on the validation rows.
        seconds: Time of the fit.
    """

    seed: int
    metrics: dict[str, float]
    note: str
    seconds: float


class Predictions:
    """Writes scores of the test rows in the form of ``hyrec predict``; the file is whole or not there.

    Args:
        folder: Where to. None: nowhere.
        data: The data.
        task: The task that is predicted.
    """

    def __init__(self, folder: Path | None, data: RankingData, task: str) -> None:
        self._folder, self._data, self._task = folder, data, task
        self._stack, self._path = ExitStack(), Path()
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Predictions:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._path = self._stack.enter_context(replaced(self._folder / "part-00000.parquet"))
        return self

    def __call__(self, batch: Batch, scores: Tensor) -> None:
        """Append one batch."""
        if self._folder is None:
            return
        rows = prediction_table(batch, {self._task: scores}, self._data, split="test")
        if self._writer is None:
            self._writer = self._stack.enter_context(parquet_writer(self._path, rows.schema))
        self._writer.write_table(rows)

    def __exit__(self, *failure: Any) -> None:
        self._stack.__exit__(*failure)


def as_text(title: str, runs: Mapping[str, list[BaselineRun]], references: Mapping[str, dict[str, float]]) -> str:
    """Lay out the figures, of several seeds mean and standard deviation; below, what the data knows of itself."""
    columns = list(next(iter(runs.values()))[0].metrics)
    rows = []
    for name, of in runs.items():
        cells = [_cell([run.metrics[column] for run in of]) for column in columns]
        notes = list(dict.fromkeys(run.note for run in of))
        rows.append([name, *cells, "; ".join(notes)])
    for name, figures in references.items():
        rows.append([name, *(_cell([figures[c]]) if c in figures else "" for c in columns), ""])
    return table([title, *columns, "chosen"], rows, right=range(1, len(columns) + 1))


def save(folder: Path, task: str, data: Mapping[str, Any], runs: Mapping[str, list[BaselineRun]]) -> None:
    """Write the figures as JSON, with the options of the data, and as CSV."""
    found = {name: [asdict(run) for run in of] for name, of in runs.items()}
    columns = list(next(iter(runs.values()))[0].metrics)
    rows = [[name, run.seed, *run.metrics.values(), run.note, run.seconds] for name, of in runs.items() for run in of]
    write_csv(folder / "baselines.csv", [["baseline", "seed", *columns, "chosen", "seconds"], *rows])
    write_text(folder / RESULTS, json.dumps({"task": task, "data": data, "baselines": found}, indent=1) + "\n")


def _cell(values: list[float]) -> str:
    mean = f"{statistics.fmean(values):.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean

"""A study that is killed or stopped, and then resumed, ends with the figures of an undisturbed one."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from hyrec.studies.run.cell import Cell
from hyrec.studies.run.record import CellRecord
from hyrec.studies.run.runner import CellOutcome, run_cells
from tests.study_runner import runner_command

STEPS = 16
"""Of a whole run, two epochs."""


class Studies:
    """Cells of one experiment in several studies, which differ in what happened to them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.waiting = folder, folder / "waiting"

    def cell(self, study: str) -> Cell:
        arguments = {
            "--config": "pkg:hyrec/debug.yaml",
            "--plugin": str(Path(__file__).with_name("disturbance.py")),
            "--trainer.callbacks+": "Disturbance",
            "--trainer.max_epochs": "2",
            "--model.mixer.dropout": "0.2",
        }
        words = tuple(word for pair in arguments.items() for word in pair)
        # the name of a variant at a point of a grid, which paths and options must bear
        variant = "small@d_model=16,x=1"
        return Cell(study, variant, 3, words, self.folder / study / variant / "s3")

    def environment(self, disturb: str = "") -> Mapping[str, str]:
        more = {"DISTURB": disturb, "WAITING": str(self.waiting)} if disturb else {}
        return {"HYREC_CACHE": str(self.folder / "cache"), "OMP_NUM_THREADS": "1", **more}

    def run(self, cell: Cell, disturb: str = "") -> list[CellOutcome]:
        return run_cells([replace(cell, environment=self.environment(disturb))])

    def start_runner(self, cell: Cell, disturb: str) -> subprocess.Popen[str]:
        environment = {**os.environ, **self.environment(disturb), "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.Popen(runner_command([cell]), env=environment, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Studies:
    made = Studies(tmp_path_factory.mktemp("studies"))
    (outcome,) = made.run(made.cell("undisturbed"))
    assert outcome.status == "finished", outcome.error
    return made


def predictions(cell: Cell) -> pa.Table:
    return pq.read_table(cell.folder / "predictions")


def weights(cell: Cell) -> Mapping[str, torch.Tensor]:
    return torch.load(cell.folder / "checkpoints/best.ckpt", weights_only=True)["state_dict"]


def losses(path: Path) -> list[tuple[int, float]]:
    """Return the training loss by step."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(int(row["step"]), float(row["train/loss"])) for row in csv.DictReader(file) if row["train/loss"]]


def assert_same(disturbed: Cell, undisturbed: Cell, outcome: CellOutcome) -> None:
    """Fail unless metrics, predictions and weights of two cells are the same to the last digit."""
    (reference,) = run_cells([undisturbed])
    assert not reference.ran
    assert outcome.status == "finished", outcome.error
    assert {"auc", "query_auc", "logloss"} <= set(outcome.metrics)
    assert outcome.metrics == reference.metrics
    assert predictions(disturbed).equals(predictions(undisturbed))
    assert predictions(disturbed).num_rows > 100
    ours, theirs = weights(disturbed), weights(undisturbed)
    assert ours.keys() == theirs.keys()
    assert not [name for name in ours if not torch.equal(ours[name], theirs[name])]


@pytest.mark.slow
def test_a_cell_that_is_killed_while_it_trains_ends_as_an_undisturbed_one(studies: Studies) -> None:
    cell = studies.cell("killed")
    (killed,) = studies.run(cell, disturb=f"die:train:{STEPS // 2 + 3}")
    assert (killed.status, killed.metrics) == ("interrupted", {})
    saved = torch.load(cell.folder / "checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == STEPS // 2, "the checkpoint is that of the first epoch"
    (outcome,) = studies.run(cell)
    assert_same(cell, studies.cell("undisturbed"), outcome)
    assert [step for step, _ in losses(cell.folder / "metrics-1.csv")] == [*range(STEPS // 2 + 2)]
    whole = losses(studies.cell("undisturbed").folder / "metrics.csv")
    assert [*losses(cell.folder / "metrics-1.csv")[: STEPS // 2], *losses(cell.folder / "metrics.csv")] == whole


@pytest.mark.slow
def test_a_study_that_is_stopped_by_ctrl_c_while_it_tests_ends_as_an_undisturbed_one(studies: Studies) -> None:
    cell = studies.cell("stopped")
    runner = studies.start_runner(cell, disturb="wait:test:0")
    deadline = time.monotonic() + 120
    while not studies.waiting.exists():
        assert runner.poll() is None, runner.communicate()
        assert time.monotonic() < deadline, "the cell never came to the place where it waits"
        time.sleep(0.1)
    runner.send_signal(signal.SIGINT)
    _, error = runner.communicate(timeout=90)
    assert "StudyInterrupted: stopped by SIGINT" in error
    record = CellRecord.load(cell.folder)
    assert record is not None
    assert record.status == "interrupted"
    assert (cell.folder / "predictions").exists(), "stopped while it wrote predictions"
    (outcome,) = studies.run(cell)
    assert_same(cell, studies.cell("undisturbed"), outcome)

"""``hyrec tune`` on the smallest model, with real trials."""

from __future__ import annotations

import csv
import os
import shlex
from pathlib import Path

import pytest
from warm_processes import WarmProcesses

from hyrec.config.experiment import Experiment
from hyrec.files import read_yaml

pytest.importorskip("optuna", reason="Optuna is optional: pip install 'hyrec[tune]'")

SWEEP = """
name: tiny
method: bayes
metric: {name: val/auc.max, goal: maximize}
parameters:
  model.head.hidden: {values: [[8], [16, 8]]}
  model.dense_optimizer.lr: {distribution: log_uniform_values, min: 1.0e-3, max: 1.0e-1}
command:
  - ${env}
  - hyrec
  - fit
  - --config=pkg:hyrec/debug.yaml
  - --config=pkg:hyrec/logger/wandb.yaml
  - --data.simulator.num_requests=200
  - --test_after_fit=false
  - ${args}
"""


@pytest.mark.slow
def test_a_search_ends_with_the_command_that_trains_its_winner(
    tmp_path: Path, forks: WarmProcesses, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "tiny.yaml").write_text(SWEEP)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    words = ["tune", "tiny.yaml", "--trials", "2", "--jobs", "2"]
    done = forks.hyrec(*words, cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Left out, as trials log to metrics.csv: --config=pkg:hyrec/logger/wandb.yaml" in done.stderr
    folder = tmp_path / "runs" / "tuning" / "tiny"
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["finished", "finished"]
    best = max(rows, key=lambda row: float(row["val/auc"]))
    for row in rows:
        logged = (folder / row["folder"] / "metrics.csv").read_text()
        assert row["val/auc"] in logged
        assert "test/" not in logged.splitlines()[0]
    trained = Experiment.parse(["--config", str(folder / best["folder"] / "config.yaml")]).options
    command = shlex.split(done.stdout.strip().splitlines()[-1])
    monkeypatch.chdir(tmp_path)
    again = Experiment.parse(command[1:]).options
    assert again["model"] == trained["model"]
    assert read_yaml((folder / "best.yaml").read_text())["model"]["dense_optimizer"]["lr"] == float(
        best["model.dense_optimizer.lr"]
    )

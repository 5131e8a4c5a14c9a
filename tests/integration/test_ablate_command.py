"""``hyrec ablate`` on the smallest study, with real cells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyrec.studies.results import read_results

STUDY = """
question: Does anything happen?
base: {configs: [pkg:hyrec/debug.yaml], options: {data.simulator.num_requests: 200, data.batch_size: 16}}
metrics: [query_auc, logloss]
seeds: [0]
variants:
  full: {}
  broken: {options: {data.eval_batch_size: 8, trainer.limit_test_batches: 0}, about: no test rows}
  none: {options: {model.queries.pooling: none}}
"""


def hyrec(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HYREC_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, "-m", "hyrec", "ablate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder, env=environment)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a study was run whose second variant fails."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "tiny.yaml").write_text(STUDY)
    done = hyrec(folder, "run", "tiny.yaml", "--jobs", "2")
    (folder / "out.txt").write_text(done.stdout)
    (folder / "err.txt").write_text(done.stderr)
    assert done.returncode == 1, done.stdout + done.stderr
    return folder


def test_a_failed_cell_is_reported_and_the_rest_has_results(folder: Path) -> None:
    results = read_results(folder / "runs/studies/tiny")
    assert set(results.cells) == {("full", 0), ("none", 0)}
    assert [cell.variant for cell in results.failed] == ["broken"]
    assert "1 of 3 cells have no result" in (folder / "err.txt").read_text()
    assert all(cell.predictions() is not None for cell in results.cells.values())


def test_the_table_and_the_report_are_there(folder: Path) -> None:
    out = (folder / "out.txt").read_text()
    assert "tiny, 2 of 3 cells" in out
    assert "query_auc" in out
    assert (folder / "runs/studies/tiny/report/report.md").is_file()
    assert (folder / "runs/studies/tiny/report/report.html").is_file()
    assert (folder / "runs/studies/tiny/rows.parquet").is_file()


def test_a_resume_keeps_what_has_finished_and_tries_the_failed_again(folder: Path) -> None:
    study = folder / "runs/studies/tiny"
    before = {name: (study / "cells" / name / "s0/cell.json").read_text() for name in ("full", "broken", "none")}
    done = hyrec(folder, "run", "tiny.yaml", "--resume")
    assert done.returncode == 1, done.stderr
    after = {name: (study / "cells" / name / "s0/cell.json").read_text() for name in before}
    assert (after["full"], after["none"]) == (before["full"], before["none"])
    assert json.loads(after["broken"])["attempts"] == 2
    (folder / "tiny.yaml").write_text(STUDY.replace("pooling: none", "pooling: own"))
    refused = hyrec(folder, "run", "tiny.yaml", "--resume")
    (folder / "tiny.yaml").write_text(STUDY)
    assert refused.returncode == 2
    assert "variant none: model.queries.pooling: none -> own" in refused.stderr


def test_one_cell_of_an_array_needs_no_other(folder: Path) -> None:
    done = hyrec(folder, "run", "tiny.yaml", "--out", "array", "--index", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    one, whole = (
        json.loads((path / "cells/none/s0/cell.json").read_text())
        for path in (folder / "array", folder / "runs/studies/tiny")
    )
    assert one["fingerprint"] == whole["fingerprint"]
    alone, together = (read_results(folder / name).cells["none", 0].metrics for name in ("array", "runs/studies/tiny"))
    assert alone == together
    assert not (folder / "array/report").exists()

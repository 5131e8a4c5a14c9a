"""``hyrec ablate`` on the smallest study, with real cells."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path

import pytest
from warm_processes import WarmProcesses

from hyrec.studies.analysis.results import read_results

STUDY = """
question: Does anything happen?
base: {configs: [pkg:hyrec/debug.yaml], options: {data.simulator.num_requests: 200, data.batch_size: 16}}
metrics: [query_auc, logloss]
seeds: [0]
variants:
  full: {}
  broken: {options: {trainer.strategy: nonsense}, about: no trainer has it}
  none: {options: {model.queries.pooling: none}}
"""

OUT = "runs/studies/tiny"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, forks: WarmProcesses) -> Path:
    """A folder in which one task of an array ran the last cell, and then a resume the two others; one of them fails."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "tiny.yaml").write_text(STUDY)
    environment = {
        **os.environ,
        "HYREC_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    run = functools.partial(forks.hyrec, "ablate", "run", "tiny.yaml", cwd=folder, environment=environment)
    first = run("--index", "2")
    assert first.returncode == 0, first.stdout + first.stderr
    assert set(read_results(folder / OUT).cells) == {("none", 0)}
    assert not (folder / OUT / "report").exists()
    (folder / "none.json").write_text((folder / OUT / "cells/none/s0/cell.json").read_text())
    done = run("--resume", "--jobs", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    (folder / "out.txt").write_text(done.stdout)
    (folder / "err.txt").write_text(done.stderr)
    return folder


def test_a_failed_cell_is_reported_and_the_rest_has_results(folder: Path) -> None:
    results = read_results(folder / OUT)
    assert set(results.cells) == {("full", 0), ("none", 0)}
    assert [cell.variant for cell in results.failed] == ["broken"]
    assert "nonsense" in json.loads((folder / OUT / "cells/broken/s0/cell.json").read_text())["error"]
    assert "1 of 3 cells have no result" in (folder / "err.txt").read_text()
    assert all(cell.scores() is not None for cell in results.cells.values())


def test_the_table_and_the_report_are_there(folder: Path) -> None:
    out = (folder / "out.txt").read_text()
    assert "tiny, 2 of 3 cells" in out
    assert "query_auc" in out
    for file in ("report/report.md", "report/report.html", "rows.parquet"):
        assert (folder / OUT / file).is_file(), file


def test_a_resume_keeps_what_has_finished(folder: Path) -> None:
    assert (folder / OUT / "cells/none/s0/cell.json").read_text() == (folder / "none.json").read_text()
    assert "3 cells, 2 at once; 1 done before" in (folder / "out.txt").read_text()

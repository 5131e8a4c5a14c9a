"""What happens where matplotlib or Jinja2 is not installed: nothing is lost, and the way to the report is told."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from hyrec.cli.main import main
from hyrec.studies.report import ReportExtraMissingError, write_report
from hyrec.studies.run.study import StudyRun


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """Let a package look as if it were not installed."""
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == package else found(name, *rest)
    )


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_without_the_extra_no_half_report_is_written(
    study: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    without(monkeypatch, package)
    folder = study()
    with pytest.raises(ReportExtraMissingError, match=rf"{package}: pip install 'hyrec\[report\]'"):
        write_report(folder)
    assert not (folder / "report").exists()


def test_without_the_extra_the_table_is_printed_and_the_way_to_the_report(
    finished_study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "matplotlib")
    assert main(["ablate", "report", str(finished_study)]) == 1
    told = capsys.readouterr()
    assert "longer_rankmixer" in told.out
    assert "pip install 'hyrec[report]'" in told.err
    assert "hyrec ablate report FOLDER writes it at any time" in told.err


def test_a_study_says_before_it_trains_that_no_report_will_follow(
    finished_study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "matplotlib")
    told = []

    def finish(run: StudyRun) -> tuple[None, list[object]]:
        told.append(capsys.readouterr().err)
        return None, []

    monkeypatch.setattr("hyrec.studies.run.study.run_study", finish)
    arguments = ["ablate", "run", "pkg:hyrec/ablations/hyformer_table2.yaml", "--out", str(finished_study)]
    assert main(arguments) == 0
    assert "Note: No report without matplotlib: pip install 'hyrec[report]'" in told[0]
    assert "longer_rankmixer" in capsys.readouterr().out

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hyrec.studies.plan.study import StudyError
from hyrec.studies.run.cell import Cell, logged_test_metrics
from hyrec.studies.run.record import CellRecord


def cell(folder: Path, *arguments: str, seed: int = 3) -> Cell:
    return Cell(study="debug", variant="wide", seed=seed, arguments=arguments, folder=folder)


def pairs(options: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(options[::2], options[1::2], strict=True))


def test_a_cell_gives_seed_order_folder_and_name_to_its_run(tmp_path: Path) -> None:
    options = cell(tmp_path / "s3", "--config", "a.yaml").options()
    assert options[:2] == ("--config", "a.yaml")
    assert pairs(options[2:]) == {
        "--seed_everything": "3",
        "--data.seed": "3",
        "--trainer.default_root_dir": str(tmp_path / "s3"),
        "--name": "debug/wide/s3",
        "--save_predictions": "true",
        "--trainer.enable_progress_bar": "false",
    }


def test_the_folder_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert pairs(cell(Path("runs/s3")).options())["--trainer.default_root_dir"] == str(tmp_path / "runs" / "s3")


@pytest.mark.parametrize("spelling", [("--data.seed", "7"), ("--data.seed=7",)])
def test_an_order_that_the_study_fixes_is_left_alone(tmp_path: Path, spelling: tuple[str, ...]) -> None:
    assert "--data.seed" not in cell(tmp_path, *spelling).options()[len(spelling) :]


def test_data_without_an_order_get_no_seed(tmp_path: Path) -> None:
    fixed = Cell("debug", "wide", 3, (), tmp_path, order_option="")
    assert "--data.seed" not in fixed.options()


def test_where_a_run_is_logged_is_no_part_of_the_experiment(tmp_path: Path) -> None:
    plain = cell(tmp_path, "--config", "a.yaml")
    logged = replace(plain, extra_arguments=("--trainer.logger", "Other"))
    assert logged.fingerprint == plain.fingerprint
    assert logged.options() == (*plain.options()[:2], "--trainer.logger", "Other", *plain.options()[2:])


def test_a_run_continues_from_the_checkpoint_it_is_given(tmp_path: Path) -> None:
    assert pairs(cell(tmp_path).options(tmp_path / "last.ckpt"))["--ckpt_path"] == str(tmp_path / "last.ckpt")


def test_the_fingerprint_tells_experiments_apart_and_folders_not(tmp_path: Path) -> None:
    one = cell(tmp_path, "--a", "1").fingerprint
    assert one == cell(tmp_path / "elsewhere", "--a", "1").fingerprint
    others = [cell(tmp_path, "--a", "2"), cell(tmp_path, "--a", "1", seed=4), cell(tmp_path, "--a 1")]
    assert len({one, *(other.fingerprint for other in others)}) == 4


def test_the_latest_value_of_a_test_metric_counts(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(
        "step,train/loss,test/auc,test/loss\n1,0.5,,\n2,,0.5,0.7\n3,,0.625,\n", encoding="utf-8"
    )
    assert logged_test_metrics(tmp_path) == {"auc": 0.625, "loss": 0.7}


def test_a_run_that_was_not_tested_has_no_test_metrics(tmp_path: Path) -> None:
    assert logged_test_metrics(tmp_path) == {}
    (tmp_path / "metrics.csv").write_text("step,train/loss,test/auc\n1,0.5,\n", encoding="utf-8")
    assert logged_test_metrics(tmp_path) == {}


@pytest.mark.parametrize(
    "content", [b"step,test/auc\n1,\xff\n", b"step,test/auc\n1,0.5,0.6\n", b"step,test/auc\n1,0.x\n"]
)
def test_a_damaged_file_of_metrics_gives_none_and_does_not_stop_the_runner(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "metrics.csv").write_bytes(content)
    assert logged_test_metrics(tmp_path) == {}


def test_a_test_metric_that_a_kill_cut_off_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_bytes(b"step,test/auc\n1,0.625\n2,0.")
    assert logged_test_metrics(tmp_path) == {"auc": 0.625}


def record(of: Cell) -> CellRecord:
    return CellRecord(
        of.study, of.variant, of.seed, of.fingerprint, "finished", 0, 1.5, 1, of.arguments, "a", "b", "", "c"
    )


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    written = record(cell(tmp_path, "--a", "1"))
    written.save(tmp_path)
    assert CellRecord.load(tmp_path) == written
    assert [path.name for path in tmp_path.iterdir()] == ["cell.json"]


def test_a_cell_that_never_started_has_no_record(tmp_path: Path) -> None:
    assert CellRecord.load(tmp_path / "missing") is None


@pytest.mark.parametrize("content", ["", "[]", '{"study": "debug"}'])
def test_a_record_that_cannot_be_read_is_not_overwritten(tmp_path: Path, content: str) -> None:
    (tmp_path / "cell.json").write_text(content, encoding="utf-8")
    with pytest.raises(StudyError, match=r"cell\.json cannot be read"):
        CellRecord.load(tmp_path)


def test_a_record_says_which_options_changed(tmp_path: Path) -> None:
    before = record(cell(tmp_path, "--config=a.yaml", "--model.d_model=32", "--flag=1"))
    after = cell(tmp_path, "--config=a.yaml", "--flag=1", "--model.d_model=64", "--more=1")
    assert before.fingerprint != after.fingerprint
    assert before.changes(after) == "--model.d_model=32 -> --model.d_model=64 --more=1"

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

pytest.importorskip("wandb", reason="W&B is optional: pip install 'hyrec[wandb]'")

from hyrec.config.experiment import Experiment
from hyrec.loggers import wandb as module
from hyrec.loggers.wandb import RankingWandbLogger, config_tags


class FakeRun:
    """What the logger uses of a run, written down."""

    def __init__(self, broken: bool = False) -> None:
        self.broken, self.logged, self.defined = broken, [], {}
        self.tags: tuple[str, ...] = ()
        self.summary: dict[str, Any] = {}
        self.received: dict[str, Any] = {}
        self.config = SimpleNamespace(update=lambda values, allow_val_change: self.received.update(values))
        self.artifacts: list[Any] = []
        self.id = "abc"

    def define_metric(self, name: str, **options: Any) -> None:
        self.defined[name] = options

    def log(self, metrics: dict[str, Any]) -> None:
        if self.broken:
            raise ConnectionResetError("the service is gone")
        self.logged.append(metrics)

    def log_artifact(self, artifact: Any) -> None:
        if self.broken:
            raise ConnectionResetError("the server is away")
        self.artifacts.append(artifact)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NAME", "PROJECT", "RUN_ID", "JOB_TYPE", "TAGS", "RUN_GROUP"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Options of the runs that are started; each becomes a run that is only written down."""
    calls: list[dict[str, Any]] = []

    def start(**options: Any) -> FakeRun:
        calls.append(options)
        return FakeRun()

    monkeypatch.setattr(module, "start_run", start)
    return calls


def test_a_run_is_named_after_its_folder(tmp_path: Path, started: list[dict[str, Any]]):
    _ = RankingWandbLogger(save_dir=str(tmp_path / "hyformer" / "20260101-120000")).experiment
    assert started[0]["name"] == "hyformer/20260101-120000"
    assert (started[0]["project"], started[0]["job_type"], started[0]["resume"]) == ("hyrec", "fit", "allow")


def test_the_variables_of_wandb_name_a_run(
    tmp_path: Path, started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WANDB_NAME", "study/variant/s0")
    monkeypatch.setenv("WANDB_RUN_ID", "0123")
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    _ = RankingWandbLogger(save_dir=str(tmp_path)).experiment
    assert (started[0]["name"], started[0]["id"], started[0]["project"]) == ("study/variant/s0", "0123", "mine")


def test_nothing_is_started_before_something_is_logged(tmp_path: Path, started: list[dict[str, Any]]):
    logger = RankingWandbLogger(save_dir=str(tmp_path))
    logger.finalize("success")
    assert started == []


def test_a_failure_of_wandb_warns_once_and_stops_nothing(tmp_path: Path, started: list[dict[str, Any]]):
    logger = RankingWandbLogger(save_dir=str(tmp_path))
    logger.experiment.broken = True
    with pytest.warns(UserWarning, match="the service is gone"):
        logger.log_metrics({"train/loss": 1.0}, step=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logger.log_metrics({"train/loss": 1.0}, step=2)
        logger.finalize("success")


def test_the_best_value_of_a_validation_metric_is_kept_in_its_own_direction(
    tmp_path: Path, started: list[dict[str, Any]]
):
    logger = RankingWandbLogger(save_dir=str(tmp_path))
    logger.log_metrics({"val/auc": 0.6, "val/like/logloss": 0.5, "val/pcoc": 1.1, "train/loss": 0.3}, step=7)
    defined = logger.experiment.defined
    assert defined["val/auc"]["summary"] == "max,last"
    assert defined["val/like/logloss"]["summary"] == "min,last"
    assert "val/pcoc" not in defined
    assert "train/loss" not in defined
    assert defined["*"]["step_metric"] == "trainer/global_step"
    assert logger.experiment.logged[0]["trainer/global_step"] == 7


def test_the_model_says_which_end_of_its_metrics_is_better(tmp_path: Path, started: list[dict[str, Any]]):
    logger = RankingWandbLogger(save_dir=str(tmp_path))
    metric = "--model.metrics=[{class_path: CalibrationError, init_args: {num_bins: 5}}]"
    logger.log_graph(Experiment.parse(["--config", "pkg:hyrec/debug.yaml", metric]).model())
    logger.log_metrics({"val/ece@5": 0.1, "val/loss": 0.5, "val/of_a_callback": 1.0}, step=7)
    best = {name: logger.experiment.defined.get(name, {}).get("summary") for name in ("val/ece@5", "val/loss")}
    assert best == {"val/ece@5": "min,last", "val/loss": "min,last"}
    assert "val/of_a_callback" not in logger.experiment.defined


def test_the_config_is_the_one_in_the_folder_of_the_run(tmp_path: Path, started: list[dict[str, Any]]):
    config = {
        "model": {"class_path": "Ranker", "init_args": {"backbone": {"class_path": "a.TwoStageBackbone"}}},
        "data": {"class_path": "b.ParquetData"},
        "schema": {"tasks": {"click": {"column": "click"}}},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    logger = RankingWandbLogger(save_dir=str(tmp_path))
    logger.log_hyperparams({"d_model": 16})
    assert logger.experiment.received == config
    assert logger.experiment.tags == ("TwoStageBackbone", "ParquetData")


def test_tags_that_were_given_are_left_alone(tmp_path: Path, started: list[dict[str, Any]]):
    (tmp_path / "config.yaml").write_text("data: {class_path: b.ParquetData}\n")
    logger = RankingWandbLogger(save_dir=str(tmp_path), tags=["mine"])
    logger.log_hyperparams({})
    assert started[0]["tags"] == ["mine"]
    assert logger.experiment.tags == ()


def test_a_config_without_model_has_no_tags():
    assert config_tags({}) == []


def test_predictions_are_an_artifact_once(tmp_path: Path, started: list[dict[str, Any]]):
    (tmp_path / "config.yaml").write_text("{}\n")
    logger = RankingWandbLogger(save_dir=str(tmp_path))
    run = logger.experiment
    logger.finalize("success")
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "part-0.parquet").write_bytes(b"PAR1")
    logger.finalize("success")
    logger.finalize("success")
    assert [artifact.type for artifact in run.artifacts] == ["config", "predictions"]
    assert list(run.artifacts[1].manifest.entries) == ["part-0.parquet"]
    assert run.summary["seconds"] > 0


def test_a_failed_run_uploads_no_files(tmp_path: Path, started: list[dict[str, Any]]):
    (tmp_path / "config.yaml").write_text("{}\n")
    logger = RankingWandbLogger(save_dir=str(tmp_path))
    _ = logger.experiment
    logger.finalize("failed")
    assert logger.experiment.artifacts == []


def test_files_that_cannot_be_sent_leave_the_metrics_to_be_logged(tmp_path: Path, started: list[dict[str, Any]]):
    (tmp_path / "config.yaml").write_text("{}\n")
    logger = RankingWandbLogger(save_dir=str(tmp_path))
    logger.experiment.broken = True
    with pytest.warns(UserWarning, match="the server is away"):
        logger.finalize("success")
    logger.experiment.broken = False
    logger.log_metrics({"test/auc": 0.7}, step=9)
    logger.finalize("success")
    assert logger.experiment.logged[0]["test/auc"] == 0.7
    assert logger.experiment.artifacts == []


def test_files_stay_at_home_when_asked(tmp_path: Path, started: list[dict[str, Any]]):
    (tmp_path / "config.yaml").write_text("{}\n")
    logger = RankingWandbLogger(save_dir=str(tmp_path), log_files=False)
    _ = logger.experiment
    logger.finalize("success")
    assert logger.experiment.artifacts == []

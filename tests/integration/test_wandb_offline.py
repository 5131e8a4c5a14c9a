"""Runs and studies in Weights & Biases without its server: kept on disk, lost on the way, never reached."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from warm_processes import WarmProcesses

from hyrec.studies.analysis.results import read_curves, read_results
from tests.wandb_files import OfflineRun, offline_runs, read_run

pytest.importorskip("wandb", reason="W&B is optional: pip install 'hyrec[wandb]'")
pytestmark = pytest.mark.slow

FIT = ("fit", "--config", "pkg:hyrec/debug.yaml", "--config", "pkg:hyrec/logger/wandb.yaml")
QUIET = ("--trainer.enable_progress_bar", "false", "--test_after_fit", "false", "--data.simulator.num_requests", "200")
Command = Callable[..., subprocess.CompletedProcess[str]]
KEY = "0123456789" * 4
ROOT = Path(__file__).parents[2]
LIMIT = 240
"""Seconds that a command has. Without a bound of its own, waiting for a server would take longer."""


def environment(home: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a command in its user's home, with no more of W&B than the given ones say."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    paths = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))
    return kept | {"HOME": str(home), "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **variables}


@pytest.fixture(scope="module")
def hyrec(forks: WarmProcesses) -> Command:
    """Runs a command in a folder that is its user's home too."""

    def run(*arguments: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return forks.hyrec(*arguments, cwd=home, environment=environment(home, variables), seconds=LIMIT)

    return run


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, hyrec: Command) -> Path:
    """Folder of a study of two cells, logged offline."""
    folder = tmp_path_factory.mktemp("offline")
    options = ("--out", str(folder / "study"), "--seeds", "0", "--set", "data.simulator.num_requests=200")
    done = hyrec(
        *("ablate", "run", "pkg:hyrec/ablations/debug.yaml", *options, "--wandb", "demo"),
        home=folder,
        WANDB_MODE="offline",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "study"


@pytest.fixture(scope="module")
def cell(study: Path) -> OfflineRun:
    """The run of one cell."""
    (run,) = offline_runs(study / "cells" / "no_pooling" / "s0")
    return run


def test_a_cell_is_named_by_study_variant_and_seed_and_grouped_by_study(cell: OfflineRun):
    assert (cell.project, cell.group, cell.job_type) == ("demo", "debug", "fit")
    assert cell.name == "debug/no_pooling/s0"
    assert cell.exit_code == 0


def test_tags_say_model_data_and_variant(cell: OfflineRun):
    assert cell.tags[:3] == ["debug", "simulated", "no_pooling"]


def test_the_config_is_resolved_and_complete(cell: OfflineRun):
    model = cell.config["model"]["init_args"]
    assert model["queries"]["init_args"]["pooling"] == "none"
    assert model["queries"]["init_args"]["ns"] == "all"  # a default, which no file says
    assert cell.config["seed_everything"] == 0
    assert cell.config["schema"]["tasks"]
    assert "features" in next(iter(cell.config["schema"]["sequences"].values()))


def test_the_summary_holds_test_metrics_costs_and_best_validation_metrics(study: Path, cell: OfflineRun):
    results = read_results(study)
    for name, value in results.cells["no_pooling", 0].metrics.items():
        assert cell.summary[f"test/{name}"] == pytest.approx(value, abs=1e-6)
    planned = results.plan.planned("no_pooling")
    for name in ("dense_parameters", "sparse_parameters", "flops_per_sample"):
        assert cell.summary[name] == getattr(planned, name)
    assert cell.summary["seconds"] > 0
    assert cell.summary["val/query_auc"]["max"] == max(value for _, value in cell.curve("val/query_auc"))
    assert cell.metrics["val/logloss"].summary.min


def test_curves_are_those_of_metrics_csv_over_the_global_step(study: Path, cell: OfflineRun):
    curves = read_curves(read_results(study).cells["no_pooling", 0].folder)
    assert len(curves["train/loss"]) > 1
    for name in ("train/loss", "val/auc"):
        logged = cell.curve(name)
        assert [step for step, _ in logged] == [step for step, _ in curves[name]]
        assert [value for _, value in logged] == pytest.approx([value for _, value in curves[name]], abs=1e-6)
    assert cell.metrics["*"].step_metric == "trainer/global_step"


def test_config_and_predictions_are_artifacts(study: Path, cell: OfflineRun):
    folder = study / "cells" / "no_pooling" / "s0"
    assert cell.artifacts["config"] == {"config.yaml": (folder / "config.yaml").stat().st_size}
    parts = {path.name: path.stat().st_size for path in (folder / "predictions").glob("*.parquet")}
    assert cell.artifacts["predictions"] == parts
    assert sum(pq.read_metadata(folder / "predictions" / name).num_rows for name in parts) > 0


def test_the_study_is_a_run_with_a_table_of_all_variants(study: Path):
    (run,) = [run for run in offline_runs(study) if run.job_type == "study"]
    assert (run.name, run.group, run.exit_code) == ("debug/table", "debug", 0)
    (logged,) = [row["study"] for row in run.history if "study" in row]
    table = json.loads((run.folder / "files" / logged["path"]).read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    results = read_results(study)
    assert {row["variant"] for row in rows} == {"hyformer", "no_pooling"}
    assert {row["metric"] for row in rows} == {"query_auc", "auc", "logloss"}
    for row in rows:
        assert row["mean"] == pytest.approx(results.cells[row["variant"], 0].metrics[row["metric"]])
        assert row["flops_per_sample"] == results.plan.planned(row["variant"]).flops_per_sample
    assert "plan.json" in run.artifacts["study"]
    assert run.config["study"]["name"] == "debug"


class FakeServer(BaseHTTPRequestHandler):
    """As much of W&B's server as starting a run needs."""

    started: threading.Event

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        request = json.loads(content) if self.path == "/graphql" else {}
        project = {"id": "p", "name": "p", "entity": {"id": "e", "name": "e"}}
        name = request.get("variables", {}).get("name")
        bucket = {"id": "b", "name": name, "displayName": "n", "config": "{}", "project": project}
        viewer = {"id": "u", "entity": "e", "username": "u", "flags": "{}", "teams": {"edges": []}}
        answers = {
            "Viewer": {"viewer": viewer},
            "RunResumeStatus": {"model": None},
            "UpsertBucket": {"upsertBucket": {"bucket": {**bucket, "historyLineCount": 0}, "inserted": True}},
        }
        self._answer({"data": answers.get(request.get("operationName"), {})})
        if self.path.endswith("/file_stream"):
            self.started.set()

    def do_PUT(self) -> None:
        self.do_POST()

    def _answer(self, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def lost_server() -> Iterator[tuple[str, threading.Event]]:
    """A server that takes a run and is gone as soon as the first metrics have come."""
    started = threading.Event()
    handler = type("Handler", (FakeServer,), {"started": started})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    closed = threading.Event()

    def stop() -> None:
        started.wait(60)
        server.shutdown()
        server.server_close()
        closed.set()

    threading.Thread(target=stop, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", closed
    started.set()


def test_a_server_that_cannot_be_reached_leaves_an_offline_run(tmp_path: Path, hyrec: Command):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    done = hyrec(
        *(*FIT, *QUIET, "--trainer.default_root_dir", str(tmp_path / "run")),
        home=tmp_path,
        WANDB_MODE="online",
        WANDB_BASE_URL=url,
        WANDB_API_KEY=KEY,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("W&B cannot be reached") == 1
    (run,) = offline_runs(tmp_path)
    assert run.curve("train/loss")
    assert run.exit_code == 0
    assert (tmp_path / "run" / "metrics.csv").is_file()


def test_a_server_that_is_lost_during_training_stops_nothing(
    tmp_path: Path, hyrec: Command, lost_server: tuple[str, threading.Event]
):
    url, closed = lost_server
    done = hyrec(
        *(
            *FIT,
            *QUIET,
            "--test_after_fit",
            "true",
            "--trainer.default_root_dir",
            str(tmp_path / "run"),
            "--trainer.logger.finish_seconds",
            "3",
        ),
        home=tmp_path,
        WANDB_MODE="online",
        WANDB_BASE_URL=url,
        WANDB_API_KEY=KEY,
    )
    assert done.returncode == 0, done.stderr
    assert closed.is_set(), done.stderr
    (path,) = (tmp_path / "run" / "wandb").glob("run-*")
    run = read_run(path)
    assert run.curve("train/loss")
    assert run.summary["test/auc"] > 0  # logged after the files could not be sent
    assert run.exit_code == 0


def test_without_a_key_nobody_is_asked(tmp_path: Path, lost_server: tuple[str, threading.Event]):
    url, _ = lost_server
    command = [sys.executable, Path(__file__).parents[1] / "local_code" / "logged_run.py"]
    options = {"env": environment(tmp_path, {"WANDB_BASE_URL": url}), "cwd": tmp_path, "timeout": LIMIT}
    done = subprocess.run(command, capture_output=True, text=True, **options, check=False)
    assert done.returncode == 0, done.stderr
    assert "No API key configured" in done.stderr
    assert len(offline_runs(tmp_path)) == 1

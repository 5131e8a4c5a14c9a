"""Runs that must agree to the last digit: two processes against one, and a killed run against an undisturbed one."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SETTINGS = [
    "--config",
    "pkg:hyrec/debug.yaml",
    "--trainer.enable_progress_bar",
    "false",
    "--model.mixer.dropout",
    "0.2",
]
KILLER = str(Path(__file__).parents[1] / "local_code" / "killed_after.py")


@pytest.fixture(scope="module")
def hyrec(tmp_path_factory, forks):
    folder = tmp_path_factory.mktemp("exact")
    environment = {
        **os.environ,
        "HYREC_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }

    def call(*arguments, code=0, told="", anew=False):
        if anew:
            command = [sys.executable, "-m", "hyrec", *arguments]
            options = {"cwd": folder, "env": environment, "capture_output": True, "text": True, "timeout": 300}
            done = subprocess.run(command, **options, check=False)
        else:
            done = forks.hyrec(*arguments, cwd=folder, environment=environment)
        assert done.returncode == code, done.stderr[-3000:]
        assert told in done.stderr
        return folder

    return call


def measured(run):
    with (run / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("test/auc")]
    return {name: float(value) for name, value in rows[-1].items() if name.startswith("test/") and value}


@pytest.mark.slow
def test_two_processes_report_the_metrics_that_one_finds_for_the_same_weights(hyrec):
    pair = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--trainer.use_distributed_sampler", "false"]
    folder = hyrec("fit", *SETTINGS, *pair, "--trainer.default_root_dir", "pair")
    config = ["--config", "pair/config.yaml", "--trainer.default_root_dir", "alone"]
    one = ["--trainer.devices", "1", "--trainer.strategy", "auto"]
    hyrec("test", *config, *one, "--ckpt_path", "pair/checkpoints/best.ckpt")
    together, alone = measured(folder / "pair"), measured(folder / "alone")
    assert set(together) == set(alone) >= {"test/auc", "test/query_auc", "test/gauc", "test/logloss", "test/ece"}
    assert together == pytest.approx(alone, abs=2e-6)


CONTINUED = [
    *SETTINGS,
    "--trainer.max_epochs",
    "2",
    "--checkpoint.every_n_train_steps",
    "2",
]


@pytest.fixture(scope="module")
def whole(hyrec):
    # By Python started anew, so that sets of strings have another order than in the runs that are compared with it.
    return hyrec("fit", *CONTINUED, "--trainer.default_root_dir", "whole", anew=True) / "whole"


def states(run):
    return {name: torch.load(run / f"checkpoints/{name}.ckpt", weights_only=True) for name in ("best", "last")}


def best_score(state):
    (found,) = [value for key, value in state["callbacks"].items() if key.startswith("BestCheckpoint")]
    return float(found["best_model_score"])


def killed(hyrec, whole, name, options, *, code, resumed=()):
    """Kill a run as ``options`` of ``KilledAfter`` say, resume it, and compare all that it leaves with ``whole``."""
    settings = [*CONTINUED, *resumed, "--trainer.default_root_dir", name]
    killer = ["--plugin", KILLER, "--trainer.callbacks+=KilledAfter"]
    killer += [f"--trainer.callbacks.{key}={value}" for key, value in options.items()]
    folder = hyrec("fit", *settings, *killer, code=code)
    saved = folder / name / "checkpoints/last.ckpt"
    stopped = torch.load(saved, weights_only=True)["global_step"]
    hyrec("fit", *settings, "--ckpt_path", str(saved))
    continued = states(folder / name)
    for kind, expected in states(whole).items():
        assert continued[kind]["global_step"] == expected["global_step"]
        assert best_score(continued[kind]) == best_score(expected)
        found = continued[kind]["state_dict"]
        differ = [weight for weight, value in expected["state_dict"].items() if not torch.equal(value, found[weight])]
        assert not differ, f"{kind}.ckpt, stopped at step {stopped}: {len(differ)} of {len(found)} differ: {differ[:5]}"
    assert measured(folder / name) == measured(whole)
    return stopped


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [0, 1], ids=["before_the_first_validation", "after_it"])
def test_a_killed_run_that_resumes_ends_with_the_weights_of_an_undisturbed_one(hyrec, whole, epoch):
    begin = states(whole)["last"]["global_step"] // 2 * epoch
    stopped = killed(hyrec, whole, f"broken{epoch}", {"step": begin + 3}, code=-signal.SIGKILL)
    assert stopped == begin + 2, "inside the epoch"


@pytest.mark.slow
def test_a_run_that_a_signal_stops_resumes_from_the_end_of_the_step_after_it(hyrec, whole):
    assert killed(hyrec, whole, "told", {"step": 3, "name": "SIGTERM"}, code=143) == 4


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "busy", "code"), [(0, 0, -signal.SIGKILL), (1, 0, 1), (1, 600, 1)])
def test_a_process_ends_with_the_reason_when_another_of_its_run_is_killed(hyrec, rank, busy, code):
    settings = [*SETTINGS, *PAIR, "--data.num_workers", "1", "--trainer.default_root_dir", f"without{rank}{busy}"]
    killer = ["--plugin", KILLER, "--trainer.callbacks+=KilledAfter"]
    killer += [f"--trainer.callbacks.{key}={value}" for key, value in {"step": 3, "rank": rank, "busy": busy}.items()]
    hyrec("fit", *settings, *killer, code=code, told="hyrec: Another process of this run has ended")


SIGNALS = {"SIGKILL": -9, "SIGTERM": 143, "SIGINT": 130, "SIGHUP": 129, "SIGUSR1": 138}
PAIR = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--trainer.use_distributed_sampler", "false"]


@pytest.fixture(scope="module")
def undisturbed(hyrec):
    """Return a run that nothing disturbs, by number of workers and of processes."""
    runs = {}

    def run(workers, processes):
        settings = ["--data.num_workers", str(workers), *(PAIR if processes == 2 else [])]
        if (workers, processes) not in runs:
            name = f"whole{workers}{processes}"
            folder = hyrec("fit", *CONTINUED, *settings, "--trainer.default_root_dir", name, anew=True)
            runs[workers, processes] = folder / name
        return settings, runs[workers, processes]

    return run


@pytest.mark.long
@pytest.mark.parametrize("when", ["step", "validation", "writing"])
@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("workers", [0, 2])
def test_every_kill_is_survived_to_the_last_bit(hyrec, undisturbed, workers, processes, name, when):
    settings, whole = undisturbed(workers, processes)
    # SIGKILL takes the first process, whose end the other sees; signals come to the second, which tells the first.
    rank = 0 if name == "SIGKILL" or processes == 1 or when == "writing" else 1
    options = {"step": 3, "name": name, "rank": rank, "when": when}
    killed(hyrec, whole, f"{name}-{when}-{workers}-{processes}", options, code=SIGNALS[name], resumed=settings)

"""Searches with a program that stands for ``hyrec fit``."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="Optuna is optional: pip install 'hyrec[tune]'")

from hyrec.messages import CommandError
from hyrec.studies.run.lock import CellLock
from hyrec.studies.run.runner import StudyInterrupted
from hyrec.tuning.journal import Trial
from hyrec.tuning.results import BEST_FILE, TRIALS_FILE, as_text, write_results
from hyrec.tuning.search import SearchRun, run_search
from hyrec.tuning.space import Parameter
from hyrec.tuning.sweep import Sweep
from tests.new_processes import until
from tests.search_runner import search_command

STAND_IN = Path(__file__).with_name("stand_in_trial.py")
PROGRAM = [sys.executable, "-S", str(STAND_IN)]


def sweep_of(*command: str, method: Any = "random", maximize: bool = True, **values: list[Any]) -> Sweep:
    parameters = (Parameter("x", (), -1.0, 1.0), *(Parameter(name, tuple(given)) for name, given in values.items()))
    return Sweep("small", method, "val/auc", maximize, parameters, (*command, "${args}"))


def sweep_of_grid(**values: list[Any]) -> Sweep:
    parameters = tuple(Parameter(name, tuple(given)) for name, given in values.items())
    return Sweep("small", "grid", "val/auc", True, parameters, ("${args}",))


class Search:
    def __init__(self, folder: Path) -> None:
        self.folder, self.lines = folder, list[str]()

    def run(self, sweep: Sweep | None = None, **options: Any) -> list[Trial]:
        options = {"trials": 3, "out": self.folder, **options}
        run = SearchRun("small.yaml", sweep or sweep_of(), **options)
        return run_search(run, report=self.lines.append, program=PROGRAM, grace=5.0)

    def log(self, number: int) -> str:
        return (self.folder / "trials" / f"{number:04d}" / "log.txt").read_text()


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return Search(tmp_path / "found")


def test_a_trial_counts_its_best_validation(search):
    for trial in search.run():
        assert trial.value == pytest.approx(1 - trial.values["x"] ** 2)


def test_where_less_is_better_the_least_validation_counts(search):
    for trial in search.run(sweep_of(maximize=False)):
        assert trial.value == pytest.approx(1 - trial.values["x"] ** 2 - 0.1)


def test_where_epochs_are_days_the_validation_of_the_newest_state_counts(search):
    for trial in search.run(sweep_of("--data.by_day=UTC")):
        assert trial.value == pytest.approx(1 - trial.values["x"] ** 2 - 0.05)


def test_every_trial_has_a_folder_and_is_told_in_a_line(search):
    trials = search.run(jobs=2)
    assert sorted(path.name for path in (search.folder / "trials").iterdir()) == ["0001", "0002", "0003"]
    assert len(search.lines) == 4
    assert search.lines[0] == f"3 trials, 2 at once, in {search.folder}"
    assert any(f"x {trials[0].values['x']:.4g} -> val/auc {trials[0].value:.4f} in" in line for line in search.lines)
    assert "the best so far; about" in search.lines[1]


def test_a_trial_gets_its_values_a_folder_and_no_test(search):
    trials = search.run(sweep_of("--given=1"), trials=1)
    words = search.log(1).splitlines()[1].split()
    folder = (search.folder / "trials" / "0001").resolve()
    assert words[:2] == ["--given=1", f"--x={trials[0].values['x']}"]
    assert words[2:] == [
        "--trainer.enable_progress_bar=false",
        f"--trainer.default_root_dir={folder}",
        "--test_after_fit=false",
    ]


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ("fail", "exit code 2: hyrec: there is no encoder 'Longr'"),
        ("mute", "no val/auc in metrics.csv"),
        ("nan", "no val/auc in metrics.csv"),
    ],
)
def test_a_trial_that_fails_is_told_and_does_not_stop_the_search(search, behaviour, told):
    trials = search.run(sweep_of_grid(do=[behaviour, "finish"], x=[0.5]), trials=5)
    assert [trial.status for trial in trials] == ["failed", "finished"]
    assert "do " + behaviour + " FAILED after" in search.lines[1]
    assert told in search.lines[1]
    assert "0001/log.txt" in search.lines[1]


def test_a_grid_ends_with_its_last_point(search):
    trials = search.run(sweep_of_grid(x=[0.5, 0.25, 0]), trials=100, jobs=2)
    assert [trial.values["x"] for trial in trials] == [0.5, 0.25, 0]


def test_a_folder_that_holds_a_search_is_not_begun_again(search):
    search.run(trials=1)
    with pytest.raises(CommandError, match=r"(?s)holds a search already.*--resume"):
        search.run()


def test_nothing_is_made_where_there_is_nothing_to_resume(search):
    with pytest.raises(CommandError, match="holds no search to go on with"):
        search.run(resume=True)
    assert not search.folder.exists()


def test_trials_of_something_else_are_left_alone(search):
    (search.folder / "trials" / "0001").mkdir(parents=True)
    with pytest.raises(CommandError, match="trials/ of something else"):
        search.run()


def test_a_folder_is_searched_by_one_process_only(search):
    lock = CellLock.take(search.folder)
    assert lock is not None
    with pytest.raises(CommandError, match="is searching in"):
        search.run()
    lock.release()


def test_a_resume_adds_trials(search):
    before = search.run(trials=2)
    after = search.run(trials=4, resume=True)
    assert after[:2] == before
    assert len(after) == 4
    assert search.lines[3].endswith("; 2 done before")


def test_a_resume_remembers_trials_and_seed(search, tmp_path):
    whole = Search(tmp_path / "whole").run(trials=4, seed=7)
    search.run(trials=4, seed=7)
    (search.folder / "journal.log").unlink()
    assert [trial.values for trial in search.run(trials=None, resume=True)] == [trial.values for trial in whole]


def test_the_file_may_cap_the_trials(search):
    assert len(search.run(replace(sweep_of(), run_cap=2), trials=None)) == 2


@pytest.mark.parametrize(
    ("changed", "options", "told"),
    [
        (sweep_of(method="bayes"), {}, "another method than when"),
        (sweep_of(y=[1, 2]), {}, "another parameters than when"),
        (sweep_of("--more=1"), {}, "another command than when"),
        (sweep_of(), {"seed": 3}, "another seed than when"),
    ],
)
def test_a_search_goes_on_with_the_same_sweep_only(search, changed, options, told):
    search.run(trials=1)
    with pytest.raises(CommandError, match=told):
        search.run(changed, resume=True, **options)


def test_a_sweep_whose_values_are_mappings_goes_on_too(search):
    sweep = sweep_of_grid(x=[0.5], optimizer=[{"class_path": "A", 1: [2]}, "B"])
    search.run(sweep, trials=1)
    assert len(search.run(sweep, trials=2, resume=True)) == 2


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file with the folder of the trial that waits until it is gone."""
    path = tmp_path / "gate"
    path.write_text("0002")
    return path


def in_a_process(folder: Path, gate: Path) -> subprocess.Popen[str]:
    run = SearchRun("small.yaml", sweep_of(f"--gate={gate}", method="bayes"), 4, out=folder)
    command = search_command(run, gate.with_name("search"), program=PROGRAM, grace=5.0)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_search_that_was_stopped_goes_on_as_the_undisturbed_one(search, tmp_path, gate, number):
    process = in_a_process(search.folder, gate)
    metrics = search.folder / "trials" / "0002" / "metrics.csv"
    until(lambda: metrics.is_file() and metrics.read_text().count("\n") > 3)
    process.send_signal(number)
    process.wait(timeout=30)
    gate.unlink()
    after = search.run(sweep_of(f"--gate={gate}", method="bayes"), trials=None, resume=True)
    whole = Search(tmp_path / "whole").run(sweep_of(f"--gate={gate}", method="bayes"), trials=4)
    assert search.lines[0].endswith("; 1 done before")
    assert [(trial.values, trial.value) for trial in after] == [(trial.values, trial.value) for trial in whole]


def test_after_a_signal_no_child_is_left(search, gate):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    log = search.folder / "trials" / "0002" / "log.txt"

    def interrupt() -> None:
        until(lambda: log.is_file() and "--x" in log.read_text())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(StudyInterrupted) as caught:
            search.run(sweep_of(f"--gate={gate}"))
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert caught.value.exit_code == 130
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert str(gate) not in listed


def test_the_winner_is_written_as_an_overlay_with_the_command_that_trains_it(search):
    sweep = sweep_of("--config=base.yaml", "--test_after_fit=false", "--more=1")
    trials = search.run(sweep)
    best = max(trials, key=lambda trial: trial.value)
    command = write_results(trials, sweep, search.folder)
    assert command == f"hyrec fit --config=base.yaml --more=1 --config={search.folder / BEST_FILE}"
    assert (search.folder / BEST_FILE).read_text().splitlines()[1:] == [f"x: {best.values['x']}"]


def test_what_no_overlay_can_say_stays_on_the_command_line(search):
    sweep = sweep_of_grid(x=[0.5], **{"schema.sequences.views.max_length": [8, 9], "config": ["a.yaml"]})
    command = write_results(search.run(sweep), sweep, search.folder)
    words = "--schema.sequences.views.max_length=8 --config=a.yaml"
    assert command == f"hyrec fit {words} --config={search.folder / BEST_FILE}"


def test_all_trials_are_written_as_a_table(search):
    sweep = sweep_of_grid(x=[0.5, 0.25], do=["finish", "fail"], hidden=[[8, 4]])
    trials = search.run(sweep, trials=4, jobs=2)
    write_results(trials, sweep, search.folder)
    with (search.folder / TRIALS_FILE).open() as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["finished", "failed", "finished", "failed"]
    assert (rows[0]["val/auc"], rows[1]["val/auc"], rows[0]["x"]) == ("0.75", "", "0.5")
    assert rows[3]["folder"] == "trials/0004"


def test_without_a_result_there_is_no_winner(search):
    sweep = sweep_of_grid(x=[0.5, 0.2], do=["fail"])
    assert write_results(search.run(sweep), sweep, search.folder) is None
    assert not (search.folder / BEST_FILE).exists()


def test_the_best_are_shown_first_with_what_their_order_is_worth(search):
    sweep = sweep_of_grid(x=[0.5, 0.25, 0], do=["finish", "fail"])
    told = as_text(search.run(sweep, trials=6, jobs=2), sweep).splitlines()
    assert told[0].split() == ["trial", "val/auc", "x", "do"]
    assert told[1].split() == ["5", "1.0000", "0", "finish"]
    assert told[4] == "3 of 6 trials failed: 2, 4, 6; their log.txt says why"
    assert told[6].startswith("The best is 0.0625 above the median of 3 trials.")
    assert "flatters" in told[7]


def test_what_is_kept_of_a_search_is_plain_json(search):
    search.run(trials=1)
    kept = json.loads((search.folder / "search.json").read_text())
    assert (kept["trials"], kept["seed"], kept["metric"]) == (1, 0, "val/auc")

"""The runner with a program that stands for ``hyrec fit``: it takes the same options and leaves the same files."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hyrec
from hyrec.studies.plan.study import StudyError
from hyrec.studies.run.cell import Cell
from hyrec.studies.run.lock import CellLock
from hyrec.studies.run.progress import StudyProgress
from hyrec.studies.run.record import CellRecord
from hyrec.studies.run.runner import CellOutcome, StudyInterrupted, cell_variables, run_cells
from tests.new_processes import until
from tests.study_runner import runner_command

STAND_IN = Path(__file__).with_name("stand_in_fit.py")
PROGRAM = [sys.executable, "-S", str(STAND_IN)]


class Fake:
    """Cells of the program above, and what it was called with."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lines = folder, list[str]()
        self.calls_file = folder / "calls.jsonl"

    def cell(self, behaviour: str = "finish", variant: str = "", seed: int = 0, **options: str) -> Cell:
        more = [f"--{name}={value}" for name, value in options.items()]
        folder = self.folder / "study" / "cells" / (variant or behaviour) / f"s{seed}"
        cell = Cell("study", variant or behaviour, seed, (f"--do={behaviour}", *more), folder)
        return replace(cell, environment={"CALLS": str(self.calls_file)})

    def run(self, cells: list[Cell], **options: Any) -> list[CellOutcome]:
        options = {"report": self.lines.append, **options}
        return run_cells(cells, program=PROGRAM, **options)

    def start_runner(self, cells: list[Cell], *, jobs: int = 1) -> subprocess.Popen[str]:
        """Run cells in a process of its own."""
        environment = {**os.environ, "CALLS": str(self.calls_file), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = runner_command(cells, jobs=jobs, program=PROGRAM, grace=5.0)
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    def calls(self, event: str = "start") -> list[dict[str, Any]]:
        text = self.calls_file.read_text(encoding="utf-8") if self.calls_file.exists() else ""
        return [call for line in text.splitlines() if (call := json.loads(line))["event"] == event]


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores it
    yield Fake(tmp_path)
    signal.signal(signal.SIGINT, before)


def record(cell: Cell) -> CellRecord:
    found = CellRecord.load(cell.folder)
    assert found is not None
    return found


def is_alive(process: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent to notice does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def send_soon(fake: Fake, number: int, times: int = 1) -> threading.Thread:
    """Send this process a signal once a cell has come to its waiting place."""

    def send() -> None:
        until(lambda: fake.calls("waits"))
        for _ in range(times):
            os.kill(os.getpid(), number)
            time.sleep(0.5)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


# What a run leaves


def test_every_cell_is_run_and_its_metrics_come_back_in_order(fake: Fake) -> None:
    cells = [fake.cell(seed=seed) for seed in (2, 0, 1)]
    outcomes = fake.run(cells, jobs=2)
    assert [outcome.cell for outcome in outcomes] == cells
    assert [outcome.metrics for outcome in outcomes] == [{"auc": 0.7}, {"auc": 0.5}, {"auc": 0.6}]
    assert {(outcome.status, outcome.ran) for outcome in outcomes} == {("finished", True)}
    assert {call["name"] for call in fake.calls()} == {cell.name for cell in cells}


def test_the_record_says_what_was_run_and_how_it_went(fake: Fake) -> None:
    cell = fake.cell(seconds="0.3")
    fake.run([cell])
    found = record(cell)
    assert (found.study, found.variant, found.seed) == ("study", "finish", 0)
    assert (found.status, found.exit_code, found.attempts, found.error) == ("finished", 0, 1, "")
    assert found.fingerprint == cell.fingerprint
    assert found.arguments == cell.arguments
    assert 0.3 < found.seconds < 60
    assert found.started <= found.ended


@pytest.mark.parametrize("jobs", [1, 3])
def test_as_many_cells_run_at_once_as_there_are_jobs(fake: Fake, jobs: int) -> None:
    fake.run([fake.cell(seed=seed, seconds="1") for seed in range(jobs + 1)], jobs=jobs)
    marks = [(call["time"], 1) for call in fake.calls("start")] + [(call["time"], -1) for call in fake.calls("end")]
    level = highest = 0
    for _, change in sorted(marks):
        level += change
        highest = max(highest, level)
    assert highest == jobs


def test_cores_are_shared_between_jobs(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    fake.run([fake.cell()], jobs=2)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    fake.run([fake.cell(seed=1)], jobs=2)
    given = {"CALLS": str(fake.calls_file), "OMP_NUM_THREADS": "7", "EXTRA": "yes"}
    fake.run([replace(fake.cell(seed=2), environment=given)], jobs=2)
    assert [(call["threads"], call["extra"]) for call in fake.calls()] == [("3", None), ("5", None), ("7", "yes")]


def test_cells_import_hyrec_from_where_the_runner_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: Fake
) -> None:
    """'python -m' looks into the current folder first, the hyrec command does not."""
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    assert cell_variables(fake.cell(), jobs=1)["PYTHONSAFEPATH"] == "1"
    for entry in ("", str(tmp_path)):
        monkeypatch.setattr(sys, "path", [entry, *sys.path])
        assert "PYTHONSAFEPATH" not in cell_variables(fake.cell(), jobs=1)
        monkeypatch.setattr(sys, "path", sys.path[1:])


def test_progress_reads_as_a_log(fake: Fake) -> None:
    cells = [fake.cell(), fake.cell(seed=1), fake.cell("fail")]
    fake.run(cells)
    first, *middle, last = fake.lines
    assert first == "3 cells, 1 at once"
    assert middle[0].startswith("[1/3] finish s0 finished in ")
    assert ": auc 0.5000; about " in middle[0]
    assert middle[0].endswith(" left")
    assert last.startswith("[3/3] fail s0 FAILED after ")
    assert "exit code 1: hyrec: there is no encoder 'Longr' (log: " in last
    fake.run(cells[:2])
    assert fake.lines[-1] == "2 cells, 1 at once; 2 done before"


def test_the_time_that_is_left_counts_what_is_running_and_what_waits(tmp_path: Path) -> None:
    lines: list[str] = []
    small, large = (
        [Cell("study", variant, seed, (), tmp_path / variant / str(seed)) for seed in range(3)]
        for variant in ("small", "large")
    )
    progress = StudyProgress(6, 2, ["auc"], lines.append, {small[0]: 10.0, large[0]: 60.0})
    progress.finished(small[1], 20.0, {"auc": 0.5}, {large[1]: 20.0, small[2]: 0.0, large[2]: 0.0})
    assert lines[-1] == "[3/6] small s1 finished in 20 s: auc 0.5000; about 1 min left", "the longest cell decides"
    progress.finished(large[1], 60.0, {"auc": 0.5}, {small[2]: 0.0, large[2]: 59.0})
    assert lines[-1].endswith("; about 15 s left")
    progress.finished(small[2], 15.0, {"auc": 0.5}, {large[2]: 80.0})
    assert lines[-1].endswith("; about 0.0 s left"), "an estimate is never negative"


# Resuming


def test_a_finished_cell_is_not_run_again(fake: Fake) -> None:
    fake.run([fake.cell()])
    (outcome,) = fake.run([fake.cell()])
    assert (outcome.status, outcome.metrics, outcome.ran) == ("finished", {"auc": 0.5}, False)
    assert outcome.seconds > 0
    assert len(fake.calls()) == 1


def test_a_finished_cell_of_other_arguments_stops_everything_before_it_starts(fake: Fake) -> None:
    fake.run([fake.cell(width="32")])
    with pytest.raises(StudyError, match=r"--width=32 -> --width=64.*Remove that folder.*--out"):
        fake.run([fake.cell(seed=1), fake.cell(width="64")])
    assert len(fake.calls()) == 1


def test_cells_that_share_a_folder_are_refused(fake: Fake) -> None:
    with pytest.raises(StudyError, match="share the folder"):
        fake.run([fake.cell(), fake.cell()])


def test_a_failed_cell_is_recorded_and_does_not_stop_the_rest(fake: Fake) -> None:
    bad, good = fake.cell("fail"), fake.cell()
    first, second = fake.run([bad, good])
    assert (first.status, second.status) == ("failed", "finished")
    assert first.error.splitlines() == ["exit code 1", "first line", "hyrec: there is no encoder 'Longr'"]
    assert (record(bad).status, record(bad).exit_code, record(bad).error) == ("failed", 1, first.error)


def test_a_run_without_test_metrics_has_failed(fake: Fake) -> None:
    (outcome,) = fake.run([fake.cell("mute")])
    assert outcome.status == "failed"
    assert "without test metrics" in outcome.error


def test_a_failed_cell_is_tried_again_from_the_beginning(fake: Fake) -> None:
    cell = fake.cell("fail")
    fake.run([cell])
    (tried,) = fake.run([cell])
    assert (tried.ran, record(cell).attempts) == (True, 2)
    assert [call["checkpoint"] for call in fake.calls()] == [None, None]


def test_a_killed_cell_is_interrupted_and_continues_from_its_checkpoint(fake: Fake) -> None:
    cell = fake.cell("killed", seed=1)
    (killed,) = fake.run([cell])
    assert (killed.status, record(cell).exit_code) == ("interrupted", -signal.SIGKILL)
    assert "SIGKILL" in killed.error
    (done,) = fake.run([cell])
    assert (done.status, done.metrics) == ("finished", {"auc": 0.6})
    assert [call["checkpoint"] for call in fake.calls()] == [None, str(cell.folder / "checkpoints/last.ckpt")]
    assert record(cell).attempts == 2
    assert done.seconds > killed.seconds, "the time of both attempts counts"


def test_metrics_of_an_interrupted_attempt_are_kept_up_to_the_last_whole_line(fake: Fake) -> None:
    cell = fake.cell("killed")
    fake.run([cell])
    fake.run([cell])
    assert (cell.folder / "metrics-1.csv").read_text(encoding="utf-8").endswith("\n2,0.3333333333333333,\n")
    assert (cell.folder / "metrics.csv").read_text(encoding="utf-8").splitlines()[1].startswith("2,")


def test_a_cell_killed_twice_keeps_both_pieces_of_its_curve(fake: Fake) -> None:
    cell = fake.cell("killed")
    fake.run([cell])
    (cell.folder / "metrics-1.csv").write_text("step\n0\n", encoding="utf-8")
    fake.run([cell])
    assert (cell.folder / "metrics-1.csv").read_text(encoding="utf-8") == "step\n0\n"
    assert (cell.folder / "metrics-2.csv").exists()


def test_predictions_that_were_being_written_are_removed(fake: Fake) -> None:
    cell = fake.cell("killed")
    fake.run([cell])
    assert (cell.folder / "predictions/part-00000.parquet").exists()
    (done,) = fake.run([cell])
    assert done.status == "finished", done.error
    assert not (cell.folder / "predictions").exists()


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_checkpoint_is_not_continued_from(fake: Fake, damage: str) -> None:
    cell = fake.cell("killed")
    fake.run([cell])
    path = cell.folder / "checkpoints/last.ckpt"
    content = path.read_bytes()
    data = content.index(b"step") + 4
    flipped = content[:data] + bytes([content[data] ^ 1]) + content[data + 1 :]
    path.write_bytes(content[: len(content) // 2] if damage == "truncated" else flipped)
    (again,) = fake.run([cell])
    assert [call["checkpoint"] for call in fake.calls()] == [None, None]
    assert again.status == "interrupted", "the stand-in is killed whenever it starts from the beginning"
    assert "killed s0 starts from the beginning: its last checkpoint is damaged" in "\n".join(fake.lines)


def test_a_cell_without_a_checkpoint_starts_in_a_clean_folder(fake: Fake) -> None:
    cell = fake.cell("killed")
    fake.run([cell])
    (cell.folder / "checkpoints/last.ckpt").unlink()
    (cell.folder / "left.over").touch()
    fake.run([cell])
    assert not (cell.folder / "left.over").exists()
    assert not (cell.folder / "metrics-1.csv").exists()
    assert "starts from the beginning: it was interrupted before its first checkpoint" in "\n".join(fake.lines)


def test_a_checkpoint_of_other_arguments_is_not_continued_from(fake: Fake) -> None:
    fake.run([fake.cell("killed", width="32")])
    fake.run([fake.cell("killed", width="64")])
    assert [call["checkpoint"] for call in fake.calls()] == [None, None]
    assert "begun with other arguments (--width=32 -> --width=64)" in "\n".join(fake.lines)


def test_a_study_that_was_moved_starts_its_interrupted_cells_again(fake: Fake) -> None:
    fake.run([fake.cell("killed")])
    (fake.folder / "study").rename(fake.folder / "moved")
    (fake.folder / "study").symlink_to(fake.folder / "moved")
    fake.run([fake.cell("killed")])
    assert [call["checkpoint"] for call in fake.calls()] == [None, None]


# Several runners, and their end


def test_a_cell_that_somebody_else_runs_is_left_alone(fake: Fake) -> None:
    busy, free = fake.cell(seed=0), fake.cell(seed=1)
    lock = CellLock.take(busy.folder)
    assert lock is not None
    first, second = fake.run([busy, free])
    assert (first.status, first.ran, second.status) == ("elsewhere", False, "finished")
    assert f"process {os.getpid()} on " in first.error
    lock.release()
    (first,) = fake.run([busy])
    assert first.status == "finished"


def test_two_runners_share_a_study_and_run_no_cell_twice(fake: Fake) -> None:
    cells = [fake.cell(seed=seed, seconds="0.3") for seed in range(6)]
    runners = [fake.start_runner(cells), fake.start_runner(cells)]
    for runner in runners:
        assert runner.wait(60) == 0
    assert sorted(call["name"] for call in fake.calls()) == sorted(cell.name for cell in cells)
    assert {record(cell).status for cell in cells} == {"finished"}


def test_ctrl_c_stops_the_cells_and_a_resume_continues_them(fake: Fake) -> None:
    waiting, never = fake.cell("waits", seed=1), fake.cell(seed=2)
    thread = send_soon(fake, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as stopped:
        fake.run([waiting, never])
    thread.join()
    assert isinstance(stopped.value, StudyInterrupted)
    assert stopped.value.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not is_alive(fake.calls("waits")[0]["process"])
    assert record(waiting).status == "interrupted"
    assert "waits s1 was stopped" in fake.lines[-1]
    assert not never.folder.exists()
    outcomes = fake.run([waiting, never])
    assert [outcome.metrics for outcome in outcomes] == [{"auc": 0.6}, {"auc": 0.7}]
    assert fake.calls()[1]["checkpoint"] == str(waiting.folder / "checkpoints/last.ckpt")


def test_sigterm_stops_a_runner_as_ctrl_c_does(fake: Fake) -> None:
    thread = send_soon(fake, signal.SIGTERM)
    with pytest.raises(StudyInterrupted, match="SIGTERM") as stopped:
        fake.run([fake.cell("waits")])
    thread.join()
    assert stopped.value.exit_code == 143
    assert record(fake.cell("waits")).exit_code == -signal.SIGTERM


def test_a_cell_that_will_not_end_is_killed_after_the_grace_time(fake: Fake) -> None:
    thread = send_soon(fake, signal.SIGINT)
    with pytest.raises(StudyInterrupted):
        fake.run([fake.cell("stubborn")], grace=0.5)
    thread.join()
    assert not is_alive(fake.calls("waits")[0]["process"])
    assert (record(fake.cell("stubborn")).status, record(fake.cell("stubborn")).exit_code) == (
        "interrupted",
        -signal.SIGKILL,
    )


def test_a_second_ctrl_c_does_not_wait_for_the_grace_time(fake: Fake) -> None:
    thread = send_soon(fake, signal.SIGINT, times=2)
    started = time.monotonic()
    with pytest.raises(StudyInterrupted):
        fake.run([fake.cell("stubborn")], grace=60.0)
    assert time.monotonic() - started < 40
    thread.join()


def test_what_a_cell_started_ends_with_it(fake: Fake) -> None:
    thread = send_soon(fake, signal.SIGTERM)
    with pytest.raises(StudyInterrupted):
        fake.run([fake.cell("parent")])
    thread.join()
    until(lambda: not is_alive(fake.calls("grandchild")[0]["grandchild"]))


def test_no_cell_survives_an_error_of_the_runner(fake: Fake) -> None:
    def report(line: str) -> None:
        if "fail" in line:
            raise BrokenPipeError("nobody reads")

    with pytest.raises(BrokenPipeError, match="nobody reads"):
        fake.run([fake.cell("stubborn"), fake.cell("fail")], jobs=2, report=report, grace=0.2)
    assert not any(is_alive(call["process"]) for call in fake.calls())
    assert record(fake.cell("fail")).status == "failed"
    lock = CellLock.take(fake.cell("stubborn").folder)
    assert lock is not None, "the lock is free"
    lock.release()


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux kills the children of a process that dies.")
def test_no_cell_survives_a_runner_that_is_killed(fake: Fake) -> None:
    cell = fake.cell("waits")
    runner = fake.start_runner([cell])
    until(lambda: fake.calls("waits"))
    child = fake.calls("waits")[0]["process"]
    assert is_alive(child)
    runner.kill()
    runner.wait(10)
    until(lambda: not is_alive(child))
    assert record(cell).status == "interrupted"
    (outcome,) = fake.run([cell])
    assert (outcome.status, outcome.metrics) == ("finished", {"auc": 0.5})
    assert fake.calls()[-1]["checkpoint"] == str(cell.folder / "checkpoints/last.ckpt")
    assert record(cell).seconds > 0.1


def test_the_record_says_which_hyrec_ran_the_cell(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyrec.studies.run.record.source_commit", lambda: "abc-dirty-1")
    cell = fake.cell()
    fake.run([cell])
    assert (record(cell).version, record(cell).commit) == (hyrec.__version__, "abc-dirty-1")


def test_a_record_without_version_and_commit_is_read(fake: Fake) -> None:
    cell = fake.cell()
    fake.run([cell])
    path = cell.folder / "cell.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({key: content[key] for key in content if key not in ("version", "commit")}))
    found = record(cell)
    assert (found.version, found.commit, found.status) == ("", None, "finished")


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("hyrec.studies.run.lock.fcntl.flock", flock)
    with pytest.raises(StudyError, match=r"has no file locks \(flock: No locks available\).*--out"):
        CellLock.take(tmp_path)

"""A run's folder belongs to one run."""

import multiprocessing

import pytest

from hyrec.config.run_folder import choose_run_folder, held
from hyrec.messages import CommandError


@pytest.mark.parametrize("name", ["../up", "/tmp/x", "", "a/../../b", "a\0b"])
def test_a_name_cannot_leave_the_folder_of_runs(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match="inside runs/"):
        choose_run_folder("fit", name, None)
    assert not list(tmp_path.iterdir())


def test_a_name_may_have_folders_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYREC_RUN_FOLDER", "")
    assert choose_run_folder("fit", "week-3/wide", None).parent.as_posix() == "runs/week-3/wide"


def take(folder, answer):
    try:
        with held(folder, None):
            answer.put("")
    except CommandError as error:
        answer.put(str(error))


def test_two_processes_never_train_in_one_folder(tmp_path):
    processes = multiprocessing.get_context("spawn")
    answer = processes.Queue()
    with held(tmp_path / "run", None):
        other = processes.Process(target=take, args=(tmp_path / "run", answer))
        other.start()
        assert "choose another folder" in answer.get(timeout=60)
        other.join()
    with held(tmp_path / "run", None):
        pass


def test_a_run_never_writes_over_another_but_adds_to_the_one_that_it_resumes(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "metrics.csv").write_text("epoch\n")
    with pytest.raises(CommandError, match=r"holds the metrics\.csv of another run"), held(tmp_path, None):
        pass
    with pytest.raises(CommandError, match="another run"), held(tmp_path, "elsewhere/last.ckpt"):
        pass
    with held(tmp_path, str(tmp_path / "checkpoints/last.ckpt")):
        pass

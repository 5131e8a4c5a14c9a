"""What a command prints of a failure: five lines for what a user or the machine did, a traceback for our mistakes."""

import errno
import re
from pathlib import Path

import pytest
import torch

from hyrec.cli.errors import MAX_LINES, guarded
from hyrec.cli.main import main

LOCAL_CODE = Path(__file__).parents[2] / "local_code"


def failing(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "runs/a.ckpt"), "The disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "runs/a"), "Choose another folder"),
        (OSError(errno.EPERM, "Operation not permitted", "runs/a"), "Change its permissions"),
        (OSError(errno.EFBIG, "File too large", "runs/a"), "ulimit -f"),
        (OSError(errno.ENOENT, "No such file or directory", "data/a.parquet"), "data/a.parquet"),
        (MemoryError(), "Too little memory"),
        (RuntimeError("DataLoader worker (pid 8) is killed by signal: Killed. "), "A data worker died"),
        (RuntimeError("DataLoader worker (pid(s) 8, 9) exited unexpectedly"), "A data worker died"),
        (RuntimeError("unable to open shared memory object </torch_1> in read-write mode"), "/dev/shm"),
        (RuntimeError("Read error [127.0.0.1]:55: Connection reset by peer."), "Another process of this run"),
        (RuntimeError("[enforce fail] . PytorchStreamWriter failed writing file data/9: file write failed"), "disk"),
    ],
)
def test_a_failure_of_the_machine_is_told_in_five_lines(capsys, monkeypatch, error, told):
    monkeypatch.delenv("HYREC_DEBUG", raising=False)
    assert guarded(failing(error)) == 1
    said = capsys.readouterr().err
    assert said.startswith("hyrec: ")
    assert told in said
    assert len(said.splitlines()) <= MAX_LINES


def test_what_the_machine_refuses_hyrec_itself_is_no_mistake_of_the_user(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["data", "simulate", "--out", str(tmp_path / "file" / "below"), "--num_requests", "20"]) == 1
    assert "hyrec: Not a directory" in capsys.readouterr().err


def test_memory_that_no_machine_has_is_told(capsys, monkeypatch):
    monkeypatch.delenv("HYREC_DEBUG", raising=False)
    assert guarded(lambda: len(torch.empty(2**50))) == 1
    assert "Too little memory" in capsys.readouterr().err


def test_a_mistake_of_ours_keeps_its_traceback_also_while_a_missing_file_is_handled(monkeypatch):
    monkeypatch.delenv("HYREC_DEBUG", raising=False)

    def command():
        try:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", "a")
        except FileNotFoundError:
            return {}["key"]

    with pytest.raises(KeyError):
        guarded(command)


def test_debugging_keeps_every_traceback(monkeypatch):
    monkeypatch.setenv("HYREC_DEBUG", "1")
    with pytest.raises(MemoryError):
        guarded(failing(MemoryError()))


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--model.dict_kwargs.typo=1", "model: hyrec.Ranker cannot be built of these options: .*argument 'typo'"),
        (f"--model.d_model={2**63}", "model: hyrec.Ranker cannot be built of these options: .*verflow"),
        ("--model.dense_optimizer.lr=-1", "model.dense_optimizer cannot be .*: Invalid learning rate: -1"),
        ("--model.sparse_optimizer.dict_kwargs.typo=1", "model.sparse_optimizer cannot be .*argument 'typo'"),
    ],
)
def test_options_that_python_or_torch_refuses_are_told_with_their_place(option, told, capsys, monkeypatch):
    monkeypatch.delenv("HYREC_DEBUG", raising=False)
    assert main(["inspect", "--config", "pkg:hyrec/debug.yaml", option]) == 2
    said = capsys.readouterr().err
    assert re.match(f"hyrec: {told}", said)
    assert len(said.splitlines()) <= MAX_LINES


def test_what_a_plugin_says_of_its_options_is_told(capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("HYREC_DEBUG", raising=False)
    monkeypatch.setenv("HYREC_CACHE", str(tmp_path))
    code = LOCAL_CODE / "strict_mixer.py"
    options = ["--plugin", str(code), "--model.mixer", "StrictMixer", "--model.mixer.width=3"]
    assert main(["inspect", "--config", "pkg:hyrec/debug.yaml", *options]) == 2
    assert capsys.readouterr().err.splitlines() == ["hyrec: width must be even, got 3.", "(HYREC_DEBUG=1 shows where)"]

"""What ``fit``, ``test`` and ``predict`` leave behind in their process."""

import torch

from hyrec.cli.main import main


def test_a_run_of_several_processes_leaves_its_group(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYREC_CACHE", str(tmp_path / "cache"))
    ddp = ["--trainer.strategy", "ddp", "--trainer.devices", "1", "--trainer.fast_dev_run", "true"]
    assert main(["fit", "--config", "pkg:hyrec/debug.yaml", "--data.simulator.num_requests=200", *ddp]) == 0
    assert not torch.distributed.is_initialized()

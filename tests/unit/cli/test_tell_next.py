"""What a run that has ended says of its folder."""

import lightning as L
import pytest

from hyrec.cli.run_command import tell_next


@pytest.mark.parametrize(
    ("logged", "told"), [(["metrics.csv"], "config.yaml, metrics.csv and"), ([], "config.yaml and")]
)
def test_only_files_that_are_there_are_named(logged, told, tmp_path, capsys):
    (tmp_path / "checkpoints").mkdir()
    for name in ["config.yaml", "checkpoints/best.ckpt", *logged]:
        (tmp_path / name).touch()
    tell_next(tmp_path, L.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False))
    assert f"holds {told} checkpoints/best.ckpt" in capsys.readouterr().out

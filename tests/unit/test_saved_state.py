"""Checkpoint files that are damaged, foreign or of another model are refused in a sentence."""

import pickle

import pytest
import torch

from hyrec.saved_state import CheckpointError, read_checkpoint, refuse_other_weights

WHOLE = {
    "state_dict": {"weight": torch.arange(64.0)},
    "pytorch-lightning_version": "2.6.6",
    "optimizer_states": [],
    "lr_schedulers": [],
    "loops": {},
}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.ckpt"
    torch.save(WHOLE, path)
    return path


def test_a_whole_checkpoint_is_read_as_it_was_written(saved):
    assert torch.equal(read_checkpoint(saved, resumes=True)["state_dict"]["weight"], torch.arange(64.0))


def test_a_flipped_byte_is_found(saved):
    content = bytearray(saved.read_bytes())
    place = content.index(torch.arange(64.0).numpy().tobytes())
    content[place + 40] ^= 1
    saved.write_bytes(content)
    with pytest.raises(CheckpointError, match="is damaged or was cut short: data/0 is not what was written"):
        read_checkpoint(saved)


def test_a_file_that_was_cut_short_is_refused(saved):
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cut short"):
        read_checkpoint(saved)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "is empty"), (b"hello", "no checkpoint"), (pickle.dumps({}), "no checkpoint")]
)
def test_a_file_that_is_no_archive_is_refused(tmp_path, content, reason):
    (tmp_path / "a.ckpt").write_bytes(content)
    with pytest.raises(CheckpointError, match=reason):
        read_checkpoint(tmp_path / "a.ckpt")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (torch.ones(3), "it holds a Tensor"),
        ({"a": 1}, "no state_dict and no pytorch-lightning_version"),
        ({**WHOLE, "hyper_parameters": "x"}, "hyper_parameters are no mapping"),
        ({key: value for key, value in WHOLE.items() if key != "loops"}, "training cannot resume"),
    ],
)
def test_what_is_no_checkpoint_of_a_run_is_refused(tmp_path, content, reason):
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match=reason):
        read_checkpoint(tmp_path / "a.ckpt", resumes=True)


def test_weights_of_another_model_are_told_in_five_lines():
    own = {name: torch.ones(2) for name in "abcd"}
    with pytest.raises(CheckpointError, match="a: \\(3,\\) in the checkpoint, \\(2,\\) in the model") as refused:
        refuse_other_weights({name: torch.ones(3) for name in "abcd"}, own)
    assert len(str(refused.value).splitlines()) <= 5

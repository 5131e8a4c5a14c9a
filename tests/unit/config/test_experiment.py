"""What a command line means, without running it; and the parts that a notebook takes."""

import json

import pytest
import torch

from hyrec.config.experiment import Experiment
from hyrec.data.parquet import ParquetData
from hyrec.messages import CommandError
from hyrec.testing import tiny_schema

DEBUG = ["--config", "pkg:hyrec/debug.yaml"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYREC_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_parsing_prints_nothing_writes_nothing_and_draws_nothing(folder, capsys):
    random = torch.get_rng_state()
    experiment = Experiment.parse(["fit", *DEBUG])
    assert experiment.options["name"] == "debug"
    assert not list(folder.iterdir())
    assert torch.equal(random, torch.get_rng_state())
    assert capsys.readouterr() == ("", "")


def test_options_are_plain_data_and_hold_the_schema_once():
    options = Experiment.parse(DEBUG).options
    assert json.loads(json.dumps(options)) == options
    assert "schema" not in options["model"]["init_args"]
    click = {"column": "is_click", "positive": [], "threshold": 0.0, "condition": None}
    assert options["schema"]["tasks"] == {"click": click}


def test_every_model_of_an_experiment_has_the_same_weights_and_another_seed_has_others():
    experiment = Experiment.parse(DEBUG)
    first, again = experiment.model().state_dict(), experiment.model().state_dict()
    other = Experiment.parse([*DEBUG, "--seed_everything=1"]).model().state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_an_option_of_the_model_can_be_another_without_parsing_again():
    experiment = Experiment.parse(DEBUG)
    assert experiment.model(d_model=32).network.ctx.d_model == 32
    assert experiment.model().network.ctx.d_model == 16


def test_a_model_keeps_its_options_for_a_checkpoint():
    hparams = Experiment.parse(DEBUG).model(d_model=32).hparams
    assert hparams["_class_path"] == "hyrec.Ranker"
    assert hparams["d_model"] == 32
    assert hparams["mixer"]["class_path"] == "hyrec.mixers.RankMixer"


def test_a_schema_alone_means_files():
    tiny_schema().save("tiny.yaml")
    experiment = Experiment.parse([*DEBUG[:1], "pkg:hyrec/hyformer.yaml", "--schema", "tiny.yaml"])
    data = experiment.data()
    assert type(data) is ParquetData
    assert not data.has("train")


def test_a_trainer_has_what_the_command_needs_and_what_a_notebook_adds(folder):
    trainer = Experiment.parse([*DEBUG, "--trainer.max_epochs=7"]).trainer(max_steps=3, logger=False)
    assert (trainer.max_epochs, trainer.max_steps, trainer.loggers) == (7, 3, [])
    names = {type(callback).__name__ for callback in trainer.callbacks}
    assert {"BestCheckpoint", "BaselineTable", "RankingProgress", "SaveRunConfig"} <= names


def test_a_command_that_does_not_exist_gets_the_nearest():
    with pytest.raises(CommandError, match=r"There is no command 'tset'. Did you mean 'test'"):
        Experiment.parse(["tset", *DEBUG])


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_a_command_that_needs_a_checkpoint_says_so_when_it_is_parsed(command):
    with pytest.raises(CommandError, match=f"hyrec {command} needs a checkpoint"):
        Experiment.parse([command, *DEBUG])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "trainer: {max_epochs: 1}\ndata: {}\ntrainer: {max_epochs: 2}\n",
            "line 3: the key 'trainer' is written twice",
        ),
        ("model:\n  init_args:\n    d_model: 8\n    d_model: 16\n", "line 4: the key 'd_model' is written twice"),
        ("schema: {features: {a: {vocab_size: 9}, a: {vocab_size: 8}}}\n", "line 1: the key 'a' is written twice"),
    ],
)
def test_a_key_that_is_written_twice_in_a_config_is_refused(text, told, folder):
    (folder / "twice.yaml").write_text(text)
    with pytest.raises(CommandError, match=told):
        Experiment.parse([*DEBUG, "--config", "twice.yaml"])


def test_a_key_that_is_written_twice_in_a_value_of_the_command_line_is_refused():
    with pytest.raises(CommandError, match=r"--model\.mixer: the key 'class_path' is written twice"):
        Experiment.parse([*DEBUG, "--model.mixer={class_path: RankMixer, class_path: IdentityMixer}"])

from typing import Any

import pytest
import yaml

pytest.importorskip("optuna", reason="Optuna is optional: pip install 'hyrec[tune]'")

from hyrec.config.experiment import Experiment
from hyrec.config.shipped import find_file
from hyrec.files import read_yaml
from hyrec.tuning.check import check
from hyrec.tuning.journal import Trial
from hyrec.tuning.results import overlay
from hyrec.tuning.space import Parameter, SweepError
from hyrec.tuning.sweep import Sweep
from hyrec.tuning.trial import trial_arguments

COMMAND = ("--config=pkg:hyrec/debug.yaml", "${args}")
LEFT_OUT = ("default_root_dir", "logger", "enable_progress_bar")


def sweep(metric: str = "val/auc", maximize: bool = True, **values: list[Any]) -> Sweep:
    parameters = tuple(Parameter(name.replace("__", "."), tuple(given)) for name, given in values.items())
    return Sweep("small", "random", metric, maximize, parameters, COMMAND)


def test_a_typo_in_a_parameter_is_told_before_the_first_trial():
    with pytest.raises(SweepError, match="d_model"):
        check(sweep(model__d_modle=[8, 16]))


def test_every_value_is_tried():
    with pytest.raises(SweepError, match="IdentityMixer"):
        check(sweep(model__mixer=["RankMixer", "SelfAttentionMixer", "IdentityMixr"]))


def test_both_ends_of_a_range_are_tried():
    parameters = (Parameter("data.batch_size", (), 0, 64, 1),)
    check(Sweep("small", "random", "val/auc", True, parameters, COMMAND))
    with pytest.raises(SweepError, match=r"data\.batch_size=0\.5"):
        check(Sweep("small", "random", "val/auc", True, (Parameter("data.batch_size", (), 0.5, 64),), COMMAND))


def test_one_size_of_which_no_model_can_be_built_does_not_refuse_the_rest():
    check(sweep(model__encoder__num_heads=[3, 2]))


def test_sizes_of_which_no_model_can_be_built_are_refused():
    with pytest.raises(SweepError, match="No model can be built"):
        check(sweep(model__encoder__num_heads=[3, 5]))


def test_a_metric_that_no_run_logs_is_told_before_the_first_trial():
    with pytest.raises(SweepError, match=r"Did you mean 'val/query_auc'"):
        check(sweep("val/qery_auc", model__d_model=[8, 16]))


def test_the_worse_end_of_a_metric_is_no_goal():
    with pytest.raises(SweepError, match=r"val/auc, of which a larger one is better: maximize"):
        check(sweep(maximize=False, model__d_model=[8, 16]))


def comparable(arguments: list[str]) -> dict[str, Any]:
    options = Experiment.parse(["fit", *arguments]).options
    options["trainer"] = {key: value for key, value in options["trainer"].items() if key not in LEFT_OUT}
    return options


@pytest.fixture(scope="module")
def shipped() -> tuple[Sweep, dict[str, Any]]:
    found = Sweep.read("pkg:hyrec/sweeps/hyformer.yaml")
    return found, {one.name: one.examples[-1] for one in found.searched}


def test_a_trial_has_the_options_that_an_agent_of_wandb_would_give_it(shipped, tmp_path):
    utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils", reason="W&B is optional")
    found, values = shipped
    file = read_yaml(find_file("pkg:hyrec/sweeps/hyformer.yaml").read_text())
    given = utils.create_sweep_command_args({"args": {name: {"value": value} for name, value in values.items()}})
    given["env"] = ["/usr/bin/env"]
    words: list[str] = []
    for word in utils.create_sweep_command(file["command"]):
        words += given[word[2:-1]] if word.startswith("${") else [word]
    here = trial_arguments(found, Trial(1, values, "running"), tmp_path)
    assert words[1:3] == ["hyrec", "fit"]
    assert comparable(words[3:]) == comparable(here)


def test_a_trial_reads_no_test_rows_and_logs_without_a_service(shipped, tmp_path):
    found, values = shipped
    options = Experiment.parse(["fit", *trial_arguments(found, Trial(1, values, "running"), tmp_path)]).options
    assert options["test_after_fit"] is False
    assert options["trainer"]["logger"] in (None, True)


@pytest.mark.parametrize(
    "values",
    [
        {
            "model.d_model": 32,
            "model.head.hidden": [8, 4],
            "model.dense_optimizer.lr": 1e-05,
            "model.mixer": "IdentityMixer",
        },
        {"model.mixer.expansion": 3, "model.mixer": "RankMixer", "test_after_fit": False, "data.batch_size": 7},
        {
            "model.encoder": {"class_path": "TransformerEncoder", "init_args": {"num_heads": 2}},
            "model.encoder.expansion": 2,
        },
    ],
)
def test_the_overlay_of_the_winner_says_what_its_command_line_says(tmp_path, values):
    (tmp_path / "best.yaml").write_text(yaml.safe_dump(overlay(values)))
    found = Experiment.parse(["--config=pkg:hyrec/debug.yaml", f"--config={tmp_path / 'best.yaml'}"]).options
    words = [f"--{name}={value}" for name, value in sorted(values.items())]
    assert found == Experiment.parse(["--config=pkg:hyrec/debug.yaml", *words]).options

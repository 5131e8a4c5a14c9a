from pathlib import Path
from typing import Any

import pytest
import yaml

from hyrec.config.shipped import find_file
from hyrec.messages import CommandError
from hyrec.tuning.space import SweepError
from hyrec.tuning.sweep import Sweep

SHIPPED = "pkg:hyrec/sweeps/hyformer.yaml"
COMMAND = ["${env}", "hyrec", "fit", "--config=pkg:hyrec/debug.yaml", "${args}"]


def content(**changes: Any) -> dict[str, Any]:
    whole = {
        "method": "random",
        "metric": {"name": "val/auc.max", "goal": "maximize"},
        "parameters": {"model.d_model": {"values": [8, 16]}},
        "command": COMMAND,
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


@pytest.fixture
def read(tmp_path: Path):
    def read(**changes: Any) -> Sweep:
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump(content(**changes), sort_keys=False))
        return Sweep.read(str(path))

    return read


@pytest.fixture
def refused(read):
    def refused(**changes: Any) -> str:
        with pytest.raises((SweepError, CommandError)) as caught:
            read(**changes)
        return str(caught.value)

    return refused


@pytest.fixture
def parameter(read):
    def parameter(method: str = "random", **given: Any) -> Any:
        more = {"y": {"values": [1, 2]}} if "value" in given else {}
        return read(method=method, parameters={"x": given, **more}).parameters[0]

    return parameter


@pytest.fixture
def wrong(refused):
    def wrong(method: str = "random", **given: Any) -> str:
        return refused(method=method, parameters={"x": given})

    return wrong


def test_the_shipped_sweep_is_read_whole():
    sweep = Sweep.read(SHIPPED)
    assert (sweep.name, sweep.method, sweep.metric, sweep.maximize) == ("hyformer", "bayes", "val/query_auc", True)
    assert [one.name for one in sweep.searched] == list(yaml.safe_load(find_file(SHIPPED).read_text())["parameters"])


def test_the_logger_of_wandb_is_left_out_of_the_command():
    sweep = Sweep.read(SHIPPED)
    assert sweep.left_out == ("--config=pkg:hyrec/logger/wandb.yaml",)
    assert "--config=pkg:hyrec/data/simulated.yaml" in sweep.command


def test_options_of_the_logger_are_left_out_too(read):
    words = ["hyrec", "fit", "--config", "pkg:hyrec/debug.yaml", "--trainer.logger.project", "mine", "${args}"]
    sweep = read(command=words)
    assert sweep.command == ("--config=pkg:hyrec/debug.yaml", "${args}")
    assert sweep.left_out == ("--trainer.logger.project=mine",)


def test_the_name_is_that_of_the_file_unless_given(read):
    assert read().name == "small"
    assert read(name="week-3/widths").name == "week-3/widths"


def test_parameters_stand_where_the_command_has_them(read):
    sweep = read(command=["hyrec", "fit", "${args}", "--config=pkg:hyrec/debug.yaml"])
    assert sweep.arguments({"model.d_model": 8}) == ["--model.d_model=8", "--config=pkg:hyrec/debug.yaml"]


def test_a_constant_is_given_to_every_trial(read):
    sweep = read(parameters={"trainer.max_epochs": {"value": 2}, "x": {"values": [1, 2]}})
    assert [one.name for one in sweep.searched] == ["x"]
    assert sweep.arguments({"x": 1})[-2:] == ["--trainer.max_epochs=2", "--x=1"]


@pytest.mark.parametrize(
    ("given", "low", "high", "step", "log"),
    [
        ({"min": 1, "max": 5}, 1, 5, 1, False),
        ({"min": 1, "max": 5.0}, 1.0, 5.0, None, False),
        ({"distribution": "uniform", "min": 1, "max": 5}, 1.0, 5.0, None, False),
        ({"distribution": "int_uniform", "min": 1, "max": 5}, 1, 5, 1, False),
        ({"distribution": "log_uniform_values", "min": 0.1, "max": 10}, 0.1, 10.0, None, True),
        ({"distribution": "q_uniform", "min": 10, "max": 50, "q": 16}, 16, 48, 16, False),
        ({"distribution": "q_uniform", "min": 0.1, "max": 0.7, "q": 0.1}, 0.1, 0.7, 0.1, False),
        ({"distribution": "q_uniform", "min": 1, "max": 3}, 1.0, 3.0, 1.0, False),
    ],
)
def test_a_range_is_that_of_wandb(parameter, given, low, high, step, log):
    one = parameter(**given)
    assert (one.low, one.high, one.step, one.log) == (pytest.approx(low), pytest.approx(high), step, log)
    assert type(one.low) is type(low)


def test_values_and_a_single_value_need_no_distribution(parameter):
    assert parameter(values=[[8], [8, 4]]).values == ([8], [8, 4])
    assert parameter(value="text").is_fixed


def test_steps_have_no_dust_of_binary_fractions(parameter):
    one = parameter(distribution="q_uniform", min=0.1, max=0.7, q=0.1)
    assert one.all_values == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": "bays"}, "method is 'bays'. Did you mean 'bayes'?"),
        ({"method": None}, "lacks the key 'method'"),
        ({"metrics": {}}, "has no key 'metrics'. Did you mean 'metric'?"),
        ({"metric": None}, "lacks the key 'metric'"),
        ({"metric": {"name": "val/auc"}}, "metric lacks the key 'goal'"),
        ({"metric": {"name": "val/auc", "goal": "max"}}, "Allowed: maximize, minimize"),
        ({"metric": {"name": "val/auc", "goal": "maximize", "target": 1}}, "has no key 'target'"),
        ({"metric": {"name": "test/auc", "goal": "maximize"}}, "the test rows are for the winner"),
        ({"metric": {"name": "val/logloss.max", "goal": "minimize"}}, "Did you mean 'val/logloss.min'?"),
        ({"early_terminate": {"type": "hyperband"}}, "early_terminate is left out here: every trial"),
        ({"program": "train.py"}, "write the command as a list"),
        ({"run_cap": 0}, "run_cap must be at least 1"),
        ({"name": "../elsewhere"}, "it names a folder inside runs/tuning"),
        ({"parameters": {}}, "nothing to search"),
        ({"parameters": ["a"]}, "parameters must be a mapping"),
        ({"parameters": {"x": {"value": 1}}}, "nothing to search"),
        ({"parameters": {"x": 3}}, "parameters.x must be a mapping"),
        ({"parameters": {"x": {"parameters": {"y": {"value": 1}}}}}, "write them with dots, as x.NAME"),
        ({"parameters": {"ckpt_path": {"values": ["a", "b"]}}}, "settles --ckpt_path"),
        ({"command": None}, "lacks the key 'command'"),
        ({"command": ["python", "train.py", "${args}"]}, "command must begin with 'hyrec' and 'fit'"),
        ({"command": ["hyrec", "fit"]}, "command must hold ${args}"),
        ({"command": ["hyrec", "fit", "${arg}"]}, "there is no '${arg}'. Did you mean '${args}'?"),
        ({"command": ["${interpreter}", "hyrec", "fit", "${args}"]}, "there is no '${interpreter}'"),
        ({"command": ["hyrec", "fit", "--config=${envvar:HOME}/a.yaml", "${args}"]}, "It may hold: ${env}, ${args}."),
        (
            {"command": ["hyrec", "fit", "--trainer.default_root_dir=x", "${args}"]},
            "settles --trainer.default_root_dir",
        ),
        ({"command": ["hyrec", "fit", "--config=nowhere.yaml", "${args}"]}, "'nowhere.yaml' does not exist"),
    ],
)
def test_what_is_not_understood_is_refused(refused, changes, told):
    assert told in refused(**changes)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"vals": [1]}, "has no key 'vals'. Did you mean 'values'?"),
        ({"distribution": "log_unifrom_values", "min": 1, "max": 2}, "Did you mean 'log_uniform_values'?"),
        ({"distribution": "normal", "mu": 1}, "Allowed: constant, categorical, uniform"),
        ({"distribution": "uniform", "min": 1}, "uniform needs max"),
        ({"distribution": "uniform", "values": [1]}, "uniform takes min and max, not 'values'"),
        ({"min": 1}, "needs 'value', 'values', or 'min' and 'max'"),
        ({"min": 1, "max": 2, "q": 1}, "int_uniform takes min and max, not 'q'"),
        ({"values": [1], "value": 1}, "constant takes value, not 'values'"),
        ({"values": 3}, "must be a list of values"),
        ({"values": []}, "must be a list of values"),
        ({"values": [1, 2, 1]}, "has 1 twice"),
        ({"values": [1, None]}, "None is no text"),
        ({"min": "3e-4", "max": 1.0}, "In YAML, 1e-3 is a text and 1.0e-3 a number"),
        ({"min": True, "max": 2}, "must be a number, got True"),
        ({"min": float("-inf"), "max": 2}, "must be a number, got -inf"),
        ({"min": 2, "max": 2}, "no two values lie between"),
        ({"min": 3, "max": 2}, "no two values lie between"),
        ({"distribution": "int_uniform", "min": 1, "max": 2.5}, "int_uniform needs whole numbers"),
        ({"distribution": "log_uniform_values", "min": 0, "max": 1}, "min must be above 0"),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}, "q must be above 0"),
        ({"distribution": "q_uniform", "min": 17, "max": 31, "q": 16}, "no two values lie between"),
    ],
)
def test_a_parameter_that_is_not_understood_is_refused(wrong, given, told):
    assert told in wrong(**given)


def test_a_grid_refuses_a_range_without_steps(wrong, parameter):
    assert "a grid needs 'values'" in wrong(method="grid", min=0.1, max=0.2)
    assert parameter(method="grid", min=2, max=4).all_values == (2, 3, 4)


def test_equal_numbers_of_two_kinds_are_two_values(parameter):
    assert parameter(values=[1, 1.0, "1", True]).values == (1, 1.0, "1", True)

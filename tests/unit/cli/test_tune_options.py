import importlib.util
import signal
from pathlib import Path

import pytest

from hyrec.cli.main import main
from hyrec.studies.run.runner import StudyInterrupted

SHIPPED = "pkg:hyrec/sweeps/hyformer.yaml"


def test_without_optuna_the_command_that_installs_it_is_told(mistake, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "optuna" else found(name, *rest)
    )
    assert "pip install 'hyrec[tune]'" in mistake("tune", SHIPPED)


@pytest.mark.parametrize(("option", "value"), [("--trials", "0"), ("--jobs", "0"), ("--seed", "-1")])
def test_numbers_that_mean_nothing_are_refused(mistake, option, value):
    assert f"{option} must be at least" in mistake("tune", SHIPPED, f"{option}={value}")


def test_an_option_with_a_typo_is_told_with_the_right_one(mistake):
    assert "Did you mean '--trials'?" in mistake("tune", SHIPPED, "--trails", "3")


def test_a_shipped_sweep_is_found_by_a_name_that_is_nearly_right(mistake):
    pytest.importorskip("optuna")
    assert f"Did you mean '{SHIPPED}'?" in mistake("tune", "sweeps/hyfromer.yaml")


def test_a_sweep_that_is_not_understood_is_told_in_short(mistake, tmp_path: Path):
    pytest.importorskip("optuna")
    path = tmp_path / "a.yaml"
    path.write_text("method: bayes\nmetrics: {}\n")
    assert "has no key 'metrics'. Did you mean 'metric'?" in mistake("tune", str(path))


def test_a_typo_in_a_parameter_costs_no_trial(mistake, tmp_path: Path, monkeypatch):
    pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(
        "method: random\nmetric: {name: val/auc, goal: maximize}\nparameters: {model.d_modle: {values: [8, 16]}}\n"
        "command: [hyrec, fit, '--config=pkg:hyrec/debug.yaml', '${args}']\n"
    )
    assert "d_model" in mistake("tune", "a.yaml")
    assert not Path("runs").exists()


@pytest.fixture
def unchecked(monkeypatch):
    """Let the command search with a function of the test's, without a look at the options before."""
    pytest.importorskip("optuna")

    def search_with(function):
        monkeypatch.setattr("hyrec.tuning.check.check", lambda sweep: None)
        monkeypatch.setattr("hyrec.tuning.search.run_search", function)

    return search_with


def test_a_search_that_was_stopped_tells_how_to_go_on(unchecked, capsys, tmp_path: Path):
    def stopped(run):
        raise StudyInterrupted(signal.SIGINT)

    unchecked(stopped)
    assert main(["tune", SHIPPED, "--jobs", "2", "--out", str(tmp_path)]) == 130
    assert f"  hyrec tune {SHIPPED} --out {tmp_path} --resume --jobs 2" in capsys.readouterr().err


def test_a_search_without_a_result_says_where_to_look(unchecked, capsys, tmp_path: Path):
    unchecked(lambda run: [])
    assert main(["tune", SHIPPED, "--out", str(tmp_path)]) == 1
    assert f"{tmp_path}/trials/*/log.txt say why" in capsys.readouterr().err

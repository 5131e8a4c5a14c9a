from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="Optuna is optional: pip install 'hyrec[tune]'")

from hyrec.tuning.journal import JOURNAL_FILE, Journal
from hyrec.tuning.space import Parameter, ParameterEntry
from hyrec.tuning.sweep import Sweep

PARAMETERS = (
    Parameter("hidden", ([8], [8, 4], [4])),
    Parameter("kind", (1, 1.0, "1", True)),
    Parameter("lr", (), 1e-4, 1e-1, None, True),
    Parameter("layers", (), 1, 4, 1),
    Parameter("width", (), 16, 48, 16),
    Parameter("rate", (), 0.1, 0.7, 0.1),
    Parameter("constant", (5,)),
)


def sweep_by(method: Any, parameters: tuple[Parameter, ...] = PARAMETERS) -> Sweep:
    return Sweep("small", method, "val/auc", True, parameters, ("${args}",))


def journal(folder: Path, method: Any = "bayes", jobs: int = 1, **more: Any) -> Journal:
    folder.mkdir(exist_ok=True)
    return Journal(sweep_by(method, **more), folder, seed=0, jobs=jobs)


def value_of(values: Any) -> float:
    return -abs(values["lr"] - 0.01) + values["layers"]


def searched(found: Journal, number: int) -> list[Any]:
    for _ in range(number):
        trial = found.start()
        found.end(trial, value_of(trial.values), 1.5)
    return [trial.values for trial in found.trials]


@pytest.mark.parametrize("method", ["bayes", "random"])
def test_values_are_those_of_the_file_and_of_their_kind(tmp_path, method):
    for values in searched(journal(tmp_path, method), 15):
        assert values["hidden"] in ([8], [8, 4], [4])
        assert any(values["kind"] is one for one in PARAMETERS[1].values)
        assert 1e-4 <= values["lr"] <= 1e-1
        assert values["layers"] in (1, 2, 3, 4)
        assert isinstance(values["layers"], int)
        assert values["width"] in (16, 32, 48)
        assert values["rate"] in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
        assert "constant" not in values


@pytest.mark.parametrize("method", ["bayes", "random"])
def test_a_search_that_is_opened_anew_goes_on_as_if_it_had_not_been(tmp_path, method):
    whole = searched(journal(tmp_path / "whole", method), 16)
    searched(journal(tmp_path / "parts", method), 5)
    searched(journal(tmp_path / "parts", method), 7)
    assert searched(journal(tmp_path / "parts", method), 4) == whole
    assert len({str(values) for values in whole}) == 16


@pytest.mark.parametrize(("low", "high", "q"), [(0.3, 0.9, 0.1), (0.7, 2.1, 0.7)])
def test_a_range_with_steps_is_searched_from_end_to_end(tmp_path, low, high, q):
    entry = ParameterEntry(distribution="q_uniform", min=low, max=high, q=q)
    one = entry.parameter("rate", is_grid=True)
    assert (one.low, one.high) == (low, high)  # multiples of a binary fraction are not
    grid = journal(tmp_path / "grid", "grid", parameters=(one,))
    assert [grid.start().values["rate"] for _ in range(grid.most)] == list(one.all_values)
    drawn = journal(tmp_path / "drawn", "random", parameters=(one,))
    assert {drawn.start().values["rate"] for _ in range(60)} == {*one.all_values}


def test_another_seed_draws_other_values(tmp_path):
    other = Journal(sweep_by("random"), tmp_path, seed=1, jobs=1)
    (tmp_path / "other").mkdir()
    assert searched(other, 3) != searched(journal(tmp_path / "other", "random"), 3)


def test_what_was_found_is_there_again(tmp_path):
    found = journal(tmp_path)
    searched(found, 2)
    failed = found.start()
    found.end(failed, None, 0.5)
    found.start()
    again = journal(tmp_path).trials
    assert again == found.trials
    assert [trial.status for trial in again] == ["finished", "finished", "failed", "running"]
    assert [trial.seconds for trial in again] == [1.5, 1.5, 0.5, 0.0]
    assert [trial.number for trial in again] == [1, 2, 3, 4]


def test_a_bayesian_search_comes_closer_than_chance(tmp_path):
    space = (Parameter("x", (), -10.0, 10.0),)

    def mean_of_last(method: str) -> float:
        found = journal(tmp_path / method, method, parameters=space)
        for _ in range(40):
            trial = found.start()
            found.end(trial, -(trial.values["x"] ** 2), 1)
        last = found.trials[20:]
        return sum(abs(trial.values["x"]) for trial in last) / len(last)

    assert mean_of_last("bayes") < 0.5 * mean_of_last("random")


def test_trials_at_once_are_not_the_same_one(tmp_path):
    found = journal(tmp_path, jobs=4, parameters=(Parameter("lr", (), 0.0, 1.0), Parameter("layers", (), 1, 9, 1)))
    searched(found, 12)
    four = [found.start().values["lr"] for _ in range(4)]
    assert len(set(four)) == 4


def test_a_grid_has_every_point_once_in_the_order_of_wandb(tmp_path):
    space = (Parameter("hidden", ([8], [4])), Parameter("lr", (), 1, 3, 1), Parameter("layers", (0, 7)))
    found = journal(tmp_path, "grid", parameters=space)
    assert found.most == 12
    points = [tuple(values.values()) for values in searched(found, 12)]
    assert points == [(hidden, lr, layers) for hidden in ([8], [4]) for lr in (1, 2, 3) for layers in (0, 7)]


def test_a_line_that_was_cut_and_a_lock_that_was_left_are_no_obstacle(tmp_path):
    before = searched(journal(tmp_path), 3)
    path = tmp_path / JOURNAL_FILE
    whole = path.read_bytes()
    for cut in (1, 20, 200):
        path.write_bytes(whole[:-cut])
        path.with_name(f"{path.name}.lock").symlink_to(path)
        found = journal(tmp_path)
        assert [trial.values for trial in found.trials] == before
        found.start()
        assert len(journal(tmp_path).trials) == 4

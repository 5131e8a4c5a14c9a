"""What a search has tried, in Optuna's journal file, and what it tries next."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from hyrec.files import digest, yaml_line
from hyrec.tuning.space import Parameter
from hyrec.tuning.sweep import Sweep

JOURNAL_FILE = "journal.log"
_STATES: dict[TrialState, Literal["finished", "failed"]] = {
    TrialState.COMPLETE: "finished",
    TrialState.FAIL: "failed",
}


@dataclass(frozen=True)
class Trial:
    """One point of the search.

    Args:
        number: Counted from 1.
        values: Values of the parameters that are searched, by name.
        status: ``running`` also when it was cut off.
        value: What it reached, when it has finished.
        seconds: Wall time of its last attempt, when it has ended.
    """

    number: int
    values: Mapping[str, Any]
    status: Literal["running", "finished", "failed"]
    value: float | None = None
    seconds: float = 0.0


class Journal:
    """Trials in a file of Optuna, which is replayed when a search is resumed.

    What a trial gets follows from the seed, its number and the trials before it alone: a search that was interrupted
    goes on as the undisturbed one would.

    Args:
        folder: Folder of the search, which this process alone writes to.
        seed: Of what is drawn.
        jobs: Trials at once; the Bayesian search then expects little of those that are running.
    """

    def __init__(self, sweep: Sweep, folder: Path, *, seed: int, jobs: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._sweep, self._seed, self._jobs = sweep, seed, jobs
        self._distributions = {one.name: _distribution(one) for one in sweep.searched}
        self._direction: Literal["maximize", "minimize"] = "maximize" if sweep.maximize else "minimize"
        path = (folder / JOURNAL_FILE).resolve()  # Optuna's lock is a link, which a relative path would break
        _mend(path)
        storage = JournalStorage(JournalFileBackend(str(path)))
        self._study = optuna.create_study(
            storage=storage, study_name="hyrec", direction=self._direction, load_if_exists=True
        )

    @property
    def trials(self) -> list[Trial]:
        """All trials that have been started."""
        return [self._trial(one) for one in self._study.get_trials(deepcopy=False)]

    @property
    def most(self) -> int | None:
        """How many trials there can be; None for as many as one likes."""
        if self._sweep.method != "grid":
            return None
        return math.prod(len(one.all_values) for one in self._sweep.searched)

    def start(self) -> Trial:
        """Choose the next trial and write it down."""
        number = len(self._study.get_trials(deepcopy=False))
        chosen = self._point(number) if self._sweep.method == "grid" else self._drawn(number)
        new = create_trial(state=TrialState.RUNNING, params=chosen, distributions=self._distributions)
        self._study.add_trial(new)  # one line of the file: a kill leaves all of a trial or nothing
        return self.trials[-1]

    def end(self, trial: Trial, value: float | None, seconds: float) -> Trial:
        """Write down what a trial has reached; None when it has failed. Return it as it is now."""
        self._study.set_user_attr(f"seconds of trial {trial.number}", round(seconds, 3))  # Optuna's begin at the first
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        self._study.tell(trial.number - 1, value, state=state)
        return self.trials[trial.number - 1]

    def _drawn(self, number: int) -> dict[str, Any]:
        """Ask a sampler of this trial's own seed, which sees all trials so far."""
        seed = int(digest([self._seed, number], size=4), 16)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler: BaseSampler = (
                TPESampler(seed=seed, constant_liar=self._jobs > 1)
                if self._sweep.method == "bayes"
                else RandomSampler(seed=seed)
            )
        scratch = optuna.create_study(sampler=sampler, direction=self._direction)
        scratch.add_trials(self._study.get_trials(deepcopy=False))
        return scratch.ask(self._distributions).params

    def _point(self, number: int) -> dict[str, Any]:
        """Return a point of the grid, in the order in which W&B goes through it."""
        searched = self._sweep.searched
        point = next(itertools.islice(itertools.product(*(one.all_values for one in searched)), number, None))
        return {one.name: yaml_line(value) if one.values else value for one, value in zip(searched, point, strict=True)}

    def _trial(self, one: FrozenTrial) -> Trial:
        values = {other.name: _value(other, one.params[other.name]) for other in self._sweep.searched}
        seconds = self._study.user_attrs.get(f"seconds of trial {one.number + 1}", 0.0)
        return Trial(one.number + 1, values, _STATES.get(one.state, "running"), one.value, seconds)


def _distribution(one: Parameter) -> BaseDistribution:
    if one.values:  # as text: Optuna's file holds no lists
        return CategoricalDistribution([yaml_line(value) for value in one.values])
    if isinstance(one.low, int) and isinstance(one.high, int):
        return IntDistribution(one.low, one.high, step=int(one.step or 1))
    return FloatDistribution(one.low, one.high, step=one.step, log=one.log)


def _value(one: Parameter, stored: CategoricalChoiceType) -> Any:
    """Return a value as the sweep file has it."""
    if one.values:
        return {yaml_line(value): value for value in one.values}[str(stored)]
    assert isinstance(stored, (int, float))
    return stored if one.step is None else one.stepped(round((stored - one.low) / one.step))


def _mend(path: Path) -> None:
    """Remove what a killed search has left: a line that is cut off, and Optuna's lock."""
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    content = path.read_bytes() if path.is_file() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with path.open("r+b") as file:
            file.truncate(len(whole))

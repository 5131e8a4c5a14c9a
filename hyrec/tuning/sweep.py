"""A sweep file of W&B: what is searched, by which metric, and the command of a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hyrec.config.shipped import find_file, load_mapping
from hyrec.config.sources import CONFIG_FLAGS
from hyrec.mappings import build_dataclass
from hyrec.messages import unknown
from hyrec.tuning.space import Parameter, ParameterEntry, SweepError

ARGS = "${args}"
"""Place of the parameters in a command."""
SETTLED = ("trainer.default_root_dir", "ckpt_path", "name")
"""Options that every trial has its own of."""
_REASONS = {
    "early_terminate": "every trial of 'hyrec tune' runs to its end; EarlyStopping, a callback, can end it",
    "program": "write the command as a list: [${env}, hyrec, fit, --config=FILE, ${args}]",
}
"""Keys of W&B that are left out on purpose, and what to do."""


@dataclass(frozen=True)
class Sweep:
    """A search over options of ``hyrec fit``.

    Args:
        metric: What is compared, as ``val/auc``.
        maximize: Whether a larger one is better.
        parameters: What is searched, and options that are the same in all trials, in the order of the file.
        command: What follows ``hyrec fit``, with ``${args}`` where the parameters belong.
        left_out: What the file's command has besides, for W&B alone.
        run_cap: Most trials that the file asks for.
    """

    name: str
    method: Literal["bayes", "random", "grid"]
    metric: str
    maximize: bool
    parameters: tuple[Parameter, ...]
    command: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    run_cap: int | None = None

    @classmethod
    def read(cls, file: str) -> Sweep:
        """Read a sweep file, a path or ``pkg:package/file.yaml``.

        Raises:
            CommandError: When there is no such file, or it is no YAML.
            SweepError: When it says something that is not understood.
        """
        content = load_mapping(file, "sweep")
        try:
            return _sweep(content, find_file(file, "sweep").stem)
        except SweepError as error:
            raise SweepError(f"{file}: {error}") from error

    def arguments(self, values: Mapping[str, Any]) -> list[str]:
        """Return what follows ``hyrec fit`` for a trial, as an agent of W&B writes it."""
        fixed = {one.name: one.values[0] for one in self.parameters if one.is_fixed}
        given = {**fixed, **values}
        words = [f"--{one.name}={given[one.name]}" for one in self.parameters]
        place = self.command.index(ARGS)
        return [*self.command[:place], *words, *self.command[place + 1 :]]

    @property
    def searched(self) -> tuple[Parameter, ...]:
        """Parameters of more than one value."""
        return tuple(one for one in self.parameters if not one.is_fixed)

    @property
    def content(self) -> dict[str, Any]:
        """What decides which trials are run, as JSON can hold it."""
        parameters = {
            one.name: list(one.values) or {"low": one.low, "high": one.high, "step": one.step, "log": one.log}
            for one in self.parameters
        }
        return {
            "method": self.method,
            "metric": self.metric,
            "maximize": self.maximize,
            "parameters": parameters,
            "command": list(self.command),
        }


@dataclass
class _Metric:
    name: str
    goal: Literal["maximize", "minimize"]


@dataclass
class _File:
    method: Literal["bayes", "random", "grid"]
    metric: _Metric
    parameters: dict[str, ParameterEntry]
    command: list[Any]
    name: str = ""
    description: str = ""
    project: str = ""
    entity: str = ""
    run_cap: int | None = None


def _sweep(content: Mapping[str, Any], stem: str) -> Sweep:
    for key, why in _REASONS.items():
        if key in content:
            raise SweepError(f"{key} is left out here: {why}.")
    given = content.get("parameters")
    for name, entry in given.items() if isinstance(given, Mapping) else ():
        if isinstance(entry, Mapping) and "parameters" in entry:
            raise SweepError(f"parameters.{name} holds parameters itself: write them with dots, as {name}.NAME.")
    file = build_dataclass(_File, content, "the sweep", SweepError)
    metric, maximize = _metric(file.metric)
    parameters = []
    for name, read in file.parameters.items():
        _refuse_settled(name, f"parameters.{name}")
        parameters.append(read.parameter(name, is_grid=file.method == "grid"))
    if all(one.is_fixed for one in parameters):
        raise SweepError("parameters has nothing to search: at least one of them needs 'values', or 'min' and 'max'.")
    if file.run_cap is not None and file.run_cap < 1:
        raise SweepError(f"run_cap must be at least 1, got {file.run_cap}.")
    command, left_out = _command(file.command)
    name = file.name or stem
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise SweepError(
            f"name is {name!r}: it names a folder inside runs/tuning, such as 'widths' or 'week-3/widths'."
        )
    return Sweep(name, file.method, metric, maximize, tuple(parameters), command, left_out, file.run_cap)


def _metric(metric: _Metric) -> tuple[str, bool]:
    """Return the name that is logged, without ``.max`` or ``.min`` of W&B's summary, and whether larger is better."""
    maximize = metric.goal == "maximize"
    name, dot, suffix = metric.name.rpartition(".")
    if not dot or suffix not in ("max", "min"):
        name, suffix = metric.name, ""
    if not name.startswith("val/"):
        raise SweepError(
            f"metric.name is {metric.name!r}: a search compares validation metrics, such as val/auc.max; the test rows "
            "are for the winner."
        )
    if suffix and maximize != (suffix == "max"):
        other = name + (".max" if maximize else ".min")
        worst = f"metric.name is {metric.name!r}, the worst validation of a run, and the goal is to {metric.goal} it."
        raise SweepError(f"{worst} Did you mean {other!r}?")
    return name, maximize


def _refuse_settled(option: str, place: str) -> None:
    if option in SETTLED:
        raise SweepError(f"{place}: 'hyrec tune' settles --{option} for every trial. Leave it out.")


def _command(given: Sequence[Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what follows ``hyrec fit``, one word an option, and what of it is for W&B alone."""
    words = [str(word) for word in given if word != "${env}"]
    for word in words:
        if "${" in word and word != ARGS:
            raise SweepError(f"command: {unknown('there is no', word, ['${env}', ARGS], allowed='It may hold')}")
    if words[:2] != ["hyrec", "fit"]:
        raise SweepError(f"command must begin with 'hyrec' and 'fit', each an entry of the list, got {words[:2]}.")
    if words.count(ARGS) != 1:
        raise SweepError(f"command must hold {ARGS}, the place of the parameters, once.")
    kept: list[str] = []
    left_out: list[str] = []
    rest = words[2:]
    while rest:
        word = rest.pop(0)
        if word.startswith("-") and "=" not in word and rest and not rest[0].startswith(("--", "$")):
            word += f"={rest.pop(0)}"
        option = word.partition("=")[0].lstrip("-")
        _refuse_settled(option, "command")
        (left_out if _is_of_wandb(word) else kept).append(word)
    return tuple(kept), tuple(left_out)


def _is_of_wandb(word: str) -> bool:
    """Whether a word of a command chooses the logger, and nothing else."""
    flag, _, value = word.partition("=")
    if flag not in CONFIG_FLAGS:
        return flag.partition(".")[2].startswith("logger") and flag.startswith("--trainer.")
    tree = load_mapping(value)
    return set(tree) == {"trainer"} and isinstance(tree["trainer"], Mapping) and set(tree["trainer"]) == {"logger"}

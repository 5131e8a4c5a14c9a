"""What a search has found: the best trials, the overlay of the winner, all trials as a table."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hyrec.files import plain_value, write_csv, write_text, yaml_line
from hyrec.plain_text import table
from hyrec.tuning.journal import Trial
from hyrec.tuning.sweep import Sweep
from hyrec.tuning.trial import trial_folder

BEST_FILE, TRIALS_FILE = "best.yaml", "trials.csv"
_SHOWN = 10
_NO_OVERLAY = ("config", "schema", "plugin")
"""Options that a config cannot add to earlier ones."""


def best_of(trials: Iterable[Trial], sweep: Sweep) -> Trial | None:
    """Return the best trial, of equal ones the first; None when none has finished."""
    return next(iter(ranked(trials, sweep)), None)


def ranked(trials: Iterable[Trial], sweep: Sweep) -> list[Trial]:
    """Return the trials that have finished, the best first."""
    finished = [trial for trial in trials if trial.value is not None]
    return sorted(finished, key=lambda trial: -_value(trial) if sweep.maximize else _value(trial))


def shown(values: Mapping[str, Any]) -> str:
    """Write values on a line.

    Example:
        >>> shown({"model.d_model": 64, "model.dense_optimizer.lr": 0.00123456, "model.sparse_optimizer.lr": 0.1})
        'd_model 64, dense_optimizer.lr 0.001235, sparse_optimizer.lr 0.1'
    """
    names = short_names(list(values))
    return ", ".join(f"{names[name]} {_short(value)}" for name, value in values.items())


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return for each dotted name as few of its last parts as tell it from the others."""
    out = {}
    for name in names:
        parts = name.split(".")
        ends = [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]
        out[name] = next(end for end in ends if sum(f".{one}".endswith(f".{end}") for one in names) == 1 or end == name)
    return out


def as_text(trials: Sequence[Trial], sweep: Sweep) -> str:
    """Lay out the best trials, and say how much their order is worth."""
    order = ranked(trials, sweep)
    names = short_names([one.name for one in sweep.searched])
    rows = [
        [str(trial.number), f"{trial.value:.4f}", *(_short(trial.values[name]) for name in names)]
        for trial in order[:_SHOWN]
    ]
    lines = [table(["trial", sweep.metric, *names.values()], rows, right=(0, 1))]
    failed = [str(trial.number) for trial in trials if trial.status == "failed"]
    if failed:
        lines.append(
            f"{len(failed)} of {len(trials)} trials failed: {', '.join(failed[:_SHOWN])}; their log.txt says why"
        )
    if len(order) > 1:
        best, median = _value(order[0]), statistics.median(_value(trial) for trial in order)
        side = "above" if sweep.maximize else "below"
        lines += [
            f"\nThe best is {abs(best - median):.4f} {side} the median of {len(order)} trials. No test row was read.",
            "It was chosen among them by these validation rows, which flatters its value: expect less on other rows.",
        ]
    return "\n".join(lines)


def write_results(trials: Sequence[Trial], sweep: Sweep, folder: Path) -> str | None:
    """Write all trials, and the winner's options as an overlay; return the command that trains it, and tests it.

    None when no trial has finished.
    """
    names = [one.name for one in sweep.searched]
    rows: list[list[Any]] = [["trial", "status", sweep.metric, "seconds", *names, "folder"]]
    for trial in trials:
        value = "" if trial.value is None else trial.value
        given = [_text(trial.values[name]) for name in names]
        where = trial_folder(folder, trial).relative_to(folder)
        rows.append([trial.number, trial.status, value, round(trial.seconds, 1), *given, where])
    write_csv(folder / TRIALS_FILE, rows)
    best = best_of(trials, sweep)
    if best is None:
        return None
    fixed = {one.name: one.values[0] for one in sweep.parameters if one.is_fixed}
    options = {one.name: {**fixed, **best.values}[one.name] for one in sweep.parameters}
    head = f"# Trial {best.number} of {len(trials)}: {sweep.metric} {best.value:.4f}, on validation rows.\n"
    write_text(folder / BEST_FILE, head + yaml.safe_dump(overlay(options), sort_keys=False, allow_unicode=True))
    words = [word for word in sweep.arguments(best.values) if not _is_in_overlay(word, options)]
    return shlex.join(["hyrec", "fit", *words, f"--config={folder / BEST_FILE}"])


def overlay(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a command line as a config has them; a class and its options are put together.

    Example:
        >>> overlay({"model.mixer.expansion": 2, "model.mixer": "RankMixer", "model.d_model": 64})
        {'model': {'mixer': {'class_path': 'RankMixer', 'init_args': {'expansion': 2}}, 'd_model': 64}}
    """
    tree: dict[str, Any] = {}
    for name in sorted(options, key=lambda name: name.count(".")):
        if name.partition(".")[0] in _NO_OVERLAY:
            continue
        *parents, last = name.split(".")
        node = tree
        for part in parents:
            inner = node.setdefault(part, {})
            if not isinstance(inner, dict):
                inner = node[part] = {"class_path": inner}
            node = inner.setdefault("init_args", {}) if "class_path" in inner else inner
        value = options[name]
        node[last] = plain_value(value) if isinstance(value, str) else value  # as the command line reads it
    return tree


def _is_in_overlay(word: str, options: Mapping[str, Any]) -> bool:
    option = word.partition("=")[0].removeprefix("--")
    return option == "test_after_fit" or (option in options and option.partition(".")[0] not in _NO_OVERLAY)


def _value(trial: Trial) -> float:
    assert trial.value is not None
    return trial.value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else yaml_line(value)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else _text(value)

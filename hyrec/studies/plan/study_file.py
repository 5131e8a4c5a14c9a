"""Reads a study file: YAML to a :class:`Study`, strict about every key."""

from __future__ import annotations

import datetime
import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hyrec.config.shipped import load_mapping
from hyrec.messages import unknown
from hyrec.studies.plan.study import DEFAULT_METRICS, MATCHABLE, SCALING_AXES, Study, StudyError, Variant

RESERVED = {
    "seed_everything": "seeds of the study",
    "name": "name of the study",
    "config": "configs",
    "trainer.default_root_dir": "--out",
    "ckpt_path": "nothing: a cell is trained from the start",
}
"""Options that every cell has its own of, and what a study says instead."""
_STUDY_KEYS: tuple[str, ...] = ("name", "question", "base", "metrics", "seeds", "baseline")
_STUDY_KEYS += ("match", "slices", "variants", "grid", "scaling")
_SAFE_VALUE = re.compile(r"[A-Za-z0-9_.+-]+")


def load_study(path: str | Path) -> Study:
    """Read a study file, whose stem is the study's name unless it has a ``name``."""
    content = load_mapping(str(path), "study")
    try:
        return read_study(content, default_name=Path(path).stem)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from error


def read_study(content: Mapping[str, Any], *, default_name: str) -> Study:
    """Build a study from the content of its file."""
    _known(content, _STUDY_KEYS, "the study")
    base = _mapping(content.get("base", {}), "base", ("configs", "options"))
    families = _mapping(content.get("variants"), "variants")
    if not families:
        raise StudyError("variants is empty: name the baseline and at least one row to compare with it.")
    baseline = str(content.get("baseline", next(iter(families))))
    match = _tolerances(content.get("match", {}), "match")
    rows = [_variant(str(name), row, match if str(name) != baseline else {}) for name, row in families.items()]
    points = _points(_mapping(content.get("grid", {}), "grid"))
    _check_rows(rows, baseline, {key for _, point in points for key in point})
    scaling = _mapping(content.get("scaling", {}), "scaling", ("x",))
    axes = _strings(scaling.get("x", ["dense_parameters", "flops_per_sample"] if scaling else []), "scaling.x")
    _known(axes, SCALING_AXES, "scaling.x", what="axis")
    slices = _mapping(content.get("slices", {}), "slices", ("user", "item"))
    seeds = content.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds:
        raise StudyError(f"seeds must be a list of whole numbers, as in [0, 1, 2], got {seeds!r}.")
    return Study(
        name=_name(str(content.get("name", default_name)), "name"),
        question=str(content.get("question", "")).strip(),
        configs=_strings(base.get("configs", []), "base.configs"),
        options=read_options(base.get("options", {}), "base.options"),
        metrics=_metrics(content.get("metrics", list(DEFAULT_METRICS))),
        seeds=tuple(seeds),
        baseline=baseline,
        variants=tuple(
            replace(row, name=f"{row.family}@{label}" if label else row.family, point=point)
            for label, point in points
            for row in rows
        ),
        slices={key: str(name) for key, name in slices.items()},
        scaling=axes,
    )


def _variant(name: str, row: Any, match: Mapping[str, float]) -> Variant:
    place = f"variants.{name}"
    row = _mapping({} if row is None else row, place, ("about", "paper", "configs", "options", "match"))
    paper = _mapping(row.get("paper", {}), f"{place}.paper")
    return Variant(
        name=_name(name, place),
        family=name,
        configs=_strings(row.get("configs", []), f"{place}.configs"),
        options=read_options(row.get("options", {}), f"{place}.options"),
        about=str(row.get("about", "")).strip(),
        paper={metric: _number(value, f"{place}.paper.{metric}") for metric, value in paper.items()},
        match=_tolerances(row["match"], f"{place}.match") if "match" in row else dict(match),
    )


def _check_rows(rows: Sequence[Variant], baseline: str, on_grid: set[str]) -> None:
    """Refuse rows that undo the grid, or that nothing can match; those that are the same are found when resolved."""
    for row in rows:
        place = f"variants.{row.family}"
        if row.family == baseline and row.match:
            raise StudyError(f"{place}.match: the baseline is what the others are matched to. Leave it out.")
        if both := sorted(on_grid & set(row.options)):
            raise StudyError(f"{place}.options sets {both[0]!r}, which the grid sets too. Keep one of them.")


def _points(grid: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return label and options of every point; the last axis of the grid moves fastest."""
    points = []
    for steps in itertools.product(*(_axis(str(key), values) for key, values in grid.items())):
        options: dict[str, Any] = {}
        for _, chosen in steps:
            if both := sorted(set(options) & set(chosen)):
                raise StudyError(f"grid: {both[0]!r} stands on two axes.")
            options |= chosen
        points.append((",".join(label for label, _ in steps), options))
    return points


def _axis(key: str, values: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return the steps of one axis: a list is values of one option, a mapping is named groups of options."""
    place, short = f"grid.{key}", key.rpartition(".")[2]
    if isinstance(values, Mapping):
        steps = [(str(label), read_options(options, f"{place}.{label}")) for label, options in values.items()]
    elif isinstance(values, list):
        steps = [(str(value).lower() if isinstance(value, bool) else str(value), {key: value}) for value in values]
        for value in values:
            if isinstance(value, (Mapping, list)) or value is None:
                told = f"{place}: a list holds numbers and words, got {value!r}."
                raise StudyError(f"{told} Use a mapping of labels to options.")
    else:
        got = type(values).__name__
        raise StudyError(f"{place} must be a list of values, or a mapping of labels to options, got {got}.")
    labels = [label for label, _ in steps]
    if not labels or len(set(labels)) != len(labels):
        raise StudyError(f"{place} needs values that differ, got {labels}.")
    for label in labels:
        if not _SAFE_VALUE.fullmatch(label):
            raise StudyError(
                f"{place}: {label!r} becomes part of a folder's name, where letters, digits and _ . + - are allowed. "
                f"Give the step a label: grid: {{{short}: {{LABEL: {{{key}: VALUE}}}}}}."
            )
    return [(f"{short}={label}", options) for label, options in steps]


def read_options(value: Any, place: str) -> dict[str, Any]:
    """Check overrides by dotted key; ``StudyError`` for what is no option, or one that the study sets itself."""
    options = {str(key): item for key, item in _mapping(value, place).items()}
    for key, item in options.items():
        if key.startswith("-") or "=" in key or not key:
            raise StudyError(f"{place}: {key!r} is not an option. Write it as in model.mixer.expansion: 2.")
        if key in RESERVED:
            raise StudyError(f"{place}: {key!r} is set by the study itself. Use {RESERVED[key]}.")
        if isinstance(item, datetime.date):  # YAML makes dates of words such as 2024-01-31; an option takes the word
            options[key] = item.isoformat()
    return options


def _metrics(value: Any) -> tuple[str, ...]:
    metrics = _strings(value, "metrics")
    if not metrics:
        raise StudyError("metrics is empty: name at least the metric that decides.")
    if len(set(metrics)) != len(metrics):
        raise StudyError(f"metrics names one twice: {', '.join(metrics)}.")
    for name in metrics:
        if name.startswith(("test/", "val/", "train/")):
            raise StudyError(f"metrics: write {name.partition('/')[2]!r} instead of {name!r}: all are test metrics.")
    return metrics


def _tolerances(value: Any, place: str) -> dict[str, float]:
    tolerances = {}
    for key, given in _mapping(value, place, MATCHABLE).items():
        text = str(given).strip()
        number = _number(text.removesuffix("%"), f"{place}.{key}") / (100 if text.endswith("%") else 1)
        if not 0 < number < 1:
            raise StudyError(f"{place}.{key} must be above 0 and below 100%, as in 2% or 0.02, got {given!r}.")
        tolerances[key] = number
    return tolerances


def _number(value: Any, place: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise StudyError(f"{place} must be a number, got {value!r}.")
    return number


def _name(name: str, place: str) -> str:
    if not _SAFE_VALUE.fullmatch(name) or not name[0].isalnum():
        told = f"{place}: {name!r} becomes the name of a folder"
        raise StudyError(f"{told}, where letters, digits and _ . + - are allowed.")
    return name


def _strings(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise StudyError(f"{place} must be a list of words, got {value!r}.")
    return tuple(value)


def _mapping(value: Any, place: str, keys: Sequence[str] = ()) -> Mapping[str, Any]:
    """Refuse what is no mapping, and keys that are not allowed where some are named."""
    if not isinstance(value, Mapping):
        raise StudyError(f"{place} must be a mapping of keys to values, got {type(value).__name__}.")
    _known(value if keys else (), keys, place)
    return value


def _known(keys: Iterable[str], known: Sequence[str], place: str, *, what: str = "key") -> None:
    for key in keys:
        if key not in known:
            raise StudyError(unknown(f"{place} has no {what}", key, known))

"""Makes the plan of a study: every variant parsed, compared with the base, matched and counted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import hyrec
from hyrec.config.shipped import load_mapping
from hyrec.files import digest
from hyrec.messages import listed, suggest
from hyrec.metrics import default_metrics, facts_of
from hyrec.metrics.facts import LossFacts
from hyrec.schema import Schema
from hyrec.studies.plan.changes import changes_between, flatten
from hyrec.studies.plan.command_lines import CommandLine, arguments_of, base_arguments, option
from hyrec.studies.plan.commit import source_commit
from hyrec.studies.plan.counted import counted_features
from hyrec.studies.plan.matching import OPTION, match_variant
from hyrec.studies.plan.metrics import metrics_of
from hyrec.studies.plan.plan import Change, Plan, PlannedVariant
from hyrec.studies.plan.request import StudyRequest
from hyrec.studies.plan.study import Study, StudyError, Variant

_ORDER = "data.seed"
_WITHOUT_TEST: dict[str, Callable[[Any], bool]] = {
    "test_after_fit": lambda value: value is False,
    "trainer.limit_test_batches": lambda value: value is not None and value == 0,
    "trainer.fast_dev_run": bool,
    "trainer.logger": lambda value: value is False,
}
"""Options with which a cell would train to its end and then have no test metrics in ``metrics.csv``."""


def make_plan(request: StudyRequest) -> Plan:
    """Resolve every variant of a study and count what it costs; touches no data.

    Args:
        request: The study, and what was chosen of it.

    Raises:
        StudyError: For the first variant that cannot be trained, with its name in front.
        CommandError: When a width cannot be matched.
    """
    study = request.study
    arguments = {v.name: arguments_of(study, v) for v in study.variants}
    lines = _Lines()
    bases = {v.name: lines.parse(_base_name(v.name), base_arguments(study, v)) for v in study.variants}
    parsed = {v.name: lines.parse(f"variant {v.name}", arguments[v.name]) for v in study.variants}
    matched = {v.name: _matched(study, v, parsed) for v in study.variants if v.match}
    for name, options in matched.items():
        arguments[name] = (*arguments[name], *(option(key, value) for key, value in options.items()))
        # Widths were chosen for command lines that had been parsed; parse them again as they will be run.
        parsed[name] = lines.parse(f"variant {name}", arguments[name])
    resolved = {name: line.options for name, line in parsed.items()}
    check_metrics(study, resolved)
    check_rows(study, resolved, matched)
    planned = []
    for variant in study.variants:
        name = variant.name
        options, own, costs = resolved[name], matched.get(name, {}), parsed[name].costs
        planned.append(
            PlannedVariant(
                variant=variant,
                arguments=arguments[name],
                changes=_changes(study, variant, own, bases[name].options, options),
                dense_parameters=costs.dense_parameters,
                sparse_parameters=costs.sparse_parameters,
                flops_per_sample=costs.flops_per_sample,
                matched=own,
                digest=_digest(options),
                order_option=f"--{_ORDER}" if _ORDER in flatten(options) else "",
                options=_flat(options),
            )
        )
    return Plan(
        study,
        tuple(planned),
        hyrec.__version__,
        source_commit(),
        request.selection,
        file_seeds=request.whole.seeds,
        working_folder=os.getcwd(),
    )


def check_unchanged(plan: Plan) -> list[str]:
    """Parse the command lines of a stored plan again; return one line for each option that is another now.

    Args:
        plan: The stored plan.
    """
    parsed, lines = _Lines(), []
    for planned in plan.variants:
        options = parsed.parse(f"variant {planned.variant.name}", planned.arguments).options
        now = replace(planned, digest=_digest(options), options=_flat(options))
        if now.digest != planned.digest:
            lines += [f"variant {planned.variant.name}: {change}" for change in planned.differences(now)]
    return lines


class _Lines:
    """Command lines, each parsed once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], CommandLine] = {}

    def parse(self, what: str, arguments: Sequence[str]) -> CommandLine:
        key = tuple(arguments)
        if key not in self._known:
            self._known[key] = CommandLine.parse(what, key)
        return self._known[key]


def _base_name(variant: str) -> str:
    """Return what the base is called at the point of the grid that a variant stands on."""
    _, at, point = variant.partition("@")
    return f"the base at {point}" if at else "the base"


def _matched(study: Study, variant: Variant, parsed: Mapping[str, CommandLine]) -> dict[str, int]:
    found = match_variant(
        parsed[study.baseline_of(variant).name].costs,
        parsed[variant.name].experiment,
        variant.match,
        fixed=[*variant.point, *variant.options],
        name=f"variant {variant.name}",
    )
    return {OPTION: found.width}


def _changes(
    study: Study,
    variant: Variant,
    matched: Mapping[str, Any],
    base: Mapping[str, Any],
    options: Mapping[str, Any],
) -> tuple[Change, ...]:
    given = [*_trees(study.configs, study.options), *_trees((), variant.point)]
    named = [*_trees(variant.configs, variant.point), *_trees((), variant.options), *_trees((), matched)]
    return changes_between(base, options, given=given, named=named)


def _trees(configs: Sequence[str], options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what configs and options say, as nested mappings."""
    trees = [load_mapping(name) for name in configs]
    for key, value in options.items():
        tree = value
        for part in reversed(key.split(".")):
            tree = {part: tree}
        trees.append(tree)
    return trees


def _flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resolved options by dotted key, as they will be read from a file."""
    flat: dict[str, Any] = json.loads(json.dumps(flatten(options), default=str))
    return flat


def _digest(options: Mapping[str, Any]) -> str:
    return digest(json.dumps(flatten(options), sort_keys=True, default=str))


def check_rows(
    study: Study, resolved: Mapping[str, Mapping[str, Any]], matched: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse what would be found out after hours: a row that is another one again, is not tested, or is not sliced."""
    seen: dict[str, str] = {}
    for variant in study.variants:
        options = resolved[variant.name]
        untested = next((key for key, wrong in _WITHOUT_TEST.items() if wrong(_value(options, key))), None)
        if untested is not None:
            value = json.dumps(_value(options, untested))
            raise StudyError(
                f"variant {variant.name}: {untested} is {value}, so it has no test metrics to compare. Leave it out."
            )
        if variant.family == study.baseline:
            counted_features(Schema.from_dict(options["schema"]), study.slices.get("user"), study.slices.get("item"))
        if variant.name in matched:
            continue  # the width of a row that stands there already may be the one that matches
        other = seen.setdefault(_digest(options), variant.name)
        if other != variant.name:
            raise StudyError(
                f"variant {variant.name} comes to the same options as variant {other}: what it sets is so already, "
                "or belongs to a class that it replaces."
            )


def _value(options: Mapping[str, Any], key: str) -> Any:
    value: Any = options
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def check_metrics(study: Study, resolved: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a metric that no test pass logs. A callback may log more, so with one of its own all names are allowed."""
    for variant in study.variants:
        options = resolved[variant.name]
        try:
            metrics = metrics_of(flatten(options))
        except ValueError as error:
            raise StudyError(f"variant {variant.name}: {error}") from error
        if not (options.get("trainer") or {}).get("callbacks"):
            test = "no test" if variant == study.variants[0] else f"no test of variant {variant.name}"
            _check_logged(study, test, options, [*metrics, LossFacts.name])


def _check_logged(study: Study, test: str, options: Mapping[str, Any], names: list[str]) -> None:
    """Refuse a metric of the study that is none of those that a variant logs for a task."""
    schema = options["schema"]
    primary = (options["model"].get("init_args") or {}).get("primary_task") or next(iter(schema["tasks"]))
    known = names + [f"{task}/{name}" for task in schema["tasks"] if task != primary for name in names]
    for name in study.metrics:
        if facts_of(name, default_metrics()).needs_group and not schema.get("group_column"):
            raise StudyError(
                f"metrics: the schema has no group_column, so {test} logs {name!r}: name others in "
                f"the study's metrics. {listed(known, 'Allowed')}"
            )
        if name not in known:
            raise StudyError(f"metrics: {test} logs {name!r}.{suggest(name, known)} {listed(known, 'Allowed')}")

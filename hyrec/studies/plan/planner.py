"""Makes the plan of a study: every variant parsed, compared with the base, matched and counted."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import hyrec
from hyrec.config.shipped import load_mapping
from hyrec.config.sources import nest
from hyrec.messages import listed, unknown
from hyrec.metrics import DEFAULT_METRICS, RankingMetric, build_metrics, default_metrics, facts_of
from hyrec.metrics.facts import LossFacts
from hyrec.schema import Role, Schema
from hyrec.studies.plan.command_lines import CommandLine, arguments_of, changes_between, flatten, option
from hyrec.studies.plan.machine import source_commit
from hyrec.studies.plan.matching import OPTION, match_variant
from hyrec.studies.plan.plan import Plan, PlannedVariant
from hyrec.studies.plan.request import StudyRequest
from hyrec.studies.plan.study import Study, StudyError

_WITHOUT_TEST: dict[str, Callable[[Any], bool]] = {
    "test_after_fit": lambda value: value is False,
    "trainer.limit_test_batches": lambda value: value is not None and value == 0,
    "trainer.fast_dev_run": bool,
    "trainer.logger": lambda value: value is False,
}
"""Options with which a cell would train to its end and then have no test metrics in ``metrics.csv``."""


def make_plan(request: StudyRequest) -> Plan:
    """Resolve every variant of a study and count what it costs; touches no data.

    Raises:
        StudyError: For the first variant that cannot be trained, with its name in front.
        CommandError: When a width cannot be matched.
    """
    study = request.study
    known: dict[tuple[str, ...], CommandLine] = {}

    def parse(what: str, arguments: tuple[str, ...]) -> CommandLine:
        if arguments not in known:
            known[arguments] = CommandLine.parse(what, arguments)
        return known[arguments]

    bases = {}
    for variant in study.variants:
        _, at, point = variant.name.partition("@")
        what = f"the base at {point}" if at else "the base"
        bases[variant.name] = parse(what, arguments_of(study, replace(variant, configs=(), options={})))
    arguments = {v.name: arguments_of(study, v) for v in study.variants}
    lines = {name: parse(f"variant {name}", words) for name, words in arguments.items()}
    widths = {}
    for variant in study.variants:
        if variant.match:
            target, fixed = lines[study.baseline_of(variant).name].costs, [*variant.point, *variant.options]
            what = f"variant {variant.name}"
            found = match_variant(target, lines[variant.name].experiment, variant.match, fixed=fixed, name=what)
            widths[variant.name] = {OPTION: found.width}
    for name, matched in widths.items():
        # Widths were chosen for command lines that had been parsed; parse them again as they will be run.
        arguments[name] = (*arguments[name], *(option(key, value) for key, value in matched.items()))
        lines[name] = parse(f"variant {name}", arguments[name])
    check_metrics(study, {name: line.options for name, line in lines.items()})
    _check_rows(study, lines, widths)
    planned = []
    for variant in study.variants:
        line, matched = lines[variant.name], widths.get(variant.name, {})
        planned.append(
            PlannedVariant(
                variant=variant,
                arguments=arguments[variant.name],
                changes=changes_between(
                    bases[variant.name].options,
                    line.options,
                    given=_trees(study.configs, study.options, variant.point),
                    named=_trees(variant.configs, variant.point, variant.options, matched),
                ),
                dense_parameters=line.costs.dense_parameters,
                sparse_parameters=line.costs.sparse_parameters,
                flops_per_sample=line.costs.flops_per_sample,
                matched=matched,
                digest=line.digest,
                order_option="--data.seed" if "data.seed" in line.flat else "",
                options=line.flat,
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


def _trees(configs: Iterable[str], *layers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what configs and options say, as nested mappings."""
    return [*map(load_mapping, configs), *(nest(key, value) for layer in layers for key, value in layer.items())]


def _check_rows(study: Study, lines: Mapping[str, CommandLine], matched: Collection[str]) -> None:
    """Refuse what would be found out after hours: a row that is another one again, is not tested, or is not sliced."""
    seen: dict[str, str] = {}
    for variant in study.variants:
        line = lines[variant.name]
        for key, wrong in _WITHOUT_TEST.items():
            if wrong(line.flat.get(key)):
                told = f"variant {variant.name}: {key} is {json.dumps(line.flat[key])}"
                raise StudyError(f"{told}, so it has no test metrics to compare. Leave it out.")
        if variant.family == study.baseline:
            schema = Schema.from_dict(line.options["schema"])
            counted_features(schema, study.slices.get("user"), study.slices.get("item"))
        if variant.name in matched:
            continue  # the width of a row that stands there already may be the one that matches
        other = seen.setdefault(line.digest, variant.name)
        if other != variant.name:
            raise StudyError(
                f"variant {variant.name} comes to the same options as variant {other}: what it sets is so already, "
                "or belongs to a class that it replaces."
            )


def check_metrics(study: Study, resolved: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a metric that no test pass logs. A callback may log more, so with one of its own all names are allowed."""
    for variant in study.variants:
        options = resolved[variant.name]
        try:
            metrics = metrics_of(flatten(options))
        except ValueError as error:
            raise StudyError(f"variant {variant.name}: {error}") from error
        if (options.get("trainer") or {}).get("callbacks"):
            continue
        test = "no test" if variant == study.variants[0] else f"no test of variant {variant.name}"
        names, schema = [*metrics, LossFacts.name], options["schema"]
        primary = (options["model"].get("init_args") or {}).get("primary_task") or next(iter(schema["tasks"]))
        known = names + [f"{task}/{name}" for task in schema["tasks"] if task != primary for name in names]
        for name in study.metrics:
            if facts_of(name, default_metrics()).needs_group and not schema.get("group_column"):
                raise StudyError(
                    f"metrics: the schema has no group_column, so {test} logs {name!r}: name others in "
                    f"the study's metrics. {listed(known, 'Allowed')}"
                )
            if name not in known:
                raise StudyError(unknown(f"metrics: {test} logs", name, known))


def metrics_of(options: Mapping[str, Any]) -> dict[str, RankingMetric]:
    """Return new metrics that a run with these options logs, by name; ``ValueError`` when that cannot be."""
    chosen = options.get("model.metrics", DEFAULT_METRICS)
    return build_metrics(chosen, has_groups=bool(options.get("schema.group_column")))


def counted_features(schema: Schema, user: str | None = None, item: str | None = None) -> dict[Role, str]:
    """Return the feature of each role whose training impressions slice the test rows; None: the largest id feature.

    Raises:
        StudyError: When a feature does not exist or is no id.

    Example:
        >>> from hyrec.schema import Feature, Task
        >>> features = {"user_id": Feature(vocab_size=9), "age": Feature(vocab_size=5)}
        >>> counted_features(Schema(features=features, tasks={"click": Task()}))
        {'user': 'user_id'}
    """
    ids = {name: feature for name, feature in schema.features.items() if feature.kind == "id"}
    found: dict[Role, str] = {}
    given: dict[Role, str | None] = {"user": user, "item": item}
    for role, name in given.items():
        if name is not None and name not in ids:
            what = "is no feature" if name not in schema.features else f"has kind {schema.features[name].kind!r}"
            why = f", which {what}; an id feature is needed"
            raise StudyError(unknown(f"slices.{role} is", name, ids, why=why, allowed="Id features"))
        of_role = sorted(n for n, feature in ids.items() if feature.role == role)
        if name or of_role:
            found[role] = name or max(of_role, key=lambda n: ids[n].num_ids)
    return found

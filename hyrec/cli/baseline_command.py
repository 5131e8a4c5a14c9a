"""``hyrec baseline``: what a sceptic would try before a model, on the same rows with the same metrics."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from hyrec.baselines.baseline import NotOfferedError, measure
from hyrec.baselines.suite import BASELINES, chosen
from hyrec.cli.arguments import StrictParser, demand
from hyrec.cli.baseline_results import RESULTS, BaselineRun, Predictions, as_text, save
from hyrec.config.experiment import Experiment
from hyrec.config.shipped import load_mapping
from hyrec.data.base import RankingData, Split
from hyrec.messages import CommandError
from hyrec.metrics import RankingMetric, build_metrics
from hyrec.plain_text import duration

SPLITS: tuple[Split, ...] = ("train", "validate", "test")
_MODEL = "pkg:hyrec/rankmixer.yaml"
"""Stands for the model, which is never built: configs of data hold options of one, and it says what is measured."""


def configure(parser: StrictParser) -> None:
    """Add the options that are not those of ``fit``."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "Fit baselines on the training rows, choose on the validation rows, and print the metrics of the test rows\n"
        "(model.metrics). Takes every option of fit besides. Baselines:\n"
        + "\n".join(f"  {name:<17}{kind.about}" for name, kind in BASELINES.items())
    )
    add = parser.add_argument
    add("--only", default="", metavar="NAMES", help="as counting,lightgbm. Default: all")
    add("--seed", type=int, help="of initial weights, trees and the order of rows. Default: 0, and the data's order")
    add("--seeds", default="", metavar="SEEDS", help="several, as 0,1,2: mean and standard deviation are printed")
    add("--max_rows", type=int, default=2_000_000, help="rows that logistic and lightgbm hold. Default: 2000000")
    add("--out", type=Path, help=f"folder to write {RESULTS}, baselines.csv and predictions to")
    parser.lists = ("--only", "--seeds")
    parser.takes_more = True
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Fit and measure the baselines that are asked for."""
    names, seeds = chosen(options.only), _seeds(options)
    demand(options, max_rows=1)
    if options.out is not None and (options.out / RESULTS).exists():
        raise CommandError(f"{options.out} holds baselines already. Remove {RESULTS} there, or give another --out.")
    arguments = ["fit", f"--model={json.dumps(load_mapping(_MODEL)['model'])}", *options.more]
    experiment = Experiment.parse(arguments)
    model, has_order = experiment.options["model"], "seed" in (experiment.options["data"].get("init_args") or {})
    runs: dict[str, list[BaselineRun]] = {}
    data = {}
    for seed in seeds:
        is_own = has_order and seed is not None
        ordered = Experiment.parse([*arguments, f"--data.init_args.seed={seed}"]) if is_own else experiment
        data[seed] = _ready(ordered.data())
    for name in names:
        try:
            chosen_seeds = seeds if BASELINES[name].is_random else seeds[:1]
            runs[name] = [_run(name, seed or 0, data[seed], model, options) for seed in chosen_seeds]
        except NotOfferedError as error:  # noqa: PERF203
            print(f"{name} is left out: {error}")
    if not runs:
        raise CommandError("None of the baselines could be had; the lines above say why.")
    (task, _), first = _measured(data[seeds[0]], model), data[seeds[0]]
    print("\n" + as_text(f"test ({task})", runs, first.references("test")))
    if options.out is not None:
        save(options.out, task, experiment.options["data"], runs)
    return 0


def _ready(data: RankingData) -> RankingData:
    """Prepare data as a trainer would, all splits of it."""
    data.prepare_data()
    if missing := [split for split in SPLITS if not data.has(split)]:
        raise CommandError(f"Baselines need rows to train, validate and test: the data has none of {missing[0]!r}.")
    data.setup("fit")
    data.setup("test")
    return data


def _run(name: str, seed: int, data: RankingData, model: dict[str, Any], options: argparse.Namespace) -> BaselineRun:
    """Fit one baseline and read the test rows once."""
    task, metrics = _measured(data, model)
    baseline = BASELINES[name].make(seed, options.max_rows)
    start = time.monotonic()
    baseline.fit(data, task, lambda line: print(f"{name}: {line}", flush=True))
    taken = time.monotonic() - start
    folder = options.out / "baselines" / name / f"s{seed}" / "predictions" if options.out is not None else None
    columns, sequences = baseline.columns, baseline.sequences
    with Predictions(folder, data, task) as keep:
        figures = measure(
            data, "test", task, baseline.predict, metrics, columns=columns, sequences=sequences, keep=keep
        )
    print(f"{name}: {baseline.note} (seed {seed}, {duration(taken)})", flush=True)
    return BaselineRun(seed, figures, baseline.note, taken)


def _measured(data: RankingData, model: dict[str, Any]) -> tuple[str, dict[str, RankingMetric]]:
    """Return the task and new metrics, as the model's options say."""
    given = model.get("init_args") or {}
    task = given.get("primary_task") or next(iter(data.schema.tasks))
    return task, build_metrics(given["metrics"], has_groups=bool(data.schema.group_column))


def _seeds(options: argparse.Namespace) -> list[int | None]:
    """Return the seeds; None stands for 0 with the order that the data has by itself."""
    if not options.seeds:
        return [options.seed]
    parts = [part.strip() for part in options.seeds.split(",")]
    if options.seed is not None or not all(part.isdigit() for part in parts) or len(set(parts)) < len(parts):
        raise CommandError(
            f"--seeds needs different whole numbers, as 0,1,2, and no --seed beside it: {options.seeds}."
        )
    return [int(part) for part in parts]

"""``hyrec importance``: what a trained model loses without a feature, a group of features or a sequence."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from hyrec.cli.arguments import StrictParser, demand
from hyrec.config.experiment import Experiment
from hyrec.files import write_csv, write_text
from hyrec.importance import Importance, Kind, permutation_importance
from hyrec.importance.measure import KINDS
from hyrec.messages import CommandError, unknown
from hyrec.plain_text import duration, table
from hyrec.saved_state import read_checkpoint

_CHARTED = 30
_COLUMNS = ["kind", "name", "loss", "low", "high"]


def configure(parser: StrictParser) -> None:
    """Add the options that are not those of ``validate``."""
    parser.description = (
        "Score validation rows with one input at a time taken from other rows, and print what the metric loses, with\n"
        "intervals over groups. Inputs that say the same are each unimportant alone: look at their group.\n"
        "Takes every option of validate besides."
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("folder", type=Path, metavar="RUN", help="folder of a run of hyrec fit")
    add("--metric", default="auc", help="one of the model's. Default: auc")
    add("--task", default="", help="whose loss is measured. Default: the model's primary_task")
    add("--only", default="", metavar="KINDS", help="of feature,group,sequence. Default: all three")
    add("--max_rows", type=int, default=20_000, help="about how many rows are scored each time. Default: 20000")
    add("--repeats", type=int, default=1, help="permutations of each input. Default: 1")
    add("--seed", type=int, default=0, help="of the permutations. Default: 0")
    add("--out", type=Path, help="folder to write importance.json, importance.csv and importance.svg to")
    parser.lists = ("--only",)
    parser.takes_more = True
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    kinds = _kinds(options.only)
    demand(options, max_rows=1, repeats=1, seed=0)
    config = options.folder / "config.yaml"
    if not config.is_file():
        raise CommandError(f"{options.folder} is no folder of a run: it holds no config.yaml. `hyrec fit` prints it.")
    given = [] if any(str(one).startswith("--ckpt_path") for one in options.more) else ["--ckpt_path", "best"]
    experiment = Experiment.parse(["validate", "--config", str(config), *given, *options.more])
    model, data = experiment.model(), experiment.data()
    checkpoint = read_checkpoint(str(experiment.options["ckpt_path"]))
    model.on_load_checkpoint(checkpoint)
    model.load_state_dict(checkpoint["state_dict"])
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    data.prepare_data()
    data.setup("validate")
    known, found = permutation_importance(
        model,
        data,
        metric=options.metric,
        task=options.task,
        kinds=kinds,
        max_rows=options.max_rows,
        repeats=options.repeats,
        seed=options.seed,
        tell=_Progress(),
    )
    of = f" of task {options.task or model.primary_task}" if len(model.schema.tasks) > 1 else ""
    print(f"{options.metric}{of} of the rows as they are: {known:.4f}\n")
    print(as_text(options.metric, found))
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        save(options.out, options.metric, options.task or model.primary_task, known, found)
        _chart(options.out, options.metric, found)
        print(f"\nwritten to {options.out}: importance.json, importance.csv and, with hyrec[report], importance.svg")
    return 0


class _Progress:
    """Says now and then how far it is; lines of their own, for log files too."""

    def __init__(self) -> None:
        self._start = self._last = time.monotonic()

    def __call__(self, done: int, total: int, name: str) -> None:
        now = time.monotonic()
        if done and now - self._last > 10:
            left = duration((now - self._start) / done * (total - done))
            print(f"{done} of {total} inputs, next {name}, about {left} left", file=sys.stderr, flush=True)
            self._last = now


def as_text(metric: str, found: Sequence[Importance]) -> str:
    """Lay out what was found, most important first."""
    rows = []
    for one in found:
        interval = f"[{one.loss.low:+.4f}, {one.loss.high:+.4f}]" if one.loss.known else "–"
        rows.append(
            [one.kind, one.name, f"{one.loss.mean:+.4f}", interval, "may be none" if one.loss.holds_zero else ""]
        )
    notes = list(dict.fromkeys(one.loss.note for one in found if one.loss.note))
    return "\n".join([table(["", "input", f"{metric} lost", "95 %", ""], rows, right=(2,)), *notes])


def save(folder: Path, metric: str, task: str, known: float, found: Sequence[Importance]) -> None:
    """Write what was found as JSON and CSV."""
    rows = [[one.kind, one.name, one.loss.mean, *_bounds(one)] for one in found]
    write_csv(folder / "importance.csv", [_COLUMNS, *rows])
    told = {"metric": metric, "task": task}
    inputs = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    write_text(folder / "importance.json", json.dumps(told | {"value": known, "inputs": inputs}, indent=1))


def _bounds(one: Importance) -> list[float | None]:
    return [one.loss.low, one.loss.high] if one.loss.known else [None, None]


def _chart(folder: Path, metric: str, found: Sequence[Importance]) -> None:
    """Draw the most important inputs, where matplotlib is installed."""
    try:
        from hyrec.studies.report.charts import Row, interval_chart
    except ModuleNotFoundError:
        return
    rows = [Row(f"{one.name} ({one.kind})", "neutral", one.loss) for one in found[:_CHARTED]]
    chart = interval_chart("importance", "Importance of inputs", rows, f"{metric} lost without it")
    write_text(folder / "importance.svg", chart.file)


def _kinds(text: str) -> Sequence[Kind]:
    asked = [part.strip() for part in text.split(",")] if text else list(KINDS)
    for kind in asked:
        if kind not in KINDS:
            raise CommandError(unknown("--only names", kind, KINDS))
    return [kind for kind in KINDS if kind in asked]

"""The table of configs/README.md: what each shipped model costs, and what it reached on real logs.

    python benchmarks/configs_table.py [--rounds 5]

Costs are those of ``hyrec inspect`` on the simulated log's schema. Samples/s are of whole training steps on random
batches of that schema (32 requests of 5 samples, histories of random length), in seconds of processor time, the median
of rounds in which the models take turns. Test metrics are read from the reports in benchmarks/studies, not measured.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from hyrec.batch import Batch
from hyrec.config.experiment import Experiment
from hyrec.inspection import model_costs
from hyrec.plain_text import count
from hyrec.ranker import Ranker
from hyrec.sample_batch import random_batch

MODELS = ("hyformer", "longer_rankmixer", "longer", "rankmixer", "unified")
STUDIES = {"KuaiRand-Pure": "shipped_kuairand", "ASSISTments 2017": "shipped_assist2017"}
METRICS = {"query_auc": "query AUC", "auc": "AUC", "logloss": "log loss"}
REPORTS = Path(__file__).parent / "studies"
REQUESTS, CANDIDATES = 32, 5


def reached(report: str) -> dict[tuple[str, str], str]:
    """Return mean and standard deviation by metric and variant, as a report's tables of differences have them."""
    found, metric = {}, ""
    for line in report.splitlines():
        cells = [cell.strip(" `*") for cell in line.strip("|").split("|")]
        if cells[:2] == ["Variant", "Verdict"]:
            metric = cells[2]
        elif not line.startswith("|"):
            metric = ""
        elif metric and not re.fullmatch("[-: ]*", cells[0]):
            found[metric, cells[0]] = cells[2]
    return found


def measured_columns() -> Iterator[tuple[str, dict[str, str]]]:
    """Return title and cells by model of every column of test metrics."""
    for log, study in STUDIES.items():
        report = (REPORTS / study / "report.md").read_text(encoding="utf-8")
        found = reached(report)
        for metric, title in METRICS.items():
            yield f"{log}: {title}", {name: found.get((metric, name), "–") for name in MODELS}


def step(model: Ranker, batch: Batch, optimizers: list[torch.optim.Optimizer]) -> float:
    """Take one training step; return its seconds of processor time."""
    started = time.process_time()
    loss, _ = model.compute_loss(model(batch), batch)
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return time.process_time() - started


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="timed steps of every model")
    rounds = parser.parse_args().rounds
    models = {name: Experiment.parse(["--config", f"pkg:hyrec/{name}.yaml"]).model().train() for name in MODELS}
    costs = {name: model_costs(model) for name, model in models.items()}
    optimizers = {name: list(model.optimizers_by_kind().values()) for name, model in models.items()}
    seconds: dict[str, list[float]] = {name: [] for name in MODELS}
    for turn in range(rounds + 1):
        for name, model in models.items():
            batch = random_batch(model.schema, num_requests=REQUESTS, candidates=CANDIDATES, seed=turn)
            seconds[name].append(step(model, batch, optimizers[name]))
    columns = list(measured_columns())
    head = ["config", "dense parameters", "FLOPs a sample", "samples/s", *(title for title, _ in columns)]
    print(f"| {' | '.join(head)} |\n|---|{'---:|' * (len(head) - 1)}")
    for name in MODELS:
        speed = REQUESTS * CANDIDATES / statistics.median(seconds[name][1:])  # the first warms up
        cells = [count(costs[name].dense_parameters), count(costs[name].flops_per_sample), f"{speed:,.0f}"]
        print(f"| `{name}.yaml` | {' | '.join([*cells, *(column[name] for _, column in columns)])} |")


if __name__ == "__main__":
    main()

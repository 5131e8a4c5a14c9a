"""Permutation importance (Breiman 2001; model reliance of Fisher et al., arXiv 1801.01489) on held-out rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from lightning.fabric.utilities import move_data_to_device

from hyrec.batch import Batch
from hyrec.data.base import RankingData
from hyrec.importance.permuted import permuted_features, permuted_sequence
from hyrec.messages import CommandError, unknown
from hyrec.metrics import RankingMetric
from hyrec.ranker import Ranker
from hyrec.studies.analysis.bootstrap import GroupBootstrap
from hyrec.studies.analysis.scores import Scores
from hyrec.studies.analysis.statistics import Interval

Kind = Literal["feature", "group", "sequence"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Importance:
    """What the metric loses when an input says nothing.

    Args:
        kind: What was permuted.
        name: Its name in the schema.
        loss: The metric on the rows as they are, less that on permuted ones; the other way round where lower is better.
            The interval is over groups of rows, given this model and these permutations.
    """

    kind: Kind
    name: str
    loss: Interval


def permutation_importance(
    model: Ranker,
    data: RankingData,
    *,
    metric: str = "auc",
    task: str = "",
    kinds: Sequence[Kind] = KINDS,
    max_rows: int = 20_000,
    repeats: int = 1,
    replicates: int = 1000,
    seed: int = 0,
    tell: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> tuple[float, list[Importance]]:
    """Score validation rows with one input at a time taken from other rows.

    What the model has learned stays; only the link between this input and the row is cut. Inputs that say the same are
    each unimportant alone: look at their group. A sequence keeps the ages of its events.

    Args:
        model: A trained model.
        data: Its data, ready to validate.
        metric: One of the model's.
        task: Whose scores and labels are measured. Empty: the model's primary task.
        kinds: What to permute: single features, all features of a semantic group together, sequences.
        max_rows: About how many rows are scored, batches spread evenly over the split. They are held in memory.
        repeats: Permutations of each input; their mean counts.
        replicates: Draws of groups for the intervals.
        seed: Of permutations and draws.
        tell: Called before each input with how many are done, how many there are and its name.

    Returns:
        The metric on the rows as they are, and the inputs, most important first.

    Raises:
        CommandError: For a metric that the model does not have, that has no better end, or that groups cannot draw, and
            for an unknown task.
    """
    chosen, task = _metric(model, metric), task or model.primary_task
    if task not in model.schema.tasks:
        raise CommandError(unknown("The model has no task", task, model.schema.tasks))
    batches = _sample(data, max_rows)
    was_training = model.training
    model.eval()
    try:
        before = _scores(model, batches, task)
        bootstrap = GroupBootstrap(before, replicates, seed)
        known, drawn = bootstrap.values(chosen, before)
        sign = 1.0 if chosen.mode == "max" else -1.0
        inputs, found = _inputs(model, kinds), []
        for number, (kind, name, names) in enumerate(inputs):
            tell(number, len(inputs), name)
            mean, draws = 0.0, np.zeros_like(drawn)
            for repeat in range(repeats):
                generator = torch.Generator().manual_seed(seed + repeat)
                if kind == "sequence":
                    permuted = permuted_sequence(batches, name, generator)
                else:
                    permuted = permuted_features(batches, names, generator)
                value, values = bootstrap.values(chosen, _scores(model, permuted, task))
                mean += sign * (known - value) / repeats
                draws += sign * (drawn - values) / repeats
            found.append(Importance(kind, name, bootstrap.interval(chosen, mean, draws)))
    finally:
        model.train(was_training)
    return known, sorted(found, key=lambda one: -one.loss.mean)


def _metric(model: Ranker, name: str) -> RankingMetric:
    metrics = model.new_metrics()
    usable = {known: metric for known, metric in metrics.items() if metric.mode and metric.can_be_drawn}
    if name not in usable:
        raise CommandError(unknown("The metric of importance is", name, usable))
    return usable[name]


def _sample(data: RankingData, max_rows: int) -> list[Batch]:
    """Return validation batches, evenly spread over the split, that hold about ``max_rows`` rows."""
    loader = data.val_dataloader()
    total, batches, stride = len(loader), [], 1
    for number, batch in enumerate(loader):
        if number == 0:
            stride = max(1, -(-total * batch.num_samples // max_rows))
        if number % stride == 0:
            batches.append(batch)
    if not batches:
        raise CommandError("The data has no validation rows, and importance is measured on them.")
    return batches


def _inputs(model: Ranker, kinds: Sequence[Kind]) -> list[tuple[Kind, str, list[str]]]:
    schema = model.schema
    inputs: dict[Kind, list[tuple[Kind, str, list[str]]]] = {
        "feature": [("feature", name, [name]) for name in schema.features],
        "group": [("group", name, schema.features_of_group(name)) for name in schema.group_names],
        "sequence": [("sequence", name, []) for name in schema.sequences],
    }
    return [one for kind in KINDS if kind in kinds for one in inputs[kind]]


def _scores(model: Ranker, batches: Sequence[Batch], task: str) -> Scores:
    """Score a task."""
    with torch.inference_mode():
        logits = [model(move_data_to_device(batch, model.device))[task] for batch in batches]
        score = torch.cat([torch.sigmoid(logit.double()).cpu() for logit in logits]).numpy()

    def column(parts: Iterator[torch.Tensor | None]) -> torch.Tensor | None:
        known = [part for part in parts if part is not None]
        return torch.cat(known) if known else None

    label = torch.cat([batch.labels[task] for batch in batches]).double().numpy()
    group = column(batch.group for batch in batches)
    weight = column(batch.weights for batch in batches)
    return Scores(
        np.arange(len(score)),
        label,
        score,
        None if group is None else group.numpy(),
        None if weight is None else weight.double().numpy(),
    )

"""Inputs of a model whose score is known by construction."""

import dataclasses

import pytest
import torch
from torch import nn

from hyrec.batch import Jagged
from hyrec.importance import permutation_importance
from hyrec.importance.permuted import permuted_features, permuted_sequence
from hyrec.messages import CommandError
from hyrec.metrics import DEFAULT_METRICS, build_metrics
from hyrec.sample_batch import random_batch
from hyrec.testing.batches import tiny_schema

SCHEMA = tiny_schema()
DENSE = next(name for name, feature in SCHEMA.features.items() if feature.kind == "dense" and not feature.is_embedded)
LISTS = next(name for name, feature in SCHEMA.features.items() if feature.kind == "weighted_ids")
SEQUENCE = next(iter(SCHEMA.sequences))
TASK = next(iter(SCHEMA.tasks))


def size_of(batch):
    lengths = batch.sequences[SEQUENCE].offsets.diff().double()
    return lengths if batch.request_of is None else batch.request_of.expand(lengths)


class Known(nn.Module):
    """Scores by one dense feature and by the number of events of one sequence."""

    schema, primary_task, device = SCHEMA, TASK, torch.device("cpu")

    def __init__(self, by_feature=1.0, by_sequence=0.0):
        super().__init__()
        self.by_feature, self.by_sequence = by_feature, by_sequence

    def new_metrics(self):
        return build_metrics(DEFAULT_METRICS, has_groups=True)

    def forward(self, batch):
        feature = batch.features[DENSE].nan_to_num(0.0).sum(1).double()
        return {TASK: self.by_feature * feature + self.by_sequence * size_of(batch)}


class Rows:
    """Batches whose labels are what a model says."""

    def __init__(self, model, batches=6):
        self.batches = []
        for seed in range(batches):
            batch = random_batch(SCHEMA, num_requests=40, candidates=3, spare=2, seed=seed)
            score = model(batch)[TASK]
            group = torch.arange(batch.num_samples) // 12 + 1000 * seed
            labels = {**batch.labels, TASK: (score > score.median()).double()}
            self.batches.append(dataclasses.replace(batch, labels=labels, group=group))

    def val_dataloader(self):
        return self.batches


def losses(model, **options):
    known, found = permutation_importance(model, Rows(model), replicates=50, **options)
    return known, {(one.kind, one.name): one.loss for one in found}


def test_the_feature_that_decides_is_all_that_matters():
    known, found = losses(Known(), kinds=["feature", "sequence"])
    assert known > 0.95
    assert found["feature", DENSE].low > 0.3
    assert {name for name, loss in found.items() if loss.mean or loss.low or loss.high} == {("feature", DENSE)}
    assert next(iter(found)) == ("feature", DENSE)


def test_the_group_of_the_feature_that_decides_loses_as_much_as_it():
    _, found = losses(Known(), kinds=["feature", "group"])
    group = next(name for name in SCHEMA.group_names if DENSE in SCHEMA.features_of_group(name))
    assert found["group", group].mean == found["feature", DENSE].mean


def test_a_sequence_that_decides_is_found():
    _, found = losses(Known(by_feature=0.0, by_sequence=1.0))
    assert found["sequence", SEQUENCE].low > 0.2
    assert found["feature", DENSE].mean == 0


def test_of_a_metric_that_is_better_when_lower_a_rise_is_a_loss():
    _, found = losses(Known(), metric="logloss", kinds=["feature"])
    assert found["feature", DENSE].low > 0


class Two(Known):
    """Scores the task by one dense feature, and another task by the events of a sequence."""

    other = next(name for name in SCHEMA.tasks if name != TASK)

    def forward(self, batch):
        return {**super().forward(batch), self.other: size_of(batch)}


def test_the_loss_is_that_of_the_task_that_is_asked_for():
    rows = Rows(Two())
    for number, batch in enumerate(rows.batches):
        size = size_of(batch)
        labels = {**batch.labels, Two.other: (size > size.median()).double()}
        rows.batches[number] = dataclasses.replace(batch, labels=labels)
    losses = {}
    for task in ("", Two.other):
        _, found = permutation_importance(Two(), rows, task=task, kinds=["feature", "sequence"], replicates=50)
        losses[task] = {one.name: one.loss.mean for one in found}
    assert losses[""][DENSE] > 0.3 > 0 == losses[""][SEQUENCE]
    assert losses[Two.other][SEQUENCE] > 0.2 > 0 == losses[Two.other][DENSE]


def test_an_unknown_task_is_told_with_the_nearest():
    with pytest.raises(CommandError, match=rf"no task '{TASK}k'\. Did you mean '{TASK}'"):
        losses(Known(), task=f"{TASK}k")


def test_about_as_many_rows_are_scored_as_were_asked_for_spread_over_the_split():
    model, seen = Known(), []
    model.register_forward_hook(lambda module, given, scores: seen.append(given[0].num_samples))
    rows = Rows(model)
    seen.clear()
    permutation_importance(model, rows, kinds=["sequence"], max_rows=240, replicates=5)
    assert sum(seen) == 240 * (1 + len(SCHEMA.sequences))


def test_an_unknown_metric_is_told_with_the_nearest():
    with pytest.raises(CommandError, match=r"'gauk'\. Did you mean 'gauc'"):
        losses(Known(), metric="gauk")


def lists_of(batches):
    """Every list of one feature, with its weights, as texts."""
    return [
        str((values.values[a:b].tolist(), values.weights[a:b].tolist()))
        for values in (batch.features[LISTS] for batch in batches)
        for a, b in zip(values.offsets[:-1], values.offsets[1:], strict=True)
    ]


def test_permuted_lists_are_the_same_lists_elsewhere_and_others_stay():
    batches = Rows(Known()).batches
    permuted = permuted_features(batches, [LISTS], torch.Generator().manual_seed(0))
    assert isinstance(permuted[0].features[LISTS], Jagged)
    assert sorted(lists_of(permuted)) == sorted(lists_of(batches))
    assert lists_of(permuted) != lists_of(batches)
    assert all(
        torch.allclose(a.features[DENSE], b.features[DENSE], rtol=0, atol=0, equal_nan=True)
        for a, b in zip(batches, permuted, strict=True)
    )


def histories_of(batches, sequence=SEQUENCE):
    """Every history as texts: the events and their ages."""
    out = []
    for batch in batches:
        events = batch.sequences[sequence]
        for request, (a, b) in enumerate(zip(events.offsets[:-1], events.offsets[1:], strict=True)):
            ids = {name: column[a:b].nan_to_num(-1).tolist() for name, column in sorted(events.features.items())}
            ages = (
                [] if events.time is None else (batch.time[request] - events.time[a:b]).nan_to_num(-1).round(decimals=3)
            )
            out.append(str((ids, [float(age) for age in ages])))
    return out


def test_permuted_histories_keep_the_lists_of_their_events():
    batches = Rows(Known()).batches
    permuted = permuted_sequence(batches, "likes", torch.Generator().manual_seed(0))
    assert permuted[0].sequences["likes"].features["topics"].dim() == 2
    assert sorted(histories_of(permuted, "likes")) == sorted(histories_of(batches, "likes"))
    assert histories_of(permuted, "likes") != histories_of(batches, "likes")


def test_permuted_histories_keep_their_events_and_the_ages_of_these():
    batches = Rows(Known()).batches
    permuted = permuted_sequence(batches, SEQUENCE, torch.Generator().manual_seed(0))
    assert sorted(histories_of(permuted)) == sorted(histories_of(batches))
    assert histories_of(permuted) != histories_of(batches)
    assert max(int(b.sequences[SEQUENCE].offsets.diff().max()) for b in permuted) == max(
        b.sequences[SEQUENCE].max_length for b in permuted
    )

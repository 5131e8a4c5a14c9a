"""Features and events of every kind are embedded as the schema says, missing values and padding included."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from hyrec.batch import Batch, Jagged, Sequence
from hyrec.embeddings import (
    EmbeddingOptions,
    FeatureEmbeddings,
    SequenceEmbedding,
    SequenceMerging,
    SequenceOptions,
)
from hyrec.functional import time_buckets
from hyrec.nn.named import NamedModules
from hyrec.sample_batch import random_batch
from hyrec.schema import Schema
from hyrec.testing.batches import tiny_schema
from tests.parity.building import ATOL, assert_rows, generic, ragged, rows
from tests.references import embeddings as reference
from tests.references import merging
from tests.references.primitives import Weights


def all_kinds() -> Schema:
    """The tiny schema with a standardised number, and a bucketised side information besides."""
    plain = tiny_schema().to_dict()
    plain["features"]["score"] = {
        "kind": "dense",
        "transform": "standardize",
        "mean": 0.5,
        "std": 2.0,
        "width": 3,
    }
    plain["features"]["price"]["transform"] = "none"
    plain["sequences"]["searches"]["features"]["results"] = {
        "kind": "dense",
        "transform": "bucketize",
        "boundaries": [-0.5, 0.0, 0.5],
    }
    return Schema.from_dict(plain)


def tables_of(schema: Schema) -> NamedModules:
    return generic(EmbeddingOptions(dim=3, dims={"item": 5, "searches.word": 2}).tables(schema))


@pytest.mark.parametrize("candidates", [1, [2, 1, 3]])
def test_every_kind_of_feature_equals_its_reference(candidates: Any) -> None:
    schema = all_kinds()
    tables = tables_of(schema)
    batch = random_batch(schema, num_requests=3, candidates=candidates, missing=0.3, seed=5)
    tags = batch.features["tags"]
    tags.values[::2] = 0
    batch.features["topics"].values[1::3] = 0
    got = FeatureEmbeddings(schema, tables)(batch, tables)
    for b in range(batch.num_samples):
        expected = reference.embed_features(Weights(tables), schema, batch, b)
        assert list(got) == list(expected) == list(schema.features)
        for name, want in expected.items():
            torch.testing.assert_close(got[name][b], want, atol=ATOL, rtol=0.0, msg=name)


def test_widths_are_those_of_the_vectors() -> None:
    schema = all_kinds()
    tables = tables_of(schema)
    embeddings = FeatureEmbeddings(schema, tables)
    got = embeddings(random_batch(schema), tables)
    assert {name: value.shape[1] for name, value in got.items()} == dict(embeddings.widths)
    assert embeddings.widths["score"] == 6
    assert embeddings.widths["item"] == 5


def test_an_empty_list_embeds_to_zeros() -> None:
    schema = all_kinds()
    batch = random_batch(schema, num_requests=2)
    empty = torch.zeros(0, dtype=torch.int64)
    batch.features["topics"] = Jagged(empty, torch.zeros(3, dtype=torch.int64))
    batch.features["tags"] = Jagged(empty, torch.zeros(3, dtype=torch.int64), torch.zeros(0))
    tables = tables_of(schema)
    got = FeatureEmbeddings(schema, tables)(batch, tables)
    assert got["topics"].abs().max() == 0.0
    assert got["tags"].abs().max() == 0.0


def test_padding_missing_and_unknown_are_three_different_things() -> None:
    schema = all_kinds()
    batch = random_batch(schema, num_requests=3)
    batch.features["user"] = torch.tensor([0, 1, 2])
    tables = tables_of(schema)
    got = FeatureEmbeddings(schema, tables)(batch, tables)["user"]
    assert got[0].abs().max() == 0.0
    assert not torch.equal(got[1], got[2])
    assert got[1].abs().max() > 0.0


def test_the_padding_row_is_never_trained() -> None:
    schema = all_kinds()
    tables = tables_of(schema)
    batch = random_batch(schema, num_requests=3)
    batch.features["user"] = torch.tensor([0, 1, 0])
    FeatureEmbeddings(schema, tables)(batch, tables)["user"].sum().backward()
    grad = tables["user"].weight.grad.to_dense()
    assert grad[0].abs().max() == 0.0
    assert grad[1].abs().max() > 0.0


def test_features_and_events_that_name_one_table_share_its_rows() -> None:
    schema = all_kinds()
    tables = tables_of(schema)
    batch = random_batch(schema, num_requests=2, lengths={"clicks": [1, 1]})
    embedding = generic(SequenceEmbedding(schema, "clicks", tables, 4, SequenceOptions()))
    features = FeatureEmbeddings(schema, tables)
    before = features(batch, tables)["item"], embedding(batch, tables).values
    with torch.no_grad():
        tables["item"].weight.add_(1.0)
    after = features(batch, tables)["item"], embedding(batch, tables).values
    assert not any(torch.allclose(a, b) for a, b in zip(before, after, strict=True))
    assert len(tables) == len(schema.table_sizes) < len(schema.features) + 4


@pytest.mark.parametrize("time", ["buckets", "none"])
@pytest.mark.parametrize("position", ["learned", "none"])
@pytest.mark.parametrize("sequence", ["clicks", "searches", "likes"])
def test_events_equal_their_reference(sequence: str, position: Any, time: Any) -> None:
    schema = all_kinds()
    tables = tables_of(schema)
    options = SequenceOptions(time=time, position=position, time_buckets=9, time_dim=3)
    embedding = SequenceEmbedding(schema, sequence, tables, 6, options)
    generic(embedding, seed=3)
    batch = random_batch(
        schema, num_requests=5, candidates=[2, 1, 1, 3, 1], lengths={sequence: [3, 0, 1, 5, 0]}, spare=3
    )
    expected = [
        reference.embed_events(Weights(embedding), Weights(tables), schema, sequence, batch, r, num_buckets=9)
        for r in range(5)
    ]
    assert_rows(embedding(batch, tables), expected)


def timed_kinds() -> Schema:
    """Every sequence has a time column."""
    plain = all_kinds().to_dict()
    plain["sequences"]["likes"]["time_column"] = "likes_time"
    return Schema.from_dict(plain)


NAN = float("nan")
TIMED: dict[str, list[list[float]]] = {
    "clicks": [[NAN, 3.0, 3.0, 8.0], [], [5.0], [1.0, 2.0], []],
    "likes": [[3.0, 9.0], [], [], [NAN, NAN, 2.0], [7.0]],
    "searches": [[NAN, 1.0, 3.0, 8.0, 8.0], [], [5.0], [1.0], []],
}


def timed_events(widths: dict[str, int]) -> dict[str, Sequence]:
    """Random events at the times above, with spare rows of garbage at a time far in the past."""
    sequences = {}
    for i, (name, times) in enumerate(TIMED.items()):
        events = ragged([len(own) for own in times], widths[name], spare=2, longer_by=i, seed=i)
        flat = [time for own in times for time in own]
        time = torch.tensor([*flat, *[-9e9] * (events.values.shape[0] - len(flat))], dtype=torch.float64)
        sequences[name] = dataclasses.replace(events, time=time)
    return sequences


@pytest.mark.parametrize("widths", [(4, 4, 4), (4, 6, 4), (2, 6, 3)], ids=str)
def test_merged_sequences_equal_their_reference(widths: tuple[int, ...]) -> None:
    by_name = dict(zip(TIMED, widths, strict=True))
    module = generic(SequenceMerging(timed_kinds(), by_name, 4))
    sequences = timed_events(by_name)
    merged = module(dict(reversed(sequences.items())))
    events = {name: rows(sequence) for name, sequence in sequences.items()}
    expected = [
        merging.merge_sequences(Weights(module), {n: events[n][r] for n in events}, {n: TIMED[n][r] for n in TIMED})
        for r in range(5)
    ]
    assert_rows(merged, expected)


def test_positions_count_from_the_newest_event() -> None:
    schema = all_kinds()
    tables = tables_of(schema)
    embedding = generic(SequenceEmbedding(schema, "likes", tables, 6, SequenceOptions()))
    batch = random_batch(schema, num_requests=1, lengths={"likes": [5]}, missing=0.0)
    shorter = dataclasses.replace(
        batch.sequences["likes"],
        features={name: values[2:] for name, values in batch.sequences["likes"].features.items()},
        offsets=torch.tensor([0, 3]),
        max_length=3,
    )
    cut = dataclasses.replace(batch, sequences={**batch.sequences, "likes": shorter})
    newest = embedding(cut, tables).values
    torch.testing.assert_close(embedding(batch, tables).values[2:], newest, atol=1e-12, rtol=0.0)


def test_a_batch_without_the_times_that_the_schema_names_is_refused() -> None:
    schema = all_kinds()
    tables = tables_of(schema)
    embedding = SequenceEmbedding(schema, "clicks", tables, 6, SequenceOptions())
    batch = random_batch(schema, num_requests=1)
    events = dataclasses.replace(batch.sequences["clicks"], time=None)
    without_events: Batch = dataclasses.replace(batch, sequences={**batch.sequences, "clicks": events})
    with pytest.raises(ValueError, match=r"'clicks' has a time column .* carries no event times"):
        embedding(without_events, tables)
    with pytest.raises(ValueError, match="carries no impression time"):
        embedding(dataclasses.replace(batch, time=None), tables)


def test_an_unknown_table_in_dims_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="Did you mean 'item'"):
        EmbeddingOptions(dims={"items": 4}).limited(tiny_schema())


@pytest.mark.parametrize("num_buckets", [3, 4, 9, 64])
def test_age_buckets_equal_their_reference(num_buckets: int) -> None:
    ages = [
        float("nan"),
        -1e9,
        -1.0,
        0.0,
        0.5,
        0.999,
        1.0,
        1.5,
        7.0,
        61.0,
        3.6e3,
        8.6e4,
        1e6,
        5e7,
        9e7,
        1e8,
        1e30,
    ]
    got = time_buckets(torch.tensor(ages, dtype=torch.float64), num_buckets).tolist()
    assert got == [reference.time_bucket(age, num_buckets) for age in ages]


def test_an_infinite_age_falls_into_the_oldest_bucket() -> None:
    assert time_buckets(torch.tensor([float("inf")], dtype=torch.float64), 9).tolist() == [8]

"""Embedding tables: sizes, sharing, initial values and gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.export import Dim, ShapesCollection, export

from hyrec.batch import Jagged, Sequence
from hyrec.embeddings import EmbeddingOptions, SequenceMerging, SequenceOptions
from hyrec.embeddings.features import Buckets, FeatureEmbeddings
from hyrec.nn.named import NamedModules
from hyrec.sample_batch import random_batch
from hyrec.schema import Schema
from hyrec.testing.batches import tiny_schema


def test_there_is_one_table_for_each_name_with_its_size_and_width() -> None:
    schema = tiny_schema()
    tables = EmbeddingOptions(dim=4, dims={"item": 7}).tables(schema)
    shapes = {name: tuple(tables[name].weight.shape) for name in tables}
    assert shapes == {name: (size, 7 if name == "item" else 4) for name, size in schema.table_sizes.items()}


def test_initial_values_do_not_depend_on_the_order_in_the_file() -> None:
    plain = tiny_schema().to_dict()
    other = {**plain, "features": dict(reversed(plain["features"].items()))}
    drawn = []
    for content in (plain, other):
        torch.manual_seed(0)
        drawn.append(EmbeddingOptions().tables(Schema.from_dict(content)).state_dict())
    assert drawn[0].keys() == drawn[1].keys()
    assert all(torch.equal(drawn[0][name], drawn[1][name]) for name in drawn[0])


def test_rows_start_with_the_stated_spread_and_padding_with_zero() -> None:
    torch.manual_seed(0)
    schema = Schema.from_dict({"features": {"user": {"vocab_size": 5000}}, "tasks": {"click": {}}})
    weight = EmbeddingOptions(dim=16, init_scale=3.0).tables(schema)["user"].weight.detach()
    bound = 3.0 / weight.shape[0] ** 0.5
    assert 0.99 * bound < float(weight.abs().max()) <= bound
    assert float(weight[1:].std()) == pytest.approx(bound / 3**0.5, rel=0.02)
    assert weight[0].abs().max() == 0.0


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_only_touched_rows_get_a_gradient_and_it_is_sparse_when_asked(sparse: bool, weighted: bool) -> None:
    table = EmbeddingOptions(dim=2, sparse=sparse).tables(tiny_schema())["topics"]
    ids = Jagged(torch.tensor([3, 0, 4]), torch.tensor([0, 2, 3]), torch.tensor([0.5, 9.0, 2.0]) if weighted else None)
    (table.pool(ids).sum() + table(torch.tensor([0, 5])).sum()).backward()
    grad = table.weight.grad
    assert grad is not None
    assert grad.is_sparse == sparse
    assert grad.to_dense().abs().sum(1).nonzero().flatten().tolist() == [3, 4, 5]


def test_pooling_averages_lists_and_sums_weighted_ones() -> None:
    table = EmbeddingOptions(dim=2).tables(tiny_schema())["topics"]
    ids, offsets = torch.tensor([3, 4, 0, 5]), torch.tensor([0, 3, 3, 4])
    rows = table.weight
    mean = table.pool(Jagged(ids, offsets))
    torch.testing.assert_close(mean, torch.stack([(rows[3] + rows[4]) / 2, torch.zeros(2), rows[5]]))
    summed = table.pool(Jagged(ids, offsets, torch.tensor([1.0, 3.0, 7.0, 0.5])))
    torch.testing.assert_close(summed, torch.stack([rows[3] + 3 * rows[4], torch.zeros(2), rows[5] / 2]))


@pytest.mark.parametrize(
    ("options", "width"),
    [
        (SequenceOptions(), 32),
        (SequenceOptions(width=8), 8),
        (SequenceOptions(width=8, widths={"clicks": 6}), 6),
    ],
)
def test_an_events_width_is_its_own_else_the_common_else_the_models(options: SequenceOptions, width: int) -> None:
    assert options.width_of("clicks", 32) == width


TIMED = {"a": {"features": {"x": {"vocab_size": 4}}, "time_column": "a_time"}}
TIMED["b"] = {**TIMED["a"], "time_column": "b_time"}
TWO = Schema.from_dict(
    {"features": {"u": {"vocab_size": 4}}, "sequences": TIMED, "tasks": {"click": {}}, "time_column": "time"}
)


def two_sequences(lengths: dict[str, list[int]], seed: int = 0) -> dict[str, Sequence]:
    """Random events of width 3 in ``a`` and 4 in ``b``, with a spare row each."""
    rng = torch.Generator().manual_seed(seed)
    sequences = {}
    for name, own in lengths.items():
        rows, width = sum(own) + 1, 3 if name == "a" else 4
        time = torch.rand(rows, generator=rng, dtype=torch.float64)
        values = torch.randn(rows, width, generator=rng)
        sequences[name] = Sequence(values, torch.tensor([0, *own]).cumsum(0), 6, time)
    return sequences


def test_merging_is_exported_with_the_numbers_of_requests_and_events_left_open() -> None:
    module = SequenceMerging(TWO, {"a": 3, "b": 4}, 4).eval()
    example = two_sequences({"a": [2, 0, 3], "b": [1, 4, 0]})
    shapes: Any = ShapesCollection()
    requests = Dim("offsets", min=3)
    for name, sequence in example.items():
        shapes[sequence.values] = {0: Dim(f"N_{name}")}
        shapes[sequence.time] = {0: Dim(f"N_{name}")}
        shapes[sequence.offsets] = {0: requests}
    program = export(module, (example,), dynamic_shapes=shapes, strict=False).module()
    other = two_sequences({"a": [0, 6, 1, 1, 0], "b": [2, 2, 0, 5, 0]}, seed=1)
    got, want = program(other), module(other)
    assert torch.equal(got.values, want.values)
    assert torch.equal(got.offsets, want.offsets)
    assert torch.equal(got.time, want.time)


def test_merging_trains_projections_and_vectors_of_sources_and_no_spare_row() -> None:
    module = SequenceMerging(TWO, {"a": 3, "b": 4}, 4)
    sequences = two_sequences({"a": [2, 0], "b": [1, 4]})
    for sequence in sequences.values():
        sequence.values.requires_grad_()
    merged = module(sequences)
    merged.values[: int(merged.offsets[-1])].square().sum().backward()
    assert all(p.grad is not None and (p.grad != 0).any(-1).all() for p in module.parameters())
    for sequence in sequences.values():
        assert sequence.values.grad is not None
        assert (sequence.values.grad != 0).any(1).tolist() == [True] * (len(sequence.values) - 1) + [False]


def test_merging_under_bfloat16_autocast_stays_close() -> None:
    module = SequenceMerging(TWO, {"a": 3, "b": 4}, 4)
    sequences = two_sequences({"a": [2, 0], "b": [1, 4]})
    with torch.autocast("cpu", torch.bfloat16):
        merged = module(sequences)
    torch.testing.assert_close(merged.values.float(), module(sequences).values, atol=0.03, rtol=0.03)


BOUNDARIES = [-1.5, 0.1, 257.0, 259.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_buckets_keep_their_limits_in_a_module_of_any_precision(dtype: torch.dtype) -> None:
    buckets = Buckets(BOUNDARIES).to(dtype)
    values = torch.tensor([float("nan"), -2.0, -1.5, 0.0, 0.1, 256.0, 257.0, 258.0, 259.0, 1e9])
    assert buckets(values).tolist() == [1, 3, 4, 4, 5, 5, 6, 6, 7, 7]
    assert buckets(values.double())[4] == 4 + (float(values[4]) >= 0.1)
    assert not buckets.state_dict()


NAMES = ["items", "type", "a.b", "train", "", "forward", "weight", "_keys"]


def test_modules_may_have_any_name_that_data_has() -> None:
    modules = {name: torch.nn.Linear(1, i + 1) for i, name in enumerate(NAMES)}
    named = NamedModules(modules)
    assert list(named) == NAMES
    assert len(named) == len(NAMES)
    for name, module in modules.items():
        assert named[name] is module
    again = NamedModules({name: torch.nn.Linear(1, i + 1) for i, name in enumerate(NAMES)})
    again.load_state_dict(named.state_dict())
    assert all(torch.equal(again[n].weight, named[n].weight) for n in NAMES)


def test_names_that_become_the_same_module_are_refused() -> None:
    with pytest.raises(ValueError, match=r"cannot be told apart.*a/b"):
        NamedModules({"a.b": torch.nn.Linear(1, 1), "a/b": torch.nn.Linear(1, 1)})


def test_dropout_clears_numbers_of_ids_in_training_only() -> None:
    schema = tiny_schema()
    options = EmbeddingOptions(dropout=1.0)
    tables = options.tables(schema)
    features, batch = FeatureEmbeddings(schema, tables, options.dropout), random_batch(schema)
    dense = [name for name, feature in schema.features.items() if not feature.is_embedded]
    assert dense
    trained, scored = features(batch, tables), features.eval()(batch, tables)
    assert {name for name, value in trained.items() if value.any()} == set(dense)
    assert all(value.any() for value in scored.values())

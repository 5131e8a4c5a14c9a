"""Tables that are larger than ``embedding.max_rows``: hashed, or left out of the model with a line that says so."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hyrec.config.experiment import Experiment
from hyrec.data.hashing import mix64, to_buckets
from hyrec.embeddings import EmbeddingOptions
from hyrec.embeddings.tables import HashedTable
from hyrec.sample_batch import random_batch
from hyrec.schema import Schema
from hyrec.testing.batches import tiny_schema

LARGE = {"features": {"user": {"vocab_size": 10**9}, "age": {"vocab_size": 50}}, "tasks": {"click": {}}}


def model(*options):
    return Experiment.parse(["--config", "pkg:hyrec/debug.yaml", *options]).model().eval()


def test_a_large_table_has_max_rows_and_others_have_all_of_theirs():
    tables = EmbeddingOptions(dim=4, max_rows=100).tables(Schema.from_dict(LARGE))
    assert {name: tuple(tables[name].weight.shape) for name in tables} == {"age": (50, 4), "user": (100, 4)}


def test_ids_find_the_row_of_their_hash_and_reserved_ids_keep_theirs():
    table = HashedTable(100, 4, True, 1.0)
    ids = torch.tensor([[0, 1, 2], [3, 2**40, 278_677_640]])
    hashed = 3 + to_buckets(mix64(ids.numpy().astype(np.uint64)) >> np.uint64(1), 97)
    assert table.row_of(ids).tolist() == [[0, 1, 2], hashed[1].tolist()]


def test_neighbouring_ids_are_spread_over_all_rows():
    rows = HashedTable(1003, 1, True, 1.0).row_of(torch.arange(3, 50_003))
    counts = torch.bincount(rows, minlength=1003)[3:]
    assert (int(rows.min()), int(rows.max())) == (3, 1002)
    assert 20 < int(counts.min()) < int(counts.max()) < 90


def test_only_the_rows_of_a_batch_get_a_gradient():
    table = HashedTable(100, 4, True, 1.0)
    ids = torch.tensor([5, 10**8])
    table(ids).sum().backward()
    assert table.weight.grad.is_sparse
    assert set(table.weight.grad.coalesce().indices()[0].tolist()) == set(table.row_of(ids).tolist())


def test_what_looks_up_a_dropped_table_is_in_no_token_and_changes_no_logit():
    dropping = model("--model.embedding.max_rows", "100", "--model.embedding.over", "drop")
    large = [name for name, size in dropping.schema.table_sizes.items() if size > 100]
    gone = [name for name in dropping.schema.features if dropping.schema.table_of(name) in large]
    assert gone
    assert not {*gone} & {name for names in dropping.network.ctx.token_features for name in names}
    assert not {*large} & {*dropping.network.tables}
    batch = random_batch(dropping.schema)
    other = replace(batch, features={**batch.features, **{name: batch.features[name] * 0 + 3 for name in gone}})
    assert torch.equal(dropping(batch)["click"], dropping(other)["click"])


def test_a_group_whose_features_are_all_dropped_goes_too():
    plain = {**LARGE, "groups": ["who", "user"]}
    plain["features"] = {**LARGE["features"], "user": {"vocab_size": 10**9, "group": "who"}}
    schema = EmbeddingOptions(max_rows=100, over="drop").limited(Schema.from_dict(plain))
    assert schema.group_names == ["user"]


def test_the_lines_name_table_size_and_what_is_left_out():
    (hashed,) = EmbeddingOptions(max_rows=100).limits(Schema.from_dict(LARGE))
    assert hashed == "Table user has 1,000,000,000 ids, more than embedding.max_rows=100: its ids share 100 rows"
    (dropped,) = EmbeddingOptions(max_rows=100, over="drop").limits(Schema.from_dict(LARGE))
    assert dropped.endswith("not in the model: features.user")


def test_without_a_limit_nothing_is_said_and_nothing_changes():
    schema = tiny_schema()
    assert EmbeddingOptions().limits(schema) == []
    assert EmbeddingOptions(over="drop").limited(schema) is schema


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_rows": 3}, "max_rows=3 leaves no room for values.*at least 4"),
        ({"max_rows": -1}, "max_rows=-1 leaves no room"),
    ],
)
def test_a_limit_without_room_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        EmbeddingOptions(**options)


def test_dropping_all_of_a_sequence_or_of_the_features_is_refused():
    options = EmbeddingOptions(max_rows=10, over="drop")
    with pytest.raises(ValueError, match="leaves nothing of the features"):
        options.limited(Schema.from_dict(LARGE))
    sequences = {"past": {"features": {"item": {"vocab_size": 1000}}}}
    small = {"features": {"age": {"vocab_size": 9}}, "tasks": {"click": {}}, "sequences": sequences}
    with pytest.raises(ValueError, match="leaves nothing of the sequence 'past'"):
        options.limited(Schema.from_dict(small))


def test_widths_of_a_dropped_table_are_no_mistake_and_those_of_no_table_are():
    options = EmbeddingOptions(max_rows=100, over="drop", dims={"user": 8})
    assert list(options.tables(options.limited(Schema.from_dict(LARGE)))) == ["age"]
    with pytest.raises(ValueError, match=r"names the table 'usr'.*Did you mean 'user'"):
        EmbeddingOptions(dims={"usr": 8}).limited(Schema.from_dict(LARGE))


def test_inspect_says_which_tables_are_hashed(capsys):
    from hyrec.cli.main import main

    assert main(["inspect", "--config", "pkg:hyrec/debug.yaml", "--model.embedding.max_rows", "100"]) == 0
    assert "ids, more than embedding.max_rows=100: its ids share 100 rows" in capsys.readouterr().out

"""The DIN of ``hyrec baseline`` equals the paper's, written out for one sample."""

import pytest
import torch

from hyrec.baselines import DIN
from hyrec.sample_batch import random_batch
from hyrec.testing.batches import tiny_schema
from tests.references import din as reference

SCHEMA = tiny_schema()


@pytest.fixture(params=[1, [1, 3, 2, 2]], ids=["flat", "candidates of requests"])
def case(request):
    torch.manual_seed(0)
    network = DIN(SCHEMA, dim=3, hidden=(5, 4), attention=6, init_std=1.0).double()
    lengths = {"clicks": [4, 0, 12, 1], "searches": [0, 2, 7, 1], "likes": [5, 1, 0, 2]}
    return network, random_batch(SCHEMA, candidates=request.param, lengths=lengths, spare=2)


def events_of(network, batch, sequence, field, request):
    events = batch.sequences[sequence]
    ids = events.features[field][events.offsets[request] : events.offsets[request + 1]]
    return network.tables[SCHEMA.table_of(field, sequence)](ids)


def topics_of(network, batch, request):
    """Return the mean row of each event's list; zeros for an empty one."""
    events = batch.sequences["likes"]
    lists = events.features["topics"][events.offsets[request] : events.offsets[request + 1]]
    table = network.tables["topics"].weight
    means = [table[ids[ids > 0]].mean(0) if (ids > 0).any() else table[0] for ids in lists]
    return torch.stack(means) if means else table.new_zeros(0, table.shape[1])


def dwell_of(batch, request):
    events = batch.sequences["clicks"]
    numbers = events.features["dwell"][events.offsets[request] : events.offsets[request + 1]].double()
    known = numbers.nan_to_num(0.0)
    return torch.stack([known.sign() * known.abs().log1p(), numbers.isnan().double()], 1)


def expected(network, batch, sample):
    """Return the logit of one sample."""
    request = sample if batch.request_of is None else int(batch.request_of.index[sample])
    q = network.tables["item"](batch.features["item"][sample])
    interests = {}
    for name in ("clicks", "likes"):
        pooling = network.interests[name]
        unit = torch.nn.Sequential(pooling.first, torch.nn.ReLU(), pooling.score)
        interests[name] = reference.interest(q, events_of(network, batch, name, "item", request), unit)
    interests["clicks"] = torch.cat([interests["clicks"], reference.mean(dwell_of(batch, request))])
    interests["likes"] = torch.cat([interests["likes"], reference.mean(topics_of(network, batch, request))])
    interests["searches"] = reference.mean(events_of(network, batch, "searches", "word", request))
    embedded = [value[sample] for value in network.features(batch, network.tables).values()]
    return network.mlp(torch.cat([*embedded, *(interests[name] for name in SCHEMA.sequences)]))[0]


def test_din_equals_its_reference(case):
    network, batch = case
    logits = network(batch)
    for sample in range(batch.num_samples):
        torch.testing.assert_close(logits[sample], expected(network, batch, sample))


def test_every_parameter_of_din_gets_a_gradient(case):
    network, batch = case
    network(batch).sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_candidate_that_shares_no_table_with_events_leaves_them_averaged():
    schema = tiny_schema().to_dict()
    schema["features"]["item"]["table"] = "another"
    assert not any(interest.targets for interest in DIN(type(SCHEMA).from_dict(schema)).interests.children())

"""Packed sequences and request maps say the same as plain lists."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree

from hyrec.batch import (
    Batch,
    RequestMap,
    Sequence,
    SequenceStates,
    Tokens,
    expand_requests,
)
from hyrec.functional import concatenate, interleave_by_time
from hyrec.sample_batch import random_batch
from hyrec.testing.batches import tiny_schema

LENGTHS = [[3, 0, 1, 6], [0, 0], [1], [2, 2], [0, 5], [7, 0]]


def ragged(lengths: list[int], *, spare: int = 0, longer_by: int = 0, width: int = 2) -> Sequence:
    """Events that count upwards from 1, with spare rows of -99; event i happened at second 10 i."""
    total = sum(lengths)
    spares = max(spare, 0 if total else 1)
    first = torch.cat([torch.arange(1.0, total + 1), torch.full((spares,), -99.0)])
    values = torch.stack([first * 10**i for i in range(width)], dim=1)
    return Sequence(values, torch.tensor([0, *lengths]).cumsum(0), max(1, *lengths) + longer_by, (first * 10).double())


def rows(sequence: Sequence) -> list[list[list[float]]]:
    """The events of each request as plain lists."""
    bounds = sequence.offsets.tolist()
    return [sequence.values[a:b].tolist() for a, b in pairwise(bounds)]


def times(sequence: Sequence) -> list[list[float]]:
    """The times of each request as plain lists."""
    assert sequence.time is not None
    bounds = sequence.offsets.tolist()
    return [sequence.time[a:b].tolist() for a, b in pairwise(bounds)]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("spare", [0, 3])
@pytest.mark.parametrize("longer_by", [0, 2])
def test_mask_is_true_where_padded_holds_an_event(lengths: list[int], spare: int, longer_by: int) -> None:
    sequence = ragged(lengths, spare=spare, longer_by=longer_by)
    padded, mask = sequence.padded(), sequence.mask()
    assert padded.shape == (len(lengths), sequence.max_length, 2)
    for r, events in enumerate(rows(sequence)):
        assert mask[r].tolist() == [i < len(events) for i in range(sequence.max_length)]
        assert padded[r][: len(events)].tolist() == events


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("spare", [0, 3])
def test_packing_undoes_padding(lengths: list[int], spare: int) -> None:
    sequence = ragged(lengths, spare=spare, longer_by=1)
    packed = sequence.pack(sequence.padded())
    total = sum(lengths)
    assert packed.shape == sequence.values.shape
    assert torch.equal(packed[:total], sequence.values[:total])


@pytest.mark.parametrize("lengths", LENGTHS)
def test_each_row_knows_its_request_and_spare_rows_have_none(lengths: list[int]) -> None:
    sequence = ragged(lengths, spare=2)
    expected = [r for r, n in enumerate(lengths) for _ in range(n)] + [len(lengths)] * 2
    assert sequence.row_index().tolist() == expected


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("spare", [0, 3])
def test_mean_ignores_padding_and_is_zero_without_events(lengths: list[int], spare: int) -> None:
    sequence = ragged(lengths, spare=spare, longer_by=2)
    expected = [[sum(c) / len(e) for c in zip(*e, strict=True)] if e else [0.0, 0.0] for e in rows(sequence)]
    torch.testing.assert_close(sequence.mean(), torch.tensor(expected))


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("spare", [0, 3])
@pytest.mark.parametrize("num_events", [1, 2, 5, 50])
def test_recent_keeps_the_last_events(lengths: list[int], spare: int, num_events: int) -> None:
    sequence = ragged(lengths, spare=spare)
    recent = sequence.recent(num_events)
    assert rows(recent) == [events[-num_events:] for events in rows(sequence)]
    assert times(recent) == [seconds[-num_events:] for seconds in times(sequence)]
    assert recent.max_length == min(num_events, sequence.max_length)
    assert recent.values.shape[0] >= int(recent.offsets[-1])


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("spare", [0, 3])
@pytest.mark.parametrize("ratio", [1, 2, 3, 10])
def test_tokens_are_merged_from_the_newest_event_on(lengths: list[int], spare: int, ratio: int) -> None:
    sequence = ragged(lengths, spare=spare)
    groups, mask, merged = sequence.merge_tokens(ratio)
    expected, masks, newest = [], [], []
    for events, seconds in zip(rows(sequence), times(sequence), strict=True):
        own, own_masks, own_times = [], [], []
        for stop in range(len(events), 0, -ratio):
            group = events[max(0, stop - ratio) : stop]
            short = ratio - len(group)
            own.insert(0, [0.0, 0.0] * short + [x for event in group for x in event])
            own_masks.insert(0, [False] * short + [True] * len(group))
            own_times.insert(0, seconds[stop - 1])
        expected.append(own)
        masks.extend(own_masks)
        newest.append(own_times)
    total = int(merged.offsets[-1])
    assert rows(merged) == expected
    assert times(merged) == newest
    assert merged.max_length == -(-sequence.max_length // ratio)
    assert mask[:total].tolist() == masks
    assert not mask[total:].any()
    assert groups.flatten(1)[total:].abs().sum() == 0.0
    assert torch.equal(groups.flatten(1), merged.values)


NAN = float("nan")


def timed(events: list[list[tuple[float, float]]], *, spare: int = 0, longer_by: int = 0) -> Sequence:
    """Events as pairs of value and second; spare rows hold -99 and lie far in the past."""
    flat = [event for own in events for event in own] + [(-99.0, -1e9)] * max(spare, 0 if any(events) else 1)
    offsets = torch.tensor([0, *map(len, events)]).cumsum(0)
    values, time = torch.tensor(flat, dtype=torch.float64).unbind(1)
    return Sequence(values.unsqueeze(1), offsets, max(1, *map(len, events)) + longer_by, time)


@pytest.mark.parametrize("spare", [0, 2])
def test_interleaving_puts_the_events_of_a_request_in_order_of_time(spare: int) -> None:
    a = timed([[(1, 10), (2, 30)], [], [(3, 5)], []], spare=spare)
    b = timed([[(4, 20), (5, 40), (6, 50)], [], [], [(7, 1)]], longer_by=1)
    merged = interleave_by_time({"a": a, "b": b})
    assert rows(merged) == [[[1], [4], [2], [5], [6]], [], [[3]], [[7]]]
    assert times(merged) == [[10, 20, 30, 40, 50], [], [5], [1]]
    assert (merged.max_length, merged.values.shape[0]) == (2 + 4, 7 + spare)
    assert merged.mask().sum(1).tolist() == [5, 0, 1, 1]


def test_concatenating_puts_the_sequences_of_a_request_behind_one_another() -> None:
    a, b = timed([[(1, 10), (2, 30)], [], [(3, 5)]], spare=2), timed([[(4, 20)], [(5, 1)], []], longer_by=1)
    joined = concatenate({"a": a, "b": b})
    assert rows(joined) == [[[1], [2], [4]], [[5]], [[3]]]
    assert times(joined) == [[10, 30, 20], [1], [5]]
    assert (joined.max_length, joined.values.shape[0]) == (2 + 2, 5 + 2)
    assert rows(concatenate({"b": b, "a": a})) == [[[4], [1], [2]], [[5]], [[3]]]


def test_concatenated_events_have_times_if_all_sequences_have_them() -> None:
    untimed = dataclasses.replace(ragged([1]), time=None)
    assert concatenate({"a": ragged([1]), "b": untimed}).time is None


def test_events_of_one_moment_keep_the_order_of_their_sequences() -> None:
    a, b = timed([[(1, 7), (2, 7)]]), timed([[(3, 7), (4, 8)]])
    assert rows(interleave_by_time({"a": a, "b": b})) == [[[1], [2], [3], [4]]]
    assert rows(interleave_by_time({"b": b, "a": a})) == [[[3], [1], [2], [4]]]


def test_events_of_unknown_time_come_first_in_their_request() -> None:
    a, b = timed([[(1, NAN), (2, -5)], [(3, 0)]]), timed([[(4, NAN), (5, NAN), (6, -6)], [(7, NAN)]])
    merged = interleave_by_time({"a": a, "b": b})
    assert rows(merged) == [[[1], [4], [5], [6], [2]], [[7], [3]]]
    assert [[str(second) for second in own] for own in times(merged)] == [
        ["nan", "nan", "nan", "-6.0", "-5.0"],
        ["nan", "0.0"],
    ]


def test_sequences_without_times_are_not_interleaved() -> None:
    untimed = dataclasses.replace(ragged([1]), time=None)
    with pytest.raises(ValueError, match="these carry no times: b, d"):
        interleave_by_time({"a": ragged([1]), "b": untimed, "c": ragged([1]), "d": untimed})


def test_no_tensor_is_asked_for_its_values_while_interleaving() -> None:
    with FakeTensorMode() as mode:
        a, b = (pytree.tree_map_only(Tensor, mode.from_tensor, ragged(own, spare=1)) for own in ([3, 0], [2, 2]))
        merged = interleave_by_time({"a": a, "b": b})
    assert merged.values.shape == (4 + 5, 2)


def test_replacing_vectors_keeps_events_and_times() -> None:
    sequence = ragged([2, 1])
    other = sequence.replace(sequence.values[:, :1])
    assert other.values.shape == (3, 1)
    assert other.offsets is sequence.offsets
    assert other.time is sequence.time


INDEXES = [([0, 0, 1, 1, 1], 2), ([2, 0, 2, 1, 2], 4), ([0], 1), ([3, 3], 5)]


@pytest.mark.parametrize(("index", "num_requests"), INDEXES)
def test_samples_of_a_request_get_its_row(index: list[int], num_requests: int) -> None:
    rows_R = torch.arange(num_requests) * 10
    request_of = RequestMap.from_index(torch.tensor(index), num_requests)
    assert request_of.expand(rows_R).tolist() == [10 * r for r in index]
    assert expand_requests(rows_R, request_of).tolist() == [10 * r for r in index]


@pytest.mark.parametrize(("index", "num_requests"), INDEXES)
def test_grouping_lays_samples_out_by_request_in_their_order(index: list[int], num_requests: int) -> None:
    request_of = RequestMap.from_index(torch.tensor(index), num_requests)
    samples = torch.arange(1.0, len(index) + 1).unsqueeze(1)
    grouped = request_of.group(samples)
    most = max(index.count(r) for r in index)
    expected = []
    for r in range(num_requests):
        own = [b + 1.0 for b, request in enumerate(index) if request == r]
        expected.append([[x] for x in own + [0.0] * (most - len(own))])
    assert request_of.max_candidates == most
    assert grouped.tolist() == expected
    assert torch.equal(request_of.ungroup(grouped), samples)


def test_a_map_of_no_samples_has_room_for_one_candidate() -> None:
    request_of = RequestMap.from_index(torch.zeros(0, dtype=torch.int64), 2)
    assert request_of.max_candidates == 1
    assert request_of.group(torch.zeros(0, 3)).shape == (2, 1, 3)


def test_without_a_map_rows_are_samples() -> None:
    rows_R = torch.arange(3)
    assert expand_requests(rows_R, None) is rows_R


def test_a_batch_counts_its_requests() -> None:
    schema = tiny_schema()
    assert random_batch(schema, num_requests=3).num_requests == 3
    grouped = random_batch(schema, num_requests=3, candidates=[2, 1, 2])
    assert (grouped.num_samples, grouped.num_requests) == (5, 3)


def test_every_carrier_is_a_pytree_that_survives_the_round_trip() -> None:
    batch = random_batch(tiny_schema(), num_requests=3, candidates=2)
    sequence = ragged([2, 1])
    for carrier in (
        batch,
        sequence,
        SequenceStates(sequence, sequence),
        Tokens({"clicks": torch.zeros(1, 1, 2)}, torch.zeros(1, 2, 2)),
    ):
        leaves, spec = pytree.tree_flatten(carrier)
        again = pytree.tree_unflatten(leaves, spec)
        assert type(again) is type(carrier)
        assert all(a is b for a, b in zip(leaves, pytree.tree_leaves(again), strict=True))


def test_moving_a_batch_reaches_every_tensor() -> None:
    batch = random_batch(tiny_schema(), num_requests=3, candidates=2)
    moved: Batch = pytree.tree_map(lambda x: x.to("meta") if isinstance(x, Tensor) else x, batch)
    assert {leaf.device.type for leaf in pytree.tree_leaves(moved) if isinstance(leaf, Tensor)} == {"meta"}
    assert moved.num_samples == batch.num_samples


def test_carriers_are_not_frozen_because_lightning_refuses_to_move_frozen_ones() -> None:
    for carrier in (Batch, Sequence, SequenceStates, Tokens, RequestMap):
        assert not carrier.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert dataclasses.is_dataclass(carrier)


def test_tokens_are_laid_out_queries_first() -> None:
    queries = {"a": torch.full((1, 1, 2), 1.0), "b": torch.full((1, 2, 2), 2.0)}
    assert Tokens(queries, torch.full((1, 1, 2), 3.0)).all()[0, :, 0].tolist() == [1.0, 2.0, 2.0, 3.0]


def test_samples_without_requests_are_grouped_by_their_group():
    batch = Batch({}, {}, {}, 4, group=torch.tensor([7, 3, 7, 9]))
    grouped = batch.grouped()
    assert grouped is not None
    assert grouped.index.tolist() == [1, 0, 1, 2]
    assert grouped.slot.tolist() == [0, 0, 1, 0]


def test_requests_come_before_groups():
    request_of = RequestMap.from_index(torch.tensor([0, 0]), 1)
    assert Batch({}, {}, {}, 2, request_of, group=torch.tensor([1, 2])).grouped() is request_of

"""The kinds of tokens that attend in LONGER (its ablation of queries), and what each of them sees."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from hyrec.batch import Sequence
from hyrec.encoders import LongerEncoder
from hyrec.nn.sampling import sample_events
from tests.parity.building import assert_rows, context, generic, ragged, rows
from tests.parity.test_encoder_parity import WIDTH, check_longer, longer_stack

KINDS = ["recent", "uniform", "half", "learnable"]
LENGTHS = [9, 0, 1, 6, 2, 0]


def check_sampled_layers(queries: str = "half", **options: Any) -> None:
    """Compare three layers with the reference on ragged requests."""
    how = {"num_recent": 4, "ratio": 1, "inner": 0, "memory": "encoded", "causal": True, **options}
    stack = longer_stack(
        3,
        num_recent=how["num_recent"],
        merge_ratio=how["ratio"],
        inner_layers=how["inner"],
        memory=how["memory"],
        causal=how["causal"],
        queries=queries,
        position=how.get("position", "none"),
        num_heads=2,
        expansion=1,
    )
    check_longer(stack, ragged(LENGTHS, WIDTH, spare=4, longer_by=1), queries=queries, **how)


@pytest.mark.parametrize("queries", KINDS)
@pytest.mark.parametrize("num_recent", [1, 4, 20])
def test_every_kind_equals_its_reference_over_three_layers(queries: str, num_recent: int) -> None:
    check_sampled_layers(queries, num_recent=num_recent)


@pytest.mark.parametrize("queries", KINDS)
@pytest.mark.parametrize("memory", ["encoded", "input"])
def test_every_kind_equals_its_reference_on_merged_tokens(queries: str, memory: str) -> None:
    check_sampled_layers(queries, num_recent=2, ratio=2, inner=1, memory=memory)


@pytest.mark.parametrize("queries", KINDS)
def test_the_place_of_a_sampled_token_is_that_among_all(queries: str) -> None:
    check_sampled_layers(queries, position="rope")


@pytest.mark.parametrize("queries", KINDS)
def test_tokens_that_are_not_causal_equal_their_reference(queries: str) -> None:
    check_sampled_layers(queries, causal=False)


def places(length: int, num_events: int, num_newest: int) -> list[int]:
    """Which of ``length`` events are kept."""
    events = Sequence(torch.arange(max(1, length)).double().unsqueeze(1), torch.tensor([0, length]), max(1, length))
    kept, recency = sample_events(events, num_events, num_newest)
    chosen = [int(value) for value in kept.values[: int(kept.lengths)]]
    assert recency[: len(chosen)].tolist() == [length - 1 - place for place in chosen]
    return chosen


@pytest.mark.parametrize("length", [4, 7, 8, 23])
@pytest.mark.parametrize("num_events", [1, 2, 3, 4])
def test_sampled_tokens_are_evenly_spaced_and_end_with_the_newest(length: int, num_events: int) -> None:
    kept = places(length, num_events, 0)
    assert len(kept) == num_events
    assert kept[-1] == length - 1
    gaps = [b - a for a, b in pairwise(kept)] or [length]
    assert max(gaps) - min(gaps) <= 1
    assert kept[0] < length / num_events


@pytest.mark.parametrize("length", [5, 8, 23])
def test_half_keeps_the_newest_and_spaces_the_others_evenly_with_none_twice(length: int) -> None:
    kept = places(length, 5, 3)
    assert kept[2:] == [length - 3, length - 2, length - 1]
    assert kept[:2] == places(length - 3, 2, 0)


@pytest.mark.parametrize("num_newest", [0, 2, 4])
def test_requests_of_few_events_keep_all_of_them(num_newest: int) -> None:
    assert [places(length, 4, num_newest) for length in range(5)] == [list(range(length)) for length in range(5)]


def reached(encoder: LongerEncoder, sequence: Sequence, token: int) -> list[int]:
    """Which rows of the input one encoded token depends on."""
    sequence.values.requires_grad_()
    (grad,) = torch.autograd.grad(encoder(sequence).sequence.values[token].square().sum(), sequence.values)
    return [int(row) for row in grad.abs().sum(dim=1).nonzero().flatten()]


def encoder_of(queries: str, **options: Any) -> LongerEncoder:
    built: LongerEncoder = generic(LongerEncoder(context(d_sequence=WIDTH), queries=queries, num_heads=2, **options))
    return built


@pytest.mark.parametrize(
    ("queries", "kept"), [("recent", [4, 5, 6, 7]), ("uniform", [1, 3, 5, 7]), ("half", [2, 5, 6, 7])]
)
def test_a_sampled_token_sees_what_is_not_newer_in_time(queries: str, kept: list[int]) -> None:
    encoder, sequence = encoder_of(queries, num_recent=4), ragged([2, 8], WIDTH)
    tokens = encoder(sequence).sequence.offsets.tolist()
    seen = [reached(encoder, sequence, token) for token in range(tokens[1], tokens[2])]
    assert seen == [list(range(2, 2 + place + 1)) for place in kept]


@pytest.mark.parametrize(("queries", "causal"), [("learnable", True), ("learnable", False), ("uniform", False)])
def test_learned_tokens_and_those_that_are_not_causal_see_all_of_their_request(queries: str, causal: bool) -> None:
    encoder, sequence = encoder_of(queries, num_recent=2, causal=causal), ragged([3, 5], WIDTH)
    assert [reached(encoder, sequence, token) for token in range(4)] == [[0, 1, 2]] * 2 + [[3, 4, 5, 6, 7]] * 2


def test_a_request_without_events_has_no_learned_token() -> None:
    out = encoder_of("learnable", num_recent=3)(ragged([0, 2, 0, 1], WIDTH)).sequence
    assert out.lengths.tolist() == [0, 3, 0, 3]


def test_learned_tokens_have_gradients_but_none_of_requests_without_events() -> None:
    encoder = encoder_of("learnable", num_recent=3)
    assert encoder.learned_KD is not None
    out = encoder(ragged([0, 2], WIDTH)).sequence
    (some,) = torch.autograd.grad(out.values[:3].sum(), encoder.learned_KD)
    assert (some != 0).all()
    empty = encoder(ragged([0, 0], WIDTH)).sequence
    assert int(empty.offsets[-1]) == 0
    assert empty.values.isfinite().all()


def test_later_layers_and_a_last_layer_that_encodes_nothing_hold_no_learned_tokens() -> None:
    first, second = longer_stack(2, num_recent=3, queries="learnable", num_heads=2)
    assert first.learned_KD is not None
    assert second.learned_KD is None
    only = LongerEncoder(context(d_sequence=WIDTH, num_layers=1), queries="learnable", memory="input", num_heads=2)
    assert sum(p.numel() for p in only.parameters()) == 0


@pytest.mark.parametrize("queries", KINDS)
def test_what_is_computed_follows_the_events_and_not_their_padding(queries: str) -> None:
    def linear_rows(longest: int) -> set[int]:
        """Rows that the feed-forward network refines."""
        seen: list[Tensor] = []
        encoder = encoder_of(queries, num_recent=4)
        encoder.feedforward.register_forward_hook(lambda _, args, __: seen.append(args[0]))
        encoder(ragged([3, 0, 1, 0], WIDTH, longer_by=longest))
        return {len(x) for x in seen}

    assert linear_rows(0) == linear_rows(500) == {16 if queries == "learnable" else 4}


@pytest.mark.parametrize("queries", KINDS)
def test_a_request_is_encoded_alike_alone_and_among_others(queries: str) -> None:
    encoder, sequence = encoder_of(queries, num_recent=3), ragged(LENGTHS, WIDTH, spare=2)
    together = rows(encoder(sequence).sequence)
    for request, events in enumerate(rows(sequence)):
        values = torch.stack(events) if events else torch.zeros(1, WIDTH, dtype=torch.float64)
        alone = Sequence(values, torch.tensor([0, len(events)]), max(1, len(events)))
        assert_rows(encoder(alone).sequence, [together[request]])

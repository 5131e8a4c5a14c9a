"""Joint blocks and their backbone compute what the papers say; what sees what is proven by gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from hyrec.backbones import TwoStageBackbone, UnifiedBackbone
from hyrec.batch import Sequence
from hyrec.blocks import LongerBlock, SelfAttentionBlock
from hyrec.context import BuildContext
from hyrec.decoders import NoDecode
from hyrec.encoders import IdentityEncoder
from hyrec.heads import MLPHead
from hyrec.mixers import IdentityMixer
from hyrec.network import Network, Parts
from hyrec.nn.event_stream import EventStream
from hyrec.queries import GlobalQueries
from hyrec.slots import UnifiedBlock
from hyrec.testing.batches import tiny_schema
from hyrec.tokenizers import GroupedTokens
from tests.parity.building import (
    assert_rows,
    assert_tokens,
    context,
    factory,
    generic,
    layers,
    parameters_of,
    ragged,
    random_tokens,
    requests,
    rows,
    tokens_context,
)
from tests.references import backbones, blocks
from tests.references.primitives import Weights

D, T = 8, 3
INDEX, LENGTHS = [2, 0, 1, 2], [5, 0, 3]
QUERIES = {"clicks": 1, "likes": 1, "searches": 1}
WIDTHS = {"clicks": 4, "likes": D, "searches": 2}

BLOCKS: dict[str, tuple[type[UnifiedBlock], dict[str, Any], dict[str, Any]]] = {
    "full": (SelfAttentionBlock, {}, {}),
    "causal": (SelfAttentionBlock, {"causal": True}, {"causal_events": True, "causal_tokens": True}),
    "own": (SelfAttentionBlock, {"weights": "own"}, {"own": True}),
    "onetrans": (
        SelfAttentionBlock,
        {"causal": True, "weights": "own"},
        {"causal_events": True, "causal_tokens": True, "own": True},
    ),
    "longer": (LongerBlock, {}, {"encodes": False}),
    "longer own": (LongerBlock, {"weights": "own"}, {"encodes": False, "own": True}),
    "recent": (LongerBlock, {"num_recent": 2}, {"num_recent": 2, "causal_events": True}),
}
"""Class, its options, and those of the reference."""


def block_of(name: str, **known: Any) -> UnifiedBlock:
    cls, options, _ = BLOCKS[name]
    ctx = tokens_context(T, D, merge_sequences=True, **known)  # one sequence, so that its last events are the recent
    built: UnifiedBlock = generic(cls(ctx, num_heads=2, expansion=2, **options))
    return built


@pytest.mark.parametrize("last", [False, True], ids=["inner", "last"])
@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_equal_their_reference(name: str, last: bool) -> None:
    block, how = block_of(name, num_layers=int(last)), dict(BLOCKS[name][2])
    if last:
        how["encodes"] = False
    tokens, events = random_tokens(4, T, D), ragged(LENGTHS, D, spare=2, longer_by=1)
    got_tokens, got_events = block(tokens, events, requests(INDEX, 3))
    by_request = rows(events)
    want = [
        blocks.block(Weights(block), list(sample), by_request[r], num_heads=2, **how)
        for sample, r in zip(tokens, INDEX, strict=True)
    ]
    assert_tokens(got_tokens, [sample[0] for sample in want])
    assert_rows(got_events, [want[INDEX.index(r)][1] for r in range(3)])


def test_a_stream_equals_its_reference() -> None:
    stream = generic(EventStream(WIDTHS, D))
    sequences = {
        name: ragged([2, 0, i], width, spare=i, seed=i) for i, (name, width) in enumerate(WIDTHS.items(), start=1)
    }
    by_request = {name: rows(sequence) for name, sequence in sequences.items()}
    want = [blocks.stream(Weights(stream), {name: own[r] for name, own in by_request.items()}) for r in range(3)]
    assert_rows(stream(sequences), want)


def backbone_context(block: Any) -> BuildContext:
    parts = layers(factory(IdentityEncoder), factory(NoDecode), factory(IdentityMixer), block)
    return context(d_model=D, num_queries=QUERIES, num_ns_tokens=2, sequence_widths=WIDTHS, layers=parts)


@pytest.mark.parametrize("name", ["full", "onetrans", "longer"])
@pytest.mark.parametrize("num_layers", [1, 3])
def test_the_unified_backbone_equals_its_reference(name: str, num_layers: int) -> None:
    check_unified(name, num_layers)


def check_unified(name: str = "longer", num_layers: int = 1) -> None:
    """Compare the backbone with its reference, on candidates that share requests."""
    cls, options, how = BLOCKS[name]
    ctx = backbone_context(factory(cls, num_heads=2, expansion=1, **options))
    backbone = generic(UnifiedBackbone(ctx, num_layers=num_layers))
    queries = {name: random_tokens(4, 1, D, seed=i) for i, name in enumerate(QUERIES)}
    ns = random_tokens(4, 2, D, seed=7)
    sequences = {name: ragged([2, 0, i], WIDTHS[name], spare=1, seed=i) for i, name in enumerate(QUERIES)}
    got = backbone(queries, ns, sequences, requests(INDEX, 3))
    events = {name: rows(sequence) for name, sequence in sequences.items()}

    def block(layer: int, tokens: list[Tensor], seen: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        at, encodes = Weights(backbone).at("blocks", "layers", layer, "block"), layer + 1 < num_layers
        return blocks.block(at, tokens, seen, num_heads=2, **{"encodes": encodes, **how})

    want = [
        backbones.unified(
            {name: list(queries[name][b]) for name in QUERIES},
            list(ns[b]),
            {name: events[name][r] for name in QUERIES},
            num_layers=num_layers,
            join=lambda own: blocks.stream(Weights(backbone).at("stream"), own),
            block=block,
        )
        for b, r in enumerate(INDEX)
    ]
    for name in QUERIES:
        assert_tokens(got.queries[name], [sample[0][name] for sample in want])
    assert_tokens(got.ns, [sample[1] for sample in want])


def heard(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Whether output row i depends on input row j, ``(i, j)``; rows are those of one sample or request."""
    grads = [
        torch.autograd.grad(row.square().sum(), inputs, retain_graph=True, allow_unused=True)[0] for row in outputs
    ]
    return torch.stack([torch.zeros(len(inputs)) if g is None else g.abs().sum(dim=-1) for g in grads]) > 0


def one_request(block: UnifiedBlock, length: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    tokens, values = random_tokens(T, D).requires_grad_(), random_tokens(length, D, seed=3).requires_grad_()
    sequence = Sequence(values * 1, torch.tensor([0, length]), length)
    got_tokens, got_events = block(tokens.unsqueeze(0), sequence)
    return tokens, values, got_tokens[0], got_events.values


@pytest.mark.parametrize("name", BLOCKS)
def test_no_event_depends_on_a_token_and_every_token_depends_on_all_events(name: str) -> None:
    tokens, values, got_tokens, got_events = one_request(block_of(name))
    assert not heard(got_events, tokens).any()
    assert heard(got_tokens, values).all()


@pytest.mark.parametrize(("name", "causal"), [("full", False), ("onetrans", True), ("longer", False)])
def test_tokens_depend_on_later_tokens_unless_causal(name: str, causal: bool) -> None:
    tokens, _, got_tokens, _ = one_request(block_of(name))
    every = torch.ones(T, T, dtype=torch.bool)
    assert torch.equal(heard(got_tokens, tokens), every.tril() if causal else every)


@pytest.mark.parametrize(("name", "causal"), [("full", False), ("onetrans", True)])
def test_events_depend_on_newer_events_unless_causal(name: str, causal: bool) -> None:
    _, values, _, got_events = one_request(block_of(name))
    every = torch.ones(4, 4, dtype=torch.bool)
    assert torch.equal(heard(got_events, values), every.tril() if causal else every)


def test_recent_events_depend_on_all_that_are_not_newer() -> None:
    _, values, _, got_events = one_request(block_of("recent"))
    assert torch.equal(heard(got_events, values), torch.ones(4, 4, dtype=torch.bool).tril()[2:])


def test_events_that_do_not_query_reach_the_next_layer_as_they_are() -> None:
    _, values, _, got_events = one_request(block_of("longer"))
    assert torch.equal(got_events, values)


def test_the_last_layer_has_no_weights_for_events_that_nothing_reads() -> None:
    inner, last = block_of("own"), block_of("own", num_layers=1)
    query, network = D * D + D, 2 * D * (D + D) + 2 * D + D
    assert parameters_of(inner) - parameters_of(last) == query + network


def test_recent_events_of_several_sequences_are_refused_with_what_works() -> None:
    with pytest.raises(ValueError, match=r"clicks, likes, searches follow one another.*merge_sequences=true"):
        LongerBlock(tokens_context(T, D), num_recent=2)
    with pytest.raises(ValueError, match="num_recent >= 0, got num_recent=-1"):
        LongerBlock(tokens_context(T, D), num_recent=-1)


def test_a_unified_backbone_without_a_block_is_refused_with_one_that_works() -> None:
    with pytest.raises(ValueError, match=r"model.block names none. SelfAttentionBlock works"):
        UnifiedBackbone(backbone_context(None))


def test_a_block_that_the_backbone_would_not_use_is_refused() -> None:
    parts = Parts(
        GroupedTokens,
        GlobalQueries,
        IdentityEncoder,
        NoDecode,
        IdentityMixer,
        TwoStageBackbone,
        MLPHead,
        block=SelfAttentionBlock,
    )
    with pytest.raises(
        ValueError, match=r"TwoStageBackbone is not made of joint blocks\. Use backbone UnifiedBackbone"
    ):
        Network(tiny_schema(), D, parts)


def test_a_unified_backbone_without_sequences_is_refused() -> None:
    ctx = context(d_model=D, merge_sequences=False)
    schema = ctx.schema.from_dict({**ctx.schema.to_dict(), "sequences": {}})
    with pytest.raises(ValueError, match=r"the schema has no sequence\. Use TwoStageBackbone"):
        UnifiedBackbone(ctx.replace(schema=schema))

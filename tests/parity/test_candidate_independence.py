"""Nothing on the user's side sees a candidate: a request is encoded once whatever is ranked for it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hyrec.backbones import AlternatingBackbone, TwoStageBackbone, UnifiedBackbone
from hyrec.batch import Batch, SequenceStates
from hyrec.blocks import LongerBlock, SelfAttentionBlock
from hyrec.decoders import CrossAttentionDecoder
from hyrec.encoders import IdentityEncoder, LongerEncoder, SwiGLUEncoder, TransformerEncoder
from hyrec.heads import MLPHead
from hyrec.mixers import RankMixer, SelfAttentionMixer
from hyrec.network import Network, Parts
from hyrec.queries import GlobalQueries
from hyrec.sample_batch import random_batch
from hyrec.schema import Schema
from hyrec.slots import SequenceEncoder, UnifiedBlock
from hyrec.testing.batches import select_samples, tiny_schema
from hyrec.tokenizers import AutoSplitTokens, GroupedTokens
from tests.parity.building import factory, generic

ENCODERS: dict[str, Any] = {
    "transformer": factory(TransformerEncoder, num_heads=2, expansion=1),
    "causal": factory(TransformerEncoder, num_heads=2, expansion=1, causal=True),
    "longer": factory(LongerEncoder, num_recent=3, merge_ratio=2, inner_layers=1, num_heads=2, expansion=1),
    "longer-half": factory(LongerEncoder, num_recent=3, queries="half", num_heads=2, expansion=1),
    "longer-learnable": factory(LongerEncoder, num_recent=3, queries="learnable", num_heads=2, expansion=1),
    "longer-input": factory(LongerEncoder, num_recent=3, num_heads=2, expansion=1, memory="input"),
    "swiglu": factory(SwiGLUEncoder),
    "identity": factory(IdentityEncoder),
}
VARIANTS: dict[str, dict[str, Any]] = {
    **{name: {"encoder": encoder} for name, encoder in ENCODERS.items()},
    "two stages": {"backbone": factory(TwoStageBackbone)},
    "attention mixer": {"mixer": factory(SelfAttentionMixer, num_heads=2)},
    "auto-split": {"tokenizer": factory(AutoSplitTokens, num_tokens=3)},
    "reinjected": {"backbone": factory(AlternatingBackbone, reinject_ns=True)},
    "merged": {},
}
BLOCKS: dict[str, Any] = {
    "unified": factory(SelfAttentionBlock, num_heads=2, expansion=1),
    "unified onetrans": factory(SelfAttentionBlock, num_heads=2, expansion=1, causal=True, weights="own"),
    "unified longer": factory(LongerBlock, num_heads=2, expansion=1),
    "unified merged": factory(LongerBlock, num_recent=3, num_heads=2, expansion=1),
}
USER_TOKENS = factory(LongerBlock, num_recent=3, events_see="user_tokens", num_heads=2, expansion=1)
UNIFIED = {
    name: {"backbone": factory(UnifiedBackbone, num_layers=3), "block": block}
    for name, block in {**BLOCKS, "unified merged user tokens": USER_TOKENS}.items()
}


def timed_schema() -> Schema:
    """The tiny schema with a time for every event."""
    plain = tiny_schema().to_dict()
    plain["sequences"]["likes"]["time_column"] = "likes_time"
    return Schema.from_dict(plain)


def network_of(variant: str) -> Network:
    """A tiny network; T is padded to divide a width of 16."""
    default: dict[str, Any] = {
        "tokenizer": factory(GroupedTokens),
        "queries": factory(GlobalQueries, expansion=1),
        "encoder": ENCODERS["longer"],
        "decoder": factory(CrossAttentionDecoder, num_heads=2),
        "mixer": factory(RankMixer, expansion=1),
        "backbone": factory(AlternatingBackbone),
        "head": factory(MLPHead, hidden=[8]),
    }
    torch.manual_seed(0)
    parts = Parts(**{**default, **(VARIANTS | UNIFIED)[variant]})
    return generic(Network(timed_schema(), 16, parts, pad_tokens=True, merge_sequences="merged" in variant))


def tiny_batch(seed: int = 3) -> Batch:
    return random_batch(
        timed_schema(),
        num_requests=4,
        candidates=[3, 1, 4, 2],
        lengths={"clicks": [7, 0, 1, 4], "searches": [0, 0, 3, 7], "likes": [5, 0, 0, 1]},
        spare=2,
        seed=seed,
    )


def other_candidates(batch: Batch) -> Batch:
    """The same events with other candidates, in another number a request."""
    other = random_batch(timed_schema(), num_requests=4, candidates=[1, 2, 1, 5], seed=77)
    return dataclasses.replace(other, sequences=batch.sequences, time=batch.time)


def user_side(network: Network, batch: Batch) -> dict[str, Tensor]:
    """Everything that is computed a request: embedded events, encoded events, memories, keys and values."""
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: Any, out: Any) -> None:
            if isinstance(out, SequenceStates):
                seen[f"{name}.sequence"], seen[f"{name}.memory"] = out.sequence.values, out.memory.values
            else:
                seen[name] = out

        return hook

    hooks = [
        module.register_forward_hook(keep(name))
        for name, module in network.named_modules()
        if isinstance(module, SequenceEncoder) or name.endswith("attention.key_value")
    ]
    with torch.no_grad():
        embedded = network.embed_sequences(batch)
        network(batch)
    for hook in hooks:
        hook.remove()
    return {**seen, **{f"embedded {name}": sequence.values for name, sequence in embedded.items()}}


@pytest.mark.parametrize("variant", VARIANTS)
def test_user_side_is_bit_identical_when_the_candidates_change(variant: str) -> None:
    network = network_of(variant)
    batch = tiny_batch()
    changed = other_candidates(batch)
    before, after = user_side(network, batch), user_side(network, changed)
    assert before.keys() == after.keys()
    layers = 2 * len(network.ctx.sequence_names)
    assert sum(name.endswith("attention.key_value") for name in before) >= layers
    assert sum(name.endswith("memory") for name in before) == layers
    for name, value in before.items():
        assert torch.equal(value, after[name]), name


@pytest.mark.parametrize("variant", BLOCKS)
def test_events_of_blocks_are_bit_identical_when_the_candidates_change(variant: str) -> None:
    network = network_of(variant)
    seen: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, UnifiedBlock):
            module.register_forward_hook(lambda _, __, out: seen.append(out[1].values))
    with torch.no_grad():
        network(tiny_batch())
        network(other_candidates(tiny_batch()))
    assert len(seen) == 6
    for before, after in zip(seen[:3], seen[3:], strict=True):
        assert torch.equal(before, after)


@pytest.mark.parametrize("variant", VARIANTS | UNIFIED)
def test_candidates_of_a_request_score_together_as_they_score_one_by_one(variant: str) -> None:
    network = network_of(variant)
    batch = tiny_batch()
    with torch.no_grad():
        together = network(batch)
        for b in range(batch.num_samples):
            alone = network(select_samples(batch, torch.tensor([b])))
            for task in together:
                torch.testing.assert_close(together[task][b], alone[task][0], atol=1e-12, rtol=0.0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_memories_have_no_gradient_to_a_candidate_but_logits_do(variant: str) -> None:
    network = network_of(variant)
    batch = tiny_batch()
    price = batch.features["price"].nan_to_num(0.0).double().requires_grad_()
    batch = dataclasses.replace(batch, features={**batch.features, "price": price})
    memories: list[Tensor] = []
    for module in network.modules():
        if isinstance(module, SequenceEncoder):
            module.register_forward_hook(lambda _, __, out: memories.append(out.memory.values))
    logits = network(batch)
    assert len(memories) == 2 * len(network.ctx.sequence_names)
    for memory in memories:
        (grad,) = torch.autograd.grad(memory.square().sum(), price, retain_graph=True, allow_unused=True)
        assert grad is None
    (grad,) = torch.autograd.grad(logits["click"].sum(), price)
    assert grad.abs().amax(dim=1).min() > 0.0


@pytest.mark.parametrize("variant", VARIANTS | UNIFIED)
def test_padding_never_changes_a_logit(variant: str) -> None:
    network = network_of(variant)
    batch = tiny_batch()
    padded = {}
    for name, events in batch.sequences.items():
        features = {
            n: torch.cat([v, v.new_full((9, *v.shape[1:]), 5 if v.dtype == torch.int64 else -1e5)])
            for n, v in events.features.items()
        }
        time = None if events.time is None else torch.cat([events.time, events.time.new_full((9,), 1e12)])
        padded[name] = dataclasses.replace(events, features=features, time=time, max_length=events.max_length + 6)
    with torch.no_grad():
        plain, longer = network(batch), network(dataclasses.replace(batch, sequences=padded))
    for task, logit in plain.items():
        torch.testing.assert_close(longer[task], logit, atol=1e-12, rtol=0.0)


@pytest.mark.parametrize("variant", VARIANTS | UNIFIED)
@pytest.mark.parametrize("lengths", [[0, 0, 0], [0, 2, 0]])
def test_users_without_events_give_finite_logits_and_gradients(variant: str, lengths: list[int]) -> None:
    network = network_of(variant)
    batch = random_batch(
        timed_schema(), num_requests=3, lengths=dict.fromkeys(timed_schema().sequences, lengths), spare=1
    )
    sum(logit.sum() for logit in network(batch).values()).backward()
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            grad = parameter.grad.coalesce().values() if parameter.grad.is_sparse else parameter.grad
            assert grad.isfinite().all(), name
    assert network.head.towers["click"].out.weight.grad.abs().sum() > 0

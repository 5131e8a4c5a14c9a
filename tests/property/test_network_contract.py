"""What holds for a component holds for whole networks, down to the raw ids and times of a batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hyrec.backbones import AlternatingBackbone, TwoStageBackbone
from hyrec.batch import Batch
from hyrec.decoders import CrossAttentionDecoder
from hyrec.embeddings import EmbeddingOptions, SequenceOptions
from hyrec.encoders import IdentityEncoder, LongerEncoder, SwiGLUEncoder, TransformerEncoder
from hyrec.heads import MLPHead
from hyrec.mixers import RankMixer, SelfAttentionMixer
from hyrec.network import Network, Parts
from hyrec.queries import GlobalQueries
from hyrec.schema import Schema
from hyrec.testing import (
    assert_close_at,
    change_candidates,
    pad_batch,
    permute_samples,
    random_batch,
    select_samples,
    tiny_schema,
)
from hyrec.tokenizers import AutoSplitTokens, GroupedTokens

SCHEMA = tiny_schema()
LENGTHS = {"clicks": (12, 0, 5, 1), "searches": (0, 0, 7, 2), "likes": (1, 0, 5, 5)}
ENCODERS: dict[str, Callable[..., Any]] = {
    "identity": IdentityEncoder,
    "swiglu": SwiGLUEncoder,
    "transformer": partial(TransformerEncoder, expansion=1),
    "longer": partial(LongerEncoder, num_recent=3, merge_ratio=2, inner_layers=1, expansion=1),
}
BACKBONES: dict[str, Callable[..., Any]] = {
    "alternating": partial(AlternatingBackbone, num_layers=2),
    "two_stage": partial(TwoStageBackbone, num_layers=2, num_mixer_layers=1),
    "merged": partial(AlternatingBackbone, num_layers=2),
}
TOKENIZERS: dict[str, Callable[..., Any]] = {
    "alternating": GroupedTokens,
    "two_stage": partial(AutoSplitTokens, num_tokens=5),
    "merged": GroupedTokens,
}
NETWORKS = [pytest.param(b, e, id=f"{b}-{e}") for b in BACKBONES for e in ENCODERS]


def schema_of(backbone: str) -> Schema:
    """Return the tiny schema; sequences are merged by time, so all of them have times there."""
    plain = SCHEMA.to_dict()
    if backbone == "merged":
        plain["sequences"]["likes"]["time_column"] = "likes_time"
    return Schema.from_dict(plain)


def build(backbone: str, encoder: str, schema: Schema | None = None, *, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    mixer = partial(SelfAttentionMixer, num_heads=2) if backbone == "two_stage" else RankMixer
    parts = Parts(
        tokenizer=TOKENIZERS[backbone],
        queries=partial(GlobalQueries, num_queries={"clicks": 2}),
        encoder=ENCODERS[encoder],
        decoder=partial(CrossAttentionDecoder, num_heads=2),
        mixer=mixer,
        backbone=BACKBONES[backbone],
        head=partial(MLPHead, tokens="all", hidden=[8]),
    )
    embedding = EmbeddingOptions(dim=6, sparse=False, init_scale=4.0)
    merged = backbone == "merged"
    network = Network(
        schema or schema_of(backbone),
        32,
        parts,
        embedding=embedding,
        sequence=SequenceOptions(width=16, widths={"likes": 6} if merged else {}),
        pad_tokens=True,
        merge_sequences=merged,
    )
    return network.double().eval()


def grouped_batch(backbone: str, seed: int = 0) -> Batch:
    """Return four requests with 2, 1, 3 and 1 candidates; the second has no event anywhere."""
    schema = schema_of(backbone)
    return random_batch(schema, num_requests=4, candidates=[2, 1, 3, 1], lengths=LENGTHS, seed=seed)


def assert_same_logits(got: dict[str, Tensor], want: dict[str, Tensor], rows: Tensor | None = None) -> None:
    assert list(got) == list(want) == ["click", "like"]
    for task, logit in want.items():
        assert_close_at(got[task], logit if rows is None else logit[rows], torch.float64, name=task)


@pytest.mark.parametrize(("backbone", "encoder"), NETWORKS)
def test_padding_never_changes_the_logits(backbone: str, encoder: str) -> None:
    network, batch = build(backbone, encoder), grouped_batch(backbone)
    assert_same_logits(network(pad_batch(batch, SCHEMA)), network(batch))


@pytest.mark.parametrize(("backbone", "encoder"), NETWORKS)
def test_shared_requests_equal_the_expanded_batch(backbone: str, encoder: str) -> None:
    network, batch = build(backbone, encoder), grouped_batch(backbone)
    expanded = select_samples(batch, torch.arange(batch.num_samples))
    assert (batch.num_requests, expanded.num_requests) == (4, 7)
    assert_same_logits(network(batch), network(expanded))


@pytest.mark.parametrize(("backbone", "encoder"), NETWORKS)
def test_a_sample_scores_the_same_in_any_company(backbone: str, encoder: str) -> None:
    network, batch = build(backbone, encoder), grouped_batch(backbone)
    chosen = torch.tensor([5, 2, 0])
    assert_same_logits(network(select_samples(batch, chosen)), network(batch), chosen)


@pytest.mark.parametrize(("backbone", "encoder"), NETWORKS)
def test_reordered_samples_have_reordered_logits(backbone: str, encoder: str) -> None:
    network, batch = build(backbone, encoder), grouped_batch(backbone)
    order = torch.tensor([4, 0, 6, 2, 5, 1, 3])
    assert_same_logits(network(permute_samples(batch, order)), network(batch), order)


@pytest.mark.parametrize(("backbone", "encoder"), NETWORKS)
def test_users_without_any_event_have_finite_logits_and_gradients(backbone: str, encoder: str) -> None:
    network = build(backbone, encoder)
    nothing = dict.fromkeys(SCHEMA.sequences, (0, 0, 0, 0))
    for batch in (random_batch(schema_of(backbone), lengths=nothing), grouped_batch(backbone)):
        logits = network(batch)
        torch.stack(list(logits.values())).square().sum().backward()
        assert all(logit.isfinite().all() for logit in logits.values())
        assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize(("backbone", "encoder"), NETWORKS)
def test_every_dense_parameter_receives_a_gradient(backbone: str, encoder: str) -> None:
    network = build(backbone, encoder)
    torch.stack(list(network(grouped_batch(backbone)).values())).square().sum().backward()
    dense = {id(p) for p in network.dense_parameters()}
    missed = [n for n, p in network.named_parameters() if id(p) in dense and (p.grad is None or not p.grad.any())]
    assert missed == []


@pytest.mark.parametrize(("backbone", "encoder"), NETWORKS)
def test_encoded_sequences_do_not_depend_on_the_candidates(backbone: str, encoder: str) -> None:
    network, batch = build(backbone, encoder), grouped_batch(backbone)
    other = change_candidates(batch, SCHEMA)
    seen: list[Tensor] = []
    for layer in network.backbone.sequence_layers:
        for name in layer.encoders:
            layer.encoders[name].register_forward_hook(lambda _m, _a, out: seen.append(out.memory.values))
    first, second = network(batch), network(other)
    half = len(seen) // 2
    assert half == 2 * len(network.ctx.sequence_names)
    assert all(torch.equal(a, b) for a, b in zip(seen[:half], seen[half:], strict=True))
    assert not torch.allclose(first["click"], second["click"])


@pytest.mark.parametrize(("backbone", "encoder"), NETWORKS)
def test_the_order_of_names_in_the_schema_file_changes_no_bit(backbone: str, encoder: str) -> None:
    plain = schema_of(backbone).to_dict()
    reordered = Schema.from_dict(backwards(plain))
    assert list(backwards(plain)["features"]) != list(plain["features"])
    batch = grouped_batch(backbone)
    got, want = build(backbone, encoder, reordered)(batch), build(backbone, encoder)(batch)
    assert all(torch.equal(got[task], want[task]) for task in want)


@pytest.mark.parametrize(("backbone", "encoder"), NETWORKS)
def test_the_order_of_names_in_a_batch_changes_no_bit(backbone: str, encoder: str) -> None:
    network, batch = build(backbone, encoder), grouped_batch(backbone)
    shuffled = grouped_batch(backbone)
    shuffled.features = backwards(shuffled.features)
    shuffled.sequences = backwards(shuffled.sequences)
    for events in shuffled.sequences.values():
        events.features = backwards(events.features)
    got, want = network(shuffled), network(batch)
    assert all(torch.equal(got[task], want[task]) for task in want)


@pytest.mark.parametrize("backbone", ["alternating", "merged"])
@given(
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    candidates=st.lists(st.integers(1, 3), min_size=5, max_size=5),
    spare=st.integers(0, 4),
    longer=st.integers(0, 3),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=10, deadline=None)
def test_any_lengths_candidates_and_padding_give_what_single_samples_give(
    backbone: str, lengths: list[int], candidates: list[int], spare: int, longer: int, seed: int
) -> None:
    by_name = {"clicks": lengths, "searches": lengths[::-1], "likes": sorted(lengths)}
    requests = len(lengths)
    network, schema = LONGER[backbone], schema_of(backbone)
    batch = random_batch(schema, num_requests=requests, candidates=candidates[:requests], lengths=by_name, seed=seed)
    padded = network(pad_batch(batch, SCHEMA, spare=spare, longer=longer))
    for sample in range(batch.num_samples):
        row = torch.tensor([sample])
        assert_same_logits(network(select_samples(batch, row)), padded, row)


LONGER = {backbone: build(backbone, "longer") for backbone in ("alternating", "merged")}


def backwards(content: Any) -> Any:
    """Return mappings with their keys in the opposite order, at every depth."""
    if isinstance(content, dict):
        return {key: backwards(content[key]) for key in reversed(content)}
    return content

"""Backbones run their layers in the order of the figures, and a whole HyFormer equals one straight line."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from hyrec.backbones import AlternatingBackbone, TwoStageBackbone
from hyrec.batch import Batch
from hyrec.context import BuildContext
from hyrec.decoders import CrossAttentionDecoder
from hyrec.embeddings import EmbeddingOptions, SequenceOptions
from hyrec.encoders import LongerEncoder
from hyrec.heads import MLPHead
from hyrec.mixers import IdentityMixer, RankMixer
from hyrec.network import Network, Parts
from hyrec.queries import GlobalQueries
from hyrec.sample_batch import random_batch
from hyrec.schema import Schema
from hyrec.testing.batches import tiny_schema
from hyrec.tokenizers import GroupedTokens
from tests.parity.building import (
    ATOL,
    assert_tokens,
    context,
    factory,
    generic,
    layers,
    ragged,
    random_tokens,
    requests,
    rows,
)
from tests.references import backbones as reference
from tests.references import decoders, encoders, mixers
from tests.references.hyformer import hyformer
from tests.references.primitives import Vector, Weights

D = 6
SEQUENCES = ["clicks", "likes", "searches"]
QUERIES = {"clicks": 1, "likes": 1, "searches": 1}
WIDTHS = {"clicks": 4, "likes": 6, "searches": 2}
LENGTHS = {"clicks": [5, 0, 3], "likes": [1, 2, 0], "searches": [0, 7, 4]}
LONGER = {"num_recent": 3, "merge_ratio": 2, "num_heads": 2, "expansion": 1}


def backbone_context(mixer: Any, memory: str) -> BuildContext:
    return context(
        d_model=D,
        num_queries=QUERIES,
        num_ns_tokens=3,
        sequence_widths=WIDTHS,
        layers=layers(
            factory(LongerEncoder, memory=memory, **LONGER),
            factory(CrossAttentionDecoder, num_heads=3),
            mixer,
        ),
    )


def steps_of(backbone: nn.Module, memory: str) -> dict[str, Any]:
    """The steps of a backbone's layers, computed by the references from its weights."""
    last = len(list(backbone.sequence_layers)) - 1

    def encode(layer: int, name: str, events: list[Vector]) -> tuple[list[Vector], list[Vector]]:
        at, ratio = Weights(backbone).at("sequence_layers", "layers", layer, "encoders", name), 2 if layer == 0 else 1
        if memory == "input" and layer == last:  # nothing would read what the last layer encodes
            merged = encoders.merge(at, events, ratio, 0, 2)
            return merged, merged
        encoded, merged = encoders.longer(at, events, num_recent=3, merge_ratio=ratio, inner_layers=0, num_heads=2)
        return encoded, encoded if memory == "encoded" else merged

    def decode(layer: int, name: str, queries: list[Vector], events: list[Vector]) -> list[Vector]:
        at = Weights(backbone).at("sequence_layers", "layers", layer, "decoders", name)
        return decoders.cross_attention(at, queries, events, num_heads=3)

    def mix(layer: int, tokens: list[Vector]) -> list[Vector]:
        at = Weights(backbone).at("mixers", "layers", layer, "mixer")
        return mixers.rankmixer(at, tokens, residual="double", norm="post") if "norm_mix.weight" in at else tokens

    return {"encode": encode, "decode": decode, "mix": mix}


@pytest.mark.parametrize("memory", ["encoded", "input"])
@pytest.mark.parametrize("mixer", [factory(RankMixer, expansion=1), factory(IdentityMixer)], ids=["mix", "none"])
@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (AlternatingBackbone, {"num_layers": 1, "reinject_ns": False}),
        (AlternatingBackbone, {"num_layers": 3, "reinject_ns": False}),
        (AlternatingBackbone, {"num_layers": 2, "reinject_ns": True}),
        (TwoStageBackbone, {"num_layers": 2, "num_mixer_layers": 0}),
        (TwoStageBackbone, {"num_layers": 2, "num_mixer_layers": 1}),
        (TwoStageBackbone, {"num_layers": 1, "num_mixer_layers": 2}),
    ],
    ids=str,
)
def test_backbones_equal_their_reference(cls: Any, options: dict[str, Any], mixer: Any, memory: str) -> None:
    backbone = generic(cls(backbone_context(mixer, memory), **options))
    index = [2, 0, 1, 2]
    queries = {name: random_tokens(4, 1, D, seed=i) for i, name in enumerate(SEQUENCES)}
    ns = random_tokens(4, 3, D, seed=7)
    sequences = {name: ragged(LENGTHS[name], WIDTHS[name], spare=2, seed=i) for i, name in enumerate(SEQUENCES)}
    got = backbone(queries, ns, sequences, requests(index, 3))
    events = {name: rows(sequence) for name, sequence in sequences.items()}
    run = reference.alternating if cls is AlternatingBackbone else reference.two_stage
    if cls is TwoStageBackbone:
        options = {**options, "num_mixer_layers": options["num_mixer_layers"] or options["num_layers"]}
    expected = [
        run(
            {name: list(queries[name][b]) for name in SEQUENCES},
            list(ns[b]),
            {name: events[name][r] for name in SEQUENCES},
            **options,
            **steps_of(backbone, memory),
        )
        for b, r in enumerate(index)
    ]
    for name in SEQUENCES:
        assert_tokens(got.queries[name], [sample[0][name] for sample in expected])
    assert_tokens(got.ns, [sample[1] for sample in expected])


@pytest.mark.parametrize("cls", [AlternatingBackbone, TwoStageBackbone])
def test_a_backbone_without_layers_is_refused_with_the_components_that_switch_steps_off(cls: Any) -> None:
    with pytest.raises(ValueError, match=r"num_layers must be at least 1, got 0.*IdentityMixer"):
        cls(backbone_context(factory(IdentityMixer), "encoded"), num_layers=0)


def test_one_layer_without_boosting_is_plain_multi_query_cross_attention() -> None:
    backbone = generic(AlternatingBackbone(backbone_context(factory(IdentityMixer), "input"), num_layers=1))
    queries = {name: random_tokens(3, 1, D, seed=i) for i, name in enumerate(SEQUENCES)}
    ns = random_tokens(3, 3, D, seed=7)
    sequences = {name: ragged(LENGTHS[name], WIDTHS[name], seed=i) for i, name in enumerate(SEQUENCES)}
    got = backbone(queries, ns, sequences)
    assert torch.equal(got.ns, ns)
    for name in SEQUENCES:
        at = Weights(backbone).at("sequence_layers", "layers", 0)
        expected = []
        for b, events in enumerate(rows(sequences[name])):
            memory = encoders.merge(at.at("encoders", name), events, 2, 0, 2)
            expected.append(
                decoders.cross_attention(at.at("decoders", name), list(queries[name][b]), memory, num_heads=3)
            )
        assert_tokens(got.queries[name], expected)


HYFORMER = {"d_model": 16, "num_layers": 2, "num_queries": 1}


def hyformer_network(schema: Schema, *, merged: bool = False, widths: dict[str, int] | None = None) -> Network:
    """HyFormer as printed: semantic groups, global queries, LONGER encoding, boosting with one residual."""
    parts = Parts(
        tokenizer=factory(GroupedTokens),
        queries=factory(GlobalQueries, num_queries=HYFORMER["num_queries"], expansion=1),
        encoder=factory(LongerEncoder, num_recent=3, num_heads=2, expansion=2),
        decoder=factory(CrossAttentionDecoder, num_heads=2),
        mixer=factory(RankMixer, expansion=2, residual="single", norm="none"),
        backbone=factory(AlternatingBackbone, num_layers=HYFORMER["num_layers"]),
        head=factory(MLPHead, hidden=[7]),
    )
    options = SequenceOptions(time_buckets=9, time_dim=2, widths=widths or {})
    torch.manual_seed(0)
    return generic(
        Network(
            schema,
            HYFORMER["d_model"],
            parts,
            embedding=EmbeddingOptions(dim=3, dims={"item": 4}),
            sequence=options,
            merge_sequences=merged,
        )
    )


def check_hyformer(network: Network, batch: Batch) -> None:
    """Compare every logit of a batch with the straight line."""
    with torch.no_grad():
        logits = network(batch)
    for b in range(batch.num_samples):
        expected = hyformer(
            Weights(network),
            network.ctx.schema,
            batch,
            b,
            num_heads=2,
            num_recent=3,
            num_buckets=9,
            merged=network.ctx.merge_sequences,
            **HYFORMER,
        )
        for task, want in expected.items():
            assert float(logits[task][b]) == pytest.approx(want, abs=ATOL), f"sample {b}, task {task}"


def sixteen_wide_schema() -> Schema:
    """The tiny schema with one more group of features: 3 queries and 5 NS tokens share a width of 16."""
    schema = tiny_schema()
    assert len(schema.group_names) + len(schema.sequences) * HYFORMER["num_queries"] == 8 - 1
    plain = schema.to_dict()
    plain["features"]["query"] = {"vocab_size": 9, "role": "context", "group": "query"}
    return Schema.from_dict(plain)


@pytest.mark.parametrize("candidates", [1, [2, 1, 3, 1]])
def test_a_whole_hyformer_equals_one_straight_line(candidates: Any) -> None:
    schema = sixteen_wide_schema()
    lengths = {"clicks": [6, 0, 1, 2], "searches": [0, 0, 5, 3], "likes": [4, 0, 2, 1]}
    batch = random_batch(schema, num_requests=4, candidates=candidates, lengths=lengths, spare=3, missing=0.2, seed=11)
    check_hyformer(hyformer_network(schema), batch)


def timed_schema() -> Schema:
    """The same schema with a time for every event."""
    plain = sixteen_wide_schema().to_dict()
    plain["sequences"]["likes"]["time_column"] = "likes_time"
    return Schema.from_dict(plain)


def overlapping_batch(schema: Schema, candidates: Any = 1) -> Batch:
    """Events of different sequences happen in turn and, some, at one moment; of some the time is unknown."""
    lengths = {"clicks": [6, 0, 1, 2], "searches": [0, 0, 5, 3], "likes": [4, 0, 2, 1]}
    batch = random_batch(schema, num_requests=4, candidates=candidates, lengths=lengths, spare=3, missing=0.2, seed=11)
    assert batch.time is not None
    sequences = {}
    for name, events in batch.sequences.items():
        assert events.time is not None
        request = torch.repeat_interleave(torch.arange(4), events.offsets.diff())
        time = events.time.clone()
        total = len(request)
        time[:total] = batch.time[request] - 1e5 * torch.ceil((batch.time[request] - time[:total]) / 1e5)
        if name != "searches":
            time[events.offsets[:-1][events.offsets.diff() > 1]] = float("nan")
        sequences[name] = dataclasses.replace(events, time=time)
    return dataclasses.replace(batch, sequences=sequences)


@pytest.mark.parametrize("candidates", [1, [2, 1, 3, 1]])
@pytest.mark.parametrize("widths", [{}, {"clicks": 6, "searches": 4}], ids=str)
def test_a_hyformer_of_merged_sequences_equals_one_straight_line(widths: dict[str, int], candidates: Any) -> None:
    network = hyformer_network(timed_schema(), merged=True, widths=widths)
    check_hyformer(network, overlapping_batch(timed_schema(), candidates))

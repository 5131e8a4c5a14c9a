"""The options in which public HyFormers differ compute what they say; where nothing is said, all is as it was."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch

from hyrec.batch import Tokens
from hyrec.decoders import CrossAttentionDecoder
from hyrec.embeddings import EmbeddingOptions, SequenceEmbedding, SequenceOptions
from hyrec.encoders import LongerEncoder, SwiGLUEncoder, TransformerEncoder
from hyrec.functional import rotate
from hyrec.heads import MLPHead
from hyrec.nn.attention import OutputGate
from hyrec.queries import GlobalQueries
from hyrec.sample_batch import random_batch
from hyrec.testing.batches import tiny_schema
from hyrec.tokenizers import AutoSplitTokens, GroupedTokens
from tests.parity.building import (
    assert_rows,
    assert_tokens,
    context,
    generic,
    ragged,
    random_tokens,
    requests,
    rows,
    tokens_context,
)
from tests.references import decoders, embeddings, encoders, heads, primitives, queries, tokenizers
from tests.references.primitives import Weights

WIDTH, D = 8, 8
LENGTHS = [3, 0, 1, 6]
GATED = [{"gate": gate, "position": position} for gate, position in product(("none", "sigmoid"), ("none", "rope"))]


def place(options: dict[str, Any]) -> dict[str, Any]:
    """What a reference cannot see in the weights."""
    return {name: options[name] for name in ("position", "activation") if name in options}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "options", [*GATED, {"norm_type": "rms"}, *({"activation": name} for name in ("silu", "relu", "swiglu"))], ids=str
)
def test_a_transformer_with_options_equals_its_reference(options: dict[str, Any], causal: bool) -> None:
    ctx = context(d_sequence=WIDTH)
    encoder = generic(TransformerEncoder(ctx, num_heads=2, expansion=2, causal=causal, **options))
    sequence = ragged(LENGTHS, WIDTH, spare=3, longer_by=2)
    expected = [
        encoders.transformer(Weights(encoder), events, num_heads=2, causal=causal, **place(options))
        for events in rows(sequence)
    ]
    assert_rows(encoder(sequence).memory, expected)


@pytest.mark.parametrize("options", GATED[1:], ids=str)
@pytest.mark.parametrize("ratio", [1, 2])
def test_longer_with_options_equals_its_reference(options: dict[str, Any], ratio: int) -> None:
    ctx = context(d_sequence=WIDTH)
    encoder = generic(LongerEncoder(ctx, num_recent=2, merge_ratio=ratio, num_heads=2, expansion=1, **options))
    sequence = ragged(LENGTHS, WIDTH, spare=3, longer_by=2)
    expected = [
        encoders.longer(
            Weights(encoder),
            events,
            num_recent=2,
            merge_ratio=ratio,
            inner_layers=0,
            num_heads=2,
            position=options["position"],
        )[0]
        for events in rows(sequence)
    ]
    assert_rows(encoder(sequence).memory, expected)


@pytest.mark.parametrize("options", [{"bias": True}, {"norm_type": "rms"}, {"bias": True, "norm_type": "rms"}], ids=str)
def test_swiglu_with_options_equals_its_reference(options: dict[str, Any]) -> None:
    encoder = generic(SwiGLUEncoder(context(d_sequence=WIDTH), **options))
    assert ("feedforward.down.bias" in encoder.state_dict()) == ("bias" in options)
    sequence = ragged(LENGTHS, WIDTH, spare=2)
    expected = [encoders.swiglu_encoder(Weights(encoder), events) for events in rows(sequence)]
    assert_rows(encoder(sequence).memory, expected)


def check_decoder(options: dict[str, Any], index: list[int]) -> None:
    """Compare a decoder with its reference; samples belong to the requests of ``index``."""
    decoder = generic(CrossAttentionDecoder(context(d_model=D, d_memory=5), num_heads=2, **options))
    memory = ragged(LENGTHS, 5, spare=3, longer_by=2)
    tokens = random_tokens(len(index), 3, D)
    events = rows(memory)
    expected = [
        decoders.cross_attention(Weights(decoder), list(tokens[b]), events[r], num_heads=2, **place(options))
        for b, r in enumerate(index)
    ]
    assert_tokens(decoder(tokens, memory, requests(index, 4)), expected)


@pytest.mark.parametrize("index", [[0, 1, 2, 3], [3, 0, 3, 1, 0]])
@pytest.mark.parametrize("options", [*GATED[1:], {"norm_type": "rms"}], ids=str)
def test_a_decoder_with_options_equals_its_reference(options: dict[str, Any], index: list[int]) -> None:
    check_decoder(options, index)


@pytest.mark.parametrize("num_heads", [1, 2, 4])
def test_rotation_turns_pairs_of_every_head_by_the_position(num_heads: int) -> None:
    x_ND, positions = random_tokens(5, 8), [0, 1, 7, 300, 5000]
    expected = [primitives.rotate(x, at, num_heads) for x, at in zip(x_ND, positions, strict=True)]
    got = rotate(x_ND, torch.tensor(positions), num_heads)
    torch.testing.assert_close(got, torch.stack(expected), atol=1e-10, rtol=0.0)
    assert torch.equal(got[0], x_ND[0])


def test_a_product_of_rotated_vectors_depends_on_their_distance_only() -> None:
    one, other = random_tokens(2, 8)
    ahead = torch.arange(6) + torch.tensor([[0], [40]])
    products = [(rotate(one.repeat(6, 1), at + 3, 2) * rotate(other.repeat(6, 1), at, 2)).sum(1) for at in ahead]
    assert torch.cat(products).std() < 1e-12


@pytest.mark.parametrize("lengths", [[2, 3], [1, 3], [2, 0, 3]])
def test_places_count_from_the_newest_event(lengths: list[int]) -> None:
    sequence = ragged(lengths, WIDTH, spare=2)
    expected = [place for length in lengths for place in reversed(range(length))]
    assert sequence.recency()[: sum(lengths)].tolist() == expected


@pytest.mark.parametrize(("position", "tells"), [("rope", True), ("none", False)])
def test_only_a_decoder_with_positions_tells_the_order_of_events(position: Any, tells: bool) -> None:
    decoder = generic(CrossAttentionDecoder(context(d_model=D, d_memory=WIDTH), num_heads=2, position=position))
    memory, queries = ragged([4], WIDTH), random_tokens(1, 2, D)
    turned = memory.replace(memory.values[[2, 0, 3, 1]])
    assert torch.allclose(decoder(queries, turned), decoder(queries, memory), atol=1e-12) != tells


@pytest.mark.parametrize("cls", [TransformerEncoder, CrossAttentionDecoder])
def test_rotation_of_heads_of_an_odd_width_is_refused_with_numbers_that_work(cls: Any) -> None:
    with pytest.raises(ValueError, match=r"heads of an even width: got width 6 and num_heads=2. num_heads of 1 works"):
        cls(context(d_model=6, d_sequence=6, d_memory=6), num_heads=2, position="rope")


def test_a_gate_starts_open_for_every_input() -> None:
    read = random_tokens(3, 4)
    torch.testing.assert_close(OutputGate(2, 4).double()(random_tokens(3, 2), read), read * torch.tensor(1.0).sigmoid())


@pytest.mark.parametrize("norm", ["pre", "post", "both", "none"])
@pytest.mark.parametrize("activation", ["gelu", "silu", "relu"])
def test_queries_with_options_equal_their_reference(activation: str, norm: str) -> None:
    widths = {"clicks": 4, "likes": 6, "searches": 3}
    ctx = context(d_model=D, num_ns_tokens=2, sequence_widths=widths)
    generator = generic(GlobalQueries(ctx, num_queries={"clicks": 2}, pooling="own", activation=activation, norm=norm))
    sequences = {name: ragged([2, 0, 3], width, spare=2, seed=width) for name, width in widths.items()}
    ns, events = random_tokens(3, 2, D), {name: rows(sequence) for name, sequence in sequences.items()}
    got = generator(ns, sequences)
    expected = [
        queries.global_queries(
            Weights(generator),
            list(ns[b]),
            {name: events[name][b] for name in sequences},
            widths,
            num_queries=generator.num_queries,
            pooling="own",
            ns_tokens=[0, 1],
            activation=activation,
            norm=norm,
        )
        for b in range(3)
    ]
    for name in sequences:
        assert_tokens(got[name], [sample[name] for sample in expected])


@pytest.mark.parametrize("norm", ["pre", "both", "none"])
@pytest.mark.parametrize(("pool", "projection"), [("mean", 0), ("concat", 3), ("mean", 5)])
@pytest.mark.parametrize("activation", ["silu", "relu"])
def test_a_head_with_options_equals_its_reference(activation: str, pool: str, projection: int, norm: str) -> None:
    options = {"pool": pool, "activation": activation, "norm": norm}
    head = generic(MLPHead(tokens_context(4, D), hidden=[4, 3], projection=projection, **options))
    reads, ns = {"clicks": random_tokens(3, 1, D), "searches": random_tokens(3, 1, D, seed=5)}, random_tokens(3, 2, D)
    got = head(Tokens(reads, ns))
    for b in range(3):
        read = [query for name in reads for query in reads[name][b]]
        expected = heads.mlp_head(
            Weights(head), read, list(ns[b]), list(got), tokens="queries", num_hidden=2, **options
        )
        assert {task: logit[b].item() for task, logit in got.items()} == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("activation", ["none", "silu"])
@pytest.mark.parametrize("norm_weights", ["own", "shared"])
def test_tokenizers_with_options_equal_their_references(norm_weights: str, activation: str) -> None:
    schema, options = tiny_schema(), {"norm_weights": norm_weights, "activation": activation}
    widths = dict.fromkeys(schema.features, 3)
    features = {name: random_tokens(3, 3, seed=i) for i, name in enumerate(widths)}
    ctx = context(schema, d_model=D, feature_widths=widths)
    groups = {group: schema.features_of_group(group) for group in schema.group_names}
    grouped = generic(GroupedTokens(ctx, tokens_per_group={"item": 2}, **options))
    split = generic(AutoSplitTokens(ctx, num_tokens=4, **options))
    for tokenizer in (grouped, split):
        assert ("norm.weight_TD" in tokenizer.state_dict()) == (norm_weights == "own")
    samples = [{name: value[b] for name, value in features.items()} for b in range(3)]
    assert_tokens(
        grouped(features),
        [tokenizers.grouped(Weights(grouped), one, groups, {"item": 2}, D, activation=activation) for one in samples],
    )
    assert_tokens(
        split(features),
        [tokenizers.auto_split(Weights(split), tokenizers.equal_pieces(one, 4), activation) for one in samples],
    )


@pytest.mark.parametrize("time", ["buckets", "added"])
@pytest.mark.parametrize("sequence", ["clicks", "likes"])
def test_events_with_options_equal_their_reference(sequence: str, time: Any) -> None:
    schema = tiny_schema()
    tables = generic(EmbeddingOptions(dim=3).tables(schema))
    options = SequenceOptions(time=time, activation="gelu", time_buckets=9, time_dim=3)
    embedding = generic(SequenceEmbedding(schema, sequence, tables, 6, options), seed=3)
    batch = random_batch(schema, num_requests=3, candidates=[2, 1, 1], lengths={sequence: [3, 0, 5]}, spare=3)
    timed = time if schema.sequences[sequence].time_column else "none"
    expected = [
        embeddings.embed_events(
            Weights(embedding), Weights(tables), schema, sequence, batch, r, 9, time=timed, activation="gelu"
        )
        for r in range(3)
    ]
    assert_rows(embedding(batch, tables), expected)

"""Decoders compute what the paper says, with memories of any width and candidates that share a request."""

from __future__ import annotations

import pytest
import torch

from hyrec.decoders import CrossAttentionDecoder, NoDecode
from tests.parity.building import (
    assert_tokens,
    context,
    generic,
    ragged,
    random_tokens,
    requests,
    rows,
)
from tests.references import decoders as reference
from tests.references.primitives import Weights

D = 8


@pytest.mark.parametrize("d_memory", [8, 5, 12])
@pytest.mark.parametrize("num_heads", [1, 4])
@pytest.mark.parametrize("num_queries", [1, 3])
def test_cross_attention_equals_its_reference(d_memory: int, num_heads: int, num_queries: int) -> None:
    decoder = generic(CrossAttentionDecoder(context(d_model=D, d_memory=d_memory), num_heads=num_heads))
    memory = ragged([3, 0, 1, 5], d_memory, spare=3, longer_by=2)
    queries = random_tokens(4, num_queries, D)
    expected = [
        reference.cross_attention(Weights(decoder), list(queries[b]), events, num_heads=num_heads)
        for b, events in enumerate(rows(memory))
    ]
    assert_tokens(decoder(queries, memory), expected)


@pytest.mark.parametrize("index", [[0, 0, 1, 3, 3, 3], [3, 0, 3, 1, 0], [0, 1, 2, 3], [2]])
def test_cross_attention_reads_the_memory_of_each_samples_own_request(index: list[int]) -> None:
    decoder = generic(CrossAttentionDecoder(context(d_model=D, d_memory=6), num_heads=2))
    memory = ragged([3, 0, 1, 5], 6, spare=2)
    queries = random_tokens(len(index), 2, D)
    events = rows(memory)
    expected = [
        reference.cross_attention(Weights(decoder), list(queries[b]), events[r], num_heads=2)
        for b, r in enumerate(index)
    ]
    assert_tokens(decoder(queries, memory, requests(index, 4)), expected)


def test_a_request_without_events_adds_only_the_output_bias() -> None:
    decoder = generic(CrossAttentionDecoder(context(d_model=D, d_memory=D), num_heads=2))
    queries = random_tokens(1, 3, D)
    expected = queries + decoder.attention.out.bias
    torch.testing.assert_close(decoder(queries, ragged([0], D)), expected, atol=1e-12, rtol=0.0)


def test_no_decode_returns_the_queries() -> None:
    queries = random_tokens(2, 3, D)
    assert torch.equal(NoDecode(context(d_model=D, d_memory=D))(queries, ragged([2, 0], D)), queries)

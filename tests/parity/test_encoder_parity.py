"""Sequence encoders compute what the papers say, for every request, whatever the lengths."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch

from hyrec.batch import Sequence
from hyrec.encoders import IdentityEncoder, LongerEncoder, SwiGLUEncoder, TransformerEncoder
from tests.parity.building import assert_rows, context, generic, ragged, rows
from tests.references import encoders as reference
from tests.references.primitives import Weights

LENGTHS = [[3, 0, 1, 6], [0, 0], [1], [5, 2, 7, 0, 4]]
WIDTH = 4


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("num_heads", [1, 2])
def test_transformer_equals_its_reference(lengths: list[int], causal: bool, num_heads: int) -> None:
    encoder = generic(TransformerEncoder(context(d_sequence=WIDTH), num_heads=num_heads, expansion=2, causal=causal))
    sequence = ragged(lengths, WIDTH, spare=3, longer_by=2)
    states = encoder(sequence)
    expected = [
        reference.transformer(Weights(encoder), events, num_heads=num_heads, causal=causal) for events in rows(sequence)
    ]
    assert_rows(states.sequence, expected)
    assert_rows(states.memory, expected)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_swiglu_equals_its_reference(lengths: list[int]) -> None:
    encoder = generic(SwiGLUEncoder(context(d_sequence=WIDTH), expansion=3))
    sequence = ragged(lengths, WIDTH, spare=2)
    states = encoder(sequence)
    expected = [reference.swiglu_encoder(Weights(encoder), events) for events in rows(sequence)]
    assert_rows(states.sequence, expected)
    assert_rows(states.memory, expected)


def test_identity_returns_the_events() -> None:
    sequence = ragged([2, 0, 3], WIDTH)
    states = IdentityEncoder(context(d_sequence=WIDTH))(sequence)
    assert_rows(states.sequence, rows(sequence))
    assert_rows(states.memory, rows(sequence))


def longer_stack(num_layers: int, **options: Any) -> list[LongerEncoder]:
    """Build LONGER layers, each for the width that the layer below hands on."""
    stack, width = [], WIDTH
    for layer in range(num_layers):
        encoder = LongerEncoder(context(layer=layer, d_sequence=width), **options)
        width = encoder.d_sequence
        stack.append(generic(encoder, seed=layer))
    return stack


def check_longer(
    stack: list[LongerEncoder],
    sequence: Sequence,
    *,
    num_recent: int,
    ratio: int,
    inner: int,
    memory: str,
    queries: str = "recent",
    causal: bool = True,
    position: str = "none",
) -> None:
    """Compare a stack of LONGER layers with its reference, layer by layer."""
    inputs = rows(sequence)
    for layer, encoder in enumerate(stack):
        states = encoder(sequence)
        results = [
            reference.longer(
                Weights(encoder),
                events,
                num_recent=num_recent,
                merge_ratio=ratio if layer == 0 else 1,
                inner_layers=inner if layer == 0 else 0,
                num_heads=2,
                queries=queries,
                causal=causal,
                position=position,
            )
            for events in inputs
        ]
        encoded = [result[0] for result in results]
        assert_rows(states.sequence, encoded)
        assert_rows(states.memory, encoded if memory == "encoded" else [result[1] for result in results])
        sequence, inputs = states.sequence, encoded


@pytest.mark.parametrize("memory", ["encoded", "input"])
@pytest.mark.parametrize("num_recent", [2, 20])
@pytest.mark.parametrize(("ratio", "inner"), [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1)])
def test_longer_equals_its_reference_over_three_layers(ratio: int, inner: int, num_recent: int, memory: str) -> None:
    stack = longer_stack(
        3,
        num_recent=num_recent,
        merge_ratio=ratio,
        inner_layers=inner,
        memory=memory,
        num_heads=2,
        expansion=2,
    )
    sequence = ragged([3, 0, 1, 7, 2], WIDTH, spare=4, longer_by=1)
    check_longer(stack, sequence, num_recent=num_recent, ratio=ratio, inner=inner, memory=memory)


@pytest.mark.parametrize("lengths", [[0], [0, 0, 0], [1], [1, 1, 1], [3, 3], [4, 5, 6]])
@pytest.mark.parametrize("ratio", [1, 3])
def test_longer_equals_its_reference_at_the_edges_of_a_group(lengths: list[int], ratio: int) -> None:
    inner = int(ratio > 1)
    stack = longer_stack(1, num_recent=2, merge_ratio=ratio, inner_layers=inner, num_heads=2, expansion=1)
    check_longer(stack, ragged(lengths, WIDTH), num_recent=2, ratio=ratio, inner=inner, memory="encoded")


def test_longer_widens_tokens_by_the_merge_ratio_once() -> None:
    first, second = longer_stack(2, num_recent=3, merge_ratio=3, num_heads=2)
    assert (first.d_sequence, first.d_memory) == (3 * WIDTH, 3 * WIDTH)
    assert (second.d_sequence, second.d_memory) == (3 * WIDTH, 3 * WIDTH)


def test_longer_refuses_inner_layers_without_groups_to_run_in() -> None:
    with pytest.raises(ValueError, match=r"inner_layers=1 .* merge_ratio=1 merges nothing. Use merge_ratio=2"):
        LongerEncoder(context(d_sequence=WIDTH), inner_layers=1)


@pytest.mark.parametrize(("option", "value"), [("num_recent", 0), ("merge_ratio", 0), ("inner_layers", -1)])
def test_longer_refuses_numbers_below_their_limit(option: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{option}={value}"):
        LongerEncoder(context(d_sequence=WIDTH), **{option: value})


@pytest.mark.parametrize("cls", [TransformerEncoder, LongerEncoder])
def test_heads_that_do_not_divide_the_width_are_refused_with_some_that_do(cls: type) -> None:
    with pytest.raises(ValueError, match=r"width 6 and num_heads=4. num_heads of 1, 2 works"):
        cls(context(d_sequence=6), num_heads=4)


@pytest.mark.parametrize(
    ("name", "encoder"),
    [
        ("transformer", TransformerEncoder(context(d_sequence=WIDTH), num_heads=2, causal=True)),
        ("longer", LongerEncoder(context(d_sequence=WIDTH), num_recent=4, num_heads=2)),
        (
            "longer, merged",
            LongerEncoder(context(d_sequence=WIDTH), num_recent=4, merge_ratio=2, num_heads=2),
        ),
        (
            "longer, inner layers",
            LongerEncoder(context(d_sequence=WIDTH), num_recent=4, merge_ratio=2, inner_layers=1, num_heads=2),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_causal_token_never_depends_on_newer_events(name: str, encoder: Any) -> None:
    encoder = generic(encoder)
    ratio = 2 if name != "transformer" and encoder.merge_ratio == 2 else 1
    sequence = ragged([6, 1, 8], WIDTH)
    sequence.values.requires_grad_()
    out = encoder(sequence).sequence
    bounds = out.offsets.tolist()
    for request, (start, stop) in enumerate(pairwise(bounds)):
        first, last = int(sequence.offsets[request]), int(sequence.offsets[request + 1])
        for token in range(start, stop):
            (grad,) = torch.autograd.grad(out.values[token].square().sum(), sequence.values, retain_graph=True)
            reached = grad.abs().sum(dim=1).nonzero().flatten().tolist()
            newest = last - 1 - (stop - 1 - token) * ratio
            assert reached == list(range(first, newest + 1))


@pytest.mark.parametrize("memory", ["encoded", "input"])
def test_no_memory_of_longer_reaches_another_request(memory: str) -> None:
    encoder = generic(LongerEncoder(context(d_sequence=WIDTH), num_recent=2, merge_ratio=2, memory=memory, num_heads=2))
    sequence = ragged([4, 3], WIDTH)
    sequence.values.requires_grad_()
    out = encoder(sequence).memory
    second = out.values[int(out.offsets[1]) : int(out.offsets[2])]
    (grad,) = torch.autograd.grad(second.square().sum(), sequence.values)
    assert grad[:4].abs().max() == 0.0
    assert grad[4:].abs().sum(dim=1).min() > 0.0

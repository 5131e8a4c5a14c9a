"""The shared functions on tensors."""

from __future__ import annotations

import math

import pytest
import torch

from hyrec.functional import (
    attention,
    check_divisible_width,
    merge_heads,
    mix_tokens,
    next_divisor,
    probability,
    split_heads,
    time_buckets,
)


def qkv(keys: int = 3, *, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    q = torch.randn(2, 1, 2, 4, generator=rng, dtype=torch.float64)
    k, v = torch.randn(2, 2, 1, keys, 4, generator=rng, dtype=torch.float64)
    return q, k, v


def test_hidden_keys_and_values_never_influence_the_output() -> None:
    q, k, v = qkv()
    visible = torch.tensor([[True, False, True], [False, True, True]])[:, None, None, :]
    before = attention(q, k, v, visible)
    hidden = ~visible.squeeze(1).squeeze(1)
    k.squeeze(1)[hidden] = 1e6
    v.squeeze(1)[hidden] = -1e6
    assert torch.equal(attention(q, k, v, visible), before)


def test_attention_equals_its_formula() -> None:
    q, k, v = qkv()
    visible = torch.tensor([[True, False, True], [True, True, True]])[:, None, None, :]
    out = attention(q, k, v, visible)
    for r in range(2):
        for i in range(2):
            keys = [j for j in range(3) if visible[r, 0, 0, j]]
            powers = [math.exp(float(q[r, 0, i] @ k[r, 0, j]) / 2.0) for j in keys]
            expected = sum(p / sum(powers) * v[r, 0, j] for p, j in zip(powers, keys, strict=True))
            torch.testing.assert_close(out[r, 0, i], expected, atol=1e-12, rtol=0.0)


def test_a_query_that_sees_no_key_returns_zeros_with_zero_gradients() -> None:
    q, k, v = (x.requires_grad_() for x in qkv())
    visible = torch.tensor([[False, False, False], [True, False, True]])[:, None, None, :]
    out = attention(q, k, v, visible)
    assert out[0].abs().max() == 0.0
    assert out[1].abs().max() > 0.0
    out.sum().backward()
    for x in (q, k, v):
        assert x.grad is not None
        assert x.grad.isfinite().all()
        assert x.grad[0].abs().max() == 0.0


def test_attention_without_a_mask_sees_everything() -> None:
    q, k, v = qkv()
    everything = torch.ones(2, 1, 2, 3, dtype=torch.bool)
    torch.testing.assert_close(attention(q, k, v), attention(q, k, v, everything), atol=1e-12, rtol=0.0)


def test_an_additive_mask_is_refused() -> None:
    q, k, v = qkv()
    with pytest.raises(ValueError, match=r"visible must be boolean .*got torch\.float64"):
        attention(q, k, v, torch.zeros(2, 1, 2, 3, dtype=torch.float64))


def test_merging_heads_undoes_splitting_them() -> None:
    x = torch.arange(24.0).view(1, 3, 8)
    heads = split_heads(x, 2)
    assert heads.shape == (1, 2, 3, 4)
    assert heads[0, 1, 2].tolist() == x[0, 2, 4:].tolist()
    assert torch.equal(merge_heads(heads), x)


def test_mixing_two_tokens_swaps_their_inner_halves() -> None:
    tokens = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]])
    assert mix_tokens(tokens).tolist() == [[[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]]]


@pytest.mark.parametrize(("d_model", "queries", "ns"), [(16, {"a": 1}, 3), (6, {}, 6), (5, {}, 0)])
def test_widths_that_tokens_can_share_are_accepted(d_model: int, queries: dict[str, int], ns: int) -> None:
    check_divisible_width("Mixer", d_model, queries, ns)


@pytest.mark.parametrize(("d_model", "queries", "ns"), [(128, {"a": 4, "b": 2}, 18), (10, {}, 4), (16, {"a": 1}, 2)])
def test_a_refused_width_comes_with_values_that_work(d_model: int, queries: dict[str, int], ns: int) -> None:
    tokens = sum(queries.values()) + ns
    with pytest.raises(ValueError, match=f"d_model={d_model} and {tokens} tokens") as error:
        check_divisible_width("Mixer", d_model, queries, ns)
    message = str(error.value)
    assert f"{ns} NS tokens" in message
    for name, count in queries.items():
        assert f"{count} for {name}" in message
    for width in (d_model // tokens * tokens, (d_model // tokens + 1) * tokens):
        assert f"d_model={width}" in message
        check_divisible_width("Mixer", width, queries, ns)
    check_divisible_width("Mixer", d_model, {}, next_divisor(d_model, tokens))
    assert f"or {next_divisor(d_model, tokens)} tokens" in message
    assert "pad_tokens=true" in message


def test_more_tokens_than_width_are_not_told_to_pad() -> None:
    with pytest.raises(ValueError, match=r"d_model=8 and 12 tokens.*d_model=12 works") as error:
        check_divisible_width("Mixer", 8, {}, 12)
    assert "pad_tokens" not in str(error.value)


@pytest.mark.parametrize(("d_model", "tokens", "divisor"), [(16, 5, 8), (16, 16, 16), (7, 2, 7), (12, 0, 1)])
def test_next_divisor_is_the_smallest_that_is_large_enough(d_model: int, tokens: int, divisor: int) -> None:
    assert next_divisor(d_model, tokens) == divisor


def test_more_tokens_than_dimensions_have_no_divisor() -> None:
    with pytest.raises(ValueError, match=r"9 tokens cannot share d_model=8.*d_model=9 or more"):
        next_divisor(8, 9)


def test_older_events_never_get_a_smaller_bucket() -> None:
    ages = torch.logspace(-2, 10, 500, dtype=torch.float64)
    buckets = time_buckets(ages, 16)
    assert buckets.diff().min() >= 0
    assert buckets.unique().tolist() == list(range(1, 16))


def test_unknown_and_future_times_have_buckets_of_their_own() -> None:
    ages = torch.tensor([float("nan"), -5.0, 0.0, 0.99, 1.0], dtype=torch.float64)
    assert time_buckets(ages, 16).tolist() == [0, 1, 1, 1, 2]


def test_scores_keep_the_order_of_logits_that_float32_would_tie() -> None:
    logits = torch.arange(17.0, 34.0)
    assert len(torch.unique(logits.sigmoid())) == 1
    assert bool((probability(logits).diff() > 0).all())

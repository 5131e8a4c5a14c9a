"""Token mixers compute what the papers say; the wrong mixings of public copies do not pass for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hyrec.functional import mix_tokens
from hyrec.mixers import IdentityMixer, RankMixer, SelfAttentionMixer, Wukong
from hyrec.nn.feedforward import PerTokenFeedForward, PerTokenLinear
from tests.parity.building import assert_tokens, generic, parameters_of, random_tokens, tokens_context
from tests.references import mixers as reference
from tests.references.primitives import Weights


@pytest.mark.parametrize("norm", ["pre", "post", "both", "none"])
@pytest.mark.parametrize("residual", ["single", "double"])
@pytest.mark.parametrize(("num_tokens", "d_model"), [(4, 8), (1, 4), (3, 3)])
def test_rankmixer_equals_its_reference(num_tokens: int, d_model: int, residual: str, norm: str) -> None:
    mixer = generic(RankMixer(tokens_context(num_tokens, d_model), expansion=2, residual=residual, norm=norm))
    tokens = random_tokens(3, num_tokens, d_model)
    expected = [reference.rankmixer(Weights(mixer), list(sample), residual=residual, norm=norm) for sample in tokens]
    assert_tokens(mixer(tokens), expected)


@pytest.mark.parametrize("norm", ["pre", "post", "both", "none"])
@pytest.mark.parametrize("residual", ["single", "double"])
@pytest.mark.parametrize(("mixing", "weights"), [("slices", "shared"), ("none", "own"), ("none", "shared")])
def test_rankmixer_without_one_of_its_ideas_equals_its_reference(
    mixing: str, weights: str, residual: str, norm: str
) -> None:
    form = {"residual": residual, "norm": norm, "mixing": mixing, "weights": weights}
    mixer = generic(RankMixer(tokens_context(4, 8), expansion=2, **form))
    tokens = random_tokens(3, 4, 8)
    assert_tokens(mixer(tokens), [reference.rankmixer(Weights(mixer), list(sample), **form) for sample in tokens])


@pytest.mark.parametrize(("weights", "same"), [("shared", True), ("own", False)])
def test_a_shared_network_does_not_tell_tokens_apart(weights: str, same: bool) -> None:
    mixer = generic(RankMixer(tokens_context(4, 8), mixing="none", weights=weights))
    tokens = random_tokens(2, 4, 8)
    order = [1, 2, 3, 0]
    assert torch.allclose(mixer(tokens[:, order]), mixer(tokens)[:, order], atol=1e-12) == same


def test_tokens_that_are_not_mixed_need_no_divisible_width() -> None:
    mixer = generic(RankMixer(tokens_context(4, 10), mixing="none"))
    tokens = random_tokens(2, 4, 10)
    changed = tokens.clone()
    changed[:, 0] += 1.0
    assert torch.equal(mixer(changed)[:, 1:], mixer(tokens)[:, 1:])


@pytest.mark.parametrize("num_heads", [1, 2])
def test_self_attention_mixer_equals_its_reference(num_heads: int) -> None:
    mixer = generic(SelfAttentionMixer(tokens_context(3, 8), num_heads=num_heads, expansion=2))
    tokens = random_tokens(2, 3, 8)
    expected = [reference.self_attention(Weights(mixer), list(sample), num_heads=num_heads) for sample in tokens]
    assert_tokens(mixer(tokens), expected)


@pytest.mark.parametrize(("num_tokens", "num_linear"), [(2, 1), (5, 0), (5, 1), (4, 3)])
def test_wukong_equals_its_reference(num_tokens: int, num_linear: int) -> None:
    mixer = generic(Wukong(tokens_context(num_tokens, 6), num_linear=num_linear, rank=3, expansion=2))
    tokens = random_tokens(3, num_tokens, 6)
    num_linear = num_linear or num_tokens // 2
    expected = [reference.wukong(Weights(mixer), list(sample), num_linear=num_linear) for sample in tokens]
    assert_tokens(mixer(tokens), expected)


@pytest.mark.parametrize(("num_linear", "shares"), [(0, (3, 2)), (1, (4, 1)), (4, (1, 4))])
def test_wukong_shares_its_tokens_between_two_blocks(num_linear: int, shares: tuple[int, int]) -> None:
    mixer = Wukong(tokens_context(5, 4), num_linear=num_linear, rank=2)
    tokens = torch.randn(3, 5, 4)
    assert (mixer.fmb(tokens).shape[1], mixer.lcb(tokens.mT).shape[2]) == shares
    assert mixer(tokens).shape == tokens.shape


@pytest.mark.parametrize(
    ("num_tokens", "options", "message"),
    [
        (4, {"num_linear": 4}, r"num_linear=4 and 4 tokens\. num_linear of 1 to 3 works"),
        (4, {"num_linear": -1}, "num_linear of 1 to 3 works"),
        (1, {}, r"1 tokens\. Use IdentityMixer for one token"),
        (4, {"rank": 0}, "got rank=0. rank=8 works"),
    ],
)
def test_wukong_refuses_blocks_that_make_nothing(num_tokens: int, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Wukong(tokens_context(num_tokens, 4), **options)


@pytest.mark.parametrize(("num_tokens", "d_model", "k"), [(4, 8, 3), (6, 6, 2)])
def test_wukong_has_the_parameters_of_the_paper(num_tokens: int, d_model: int, k: int) -> None:
    mixer = Wukong(tokens_context(num_tokens, d_model), num_linear=1, rank=k, expansion=2)
    products, hidden, out = num_tokens * k, 2 * d_model, (num_tokens - 1) * d_model
    network = products * hidden + hidden + hidden * out + out
    assert parameters_of(mixer) == num_tokens * k + num_tokens + network + 2 * products + 2 * d_model


def test_identity_mixer_returns_the_tokens() -> None:
    tokens = random_tokens(2, 3, 8)
    assert torch.equal(IdentityMixer(tokens_context(3, 8))(tokens), tokens)


def mixes_channel_slices(mix: Callable[[Tensor], Tensor], num_tokens: int, d_model: int) -> bool:
    """Whether a mixing gives the paper's slices: ``mixed[b, h] = concat_t x[b, t, h D/T : (h+1) D/T]``."""
    tokens = random_tokens(2, num_tokens, d_model)
    expected = torch.stack([torch.stack(reference.mix(list(sample))) for sample in tokens])
    return torch.equal(mix(tokens), expected)


SHAPES = [(1, 4), (2, 4), (3, 6), (4, 16), (5, 5), (6, 6)]


@pytest.mark.parametrize(("num_tokens", "d_model"), SHAPES)
def test_mixing_exchanges_channel_slices(num_tokens: int, d_model: int) -> None:
    assert mixes_channel_slices(mix_tokens, num_tokens, d_model)


@pytest.mark.parametrize(("num_tokens", "d_model"), SHAPES)
def test_mixing_is_the_view_and_transpose_of_the_papers(num_tokens: int, d_model: int) -> None:
    tokens = random_tokens(2, num_tokens, d_model)
    part = d_model // num_tokens
    paper = tokens.view(2, num_tokens, num_tokens, part).transpose(1, 2).reshape(2, num_tokens, d_model)
    assert torch.equal(mix_tokens(tokens), paper)


@pytest.mark.parametrize(("num_tokens", "d_model"), SHAPES)
def test_transposing_raw_channels_is_told_from_mixing_unless_they_coincide(num_tokens: int, d_model: int) -> None:
    def interleave(x: Tensor) -> Tensor:
        return x.transpose(1, 2).reshape(x.shape)

    assert mixes_channel_slices(interleave, num_tokens, d_model) == (num_tokens in (1, d_model))


@pytest.mark.parametrize(("num_tokens", "d_model"), SHAPES)
def test_mixing_twice_changes_nothing(num_tokens: int, d_model: int) -> None:
    tokens = random_tokens(2, num_tokens, d_model)
    assert torch.equal(mix_tokens(mix_tokens(tokens)), tokens)


def test_permuting_tokens_changes_a_per_token_network() -> None:
    network = generic(PerTokenFeedForward(4, 8, 16))
    tokens = random_tokens(2, 4, 8)
    order = [1, 2, 3, 0]
    assert not torch.allclose(network(tokens[:, order]), network(tokens)[:, order], atol=1e-3)


@pytest.mark.parametrize("token", [0, 2])
def test_a_per_token_layer_is_the_linear_layer_of_each_token(token: int) -> None:
    layer = generic(PerTokenLinear(3, 4, 6))
    tokens = random_tokens(2, 3, 4)
    expected = tokens[:, token] @ layer.w_TDK[token] + layer.b_TK[token]
    torch.testing.assert_close(layer(tokens)[:, token], expected, atol=1e-12, rtol=0.0)


@pytest.mark.parametrize("name", ["w1_TDK", "b1_TK", "w2_TKD", "b2_TD"])
@pytest.mark.parametrize("token", [0, 2])
def test_weights_of_one_token_change_only_that_token(name: str, token: int) -> None:
    network = generic(PerTokenFeedForward(3, 4, 8))
    tokens = random_tokens(2, 3, 4)
    before = network(tokens)
    with torch.no_grad():
        getattr(network, name)[token] += 1.0
    changed = (network(tokens) - before).abs().amax(dim=(0, 2)) > 0
    assert changed.tolist() == [t == token for t in range(3)]


@pytest.mark.parametrize(("num_tokens", "d_model", "k"), [(4, 8, 4), (3, 6, 2), (8, 16, 1)])
def test_rankmixer_has_the_parameters_of_the_paper(num_tokens: int, d_model: int, k: int) -> None:
    mixer = RankMixer(tokens_context(num_tokens, d_model), expansion=k, residual="double", norm="post")
    weights = 2 * k * num_tokens * d_model**2
    biases = num_tokens * (k * d_model + d_model)
    norms = 2 * 2 * d_model
    assert parameters_of(mixer) == weights + biases + norms


def test_hyformers_boosting_as_printed_has_no_norm() -> None:
    mixer = RankMixer(tokens_context(4, 8), expansion=1, residual="single", norm="none")
    assert parameters_of(mixer) == 2 * 4 * 8**2 + 4 * (8 + 8)


def test_a_width_that_tokens_cannot_share_is_refused_with_values_that_work() -> None:
    with pytest.raises(ValueError, match="d_model=10 and 4 tokens") as error:
        RankMixer(tokens_context(4, 10))
    for width in (8, 12):
        assert f"d_model={width}" in str(error.value)
        RankMixer(tokens_context(4, width))
    assert "or 5 tokens" in str(error.value)
    RankMixer(tokens_context(5, 10))

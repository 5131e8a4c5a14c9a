"""UniMixer: what its matrix is, what it generalises, slow loops in float64, and the contract."""

from __future__ import annotations

import pytest
import torch
from hyrec_unimixer import UniMixer, symmetric_sinkhorn

from hyrec.context import BuildContext
from hyrec.functional import mix_tokens
from hyrec.mixers import RankMixer
from hyrec.testing import check_component, tiny_schema

T, D = 4, 12


def context(num_tokens: int = T, d_model: int = D) -> BuildContext:
    return BuildContext(tiny_schema(), d_model, num_ns_tokens=num_tokens - 1, num_queries={"clicks": 1})


def build(num_tokens: int = T, **options: object) -> UniMixer:
    torch.manual_seed(0)
    return UniMixer(context(num_tokens), **options).double().eval()


def as_rankmixer(mixer: UniMixer) -> None:
    """Set W_G to RankMixer's permutation; the other entries are exp(-1000 / 0.05)."""
    blocks = torch.arange(T * T).view(T, T)
    with torch.no_grad():
        mixer.logits_NN.zero_()
        mixer.logits_NN[blocks.flatten(), blocks.T.flatten()] = 1000.0


def test_with_the_permutation_and_the_identity_it_mixes_as_rankmixer_does() -> None:
    mixer = build(anneal_steps=0)
    as_rankmixer(mixer)
    tokens = torch.randn(3, T, D, dtype=torch.float64)
    torch.testing.assert_close(mixer.mix(tokens), mix_tokens(tokens), rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_with_the_permutation_and_the_identity_it_is_rankmixer(norm: str) -> None:
    mixer, rankmixer = build(anneal_steps=0, norm=norm), RankMixer(context(), norm=norm).double()
    as_rankmixer(mixer)
    own = {
        name: value for name, value in mixer.state_dict().items() if not name.startswith(("logits", "local", "steps"))
    }
    rankmixer.load_state_dict(own)
    tokens = torch.randn(3, T, D, dtype=torch.float64)
    torch.testing.assert_close(mixer(tokens), rankmixer(tokens), rtol=0, atol=1e-12)


def test_another_permutation_would_not_be_rankmixer() -> None:
    mixer = build(anneal_steps=0)
    with torch.no_grad():
        mixer.logits_NN.copy_(1000 * torch.eye(T * T))
    tokens = torch.randn(3, T, D, dtype=torch.float64)
    torch.testing.assert_close(mixer.mix(tokens), tokens, rtol=0, atol=1e-12)
    assert (mixer.mix(tokens) - mix_tokens(tokens)).abs().max() > 0.1


@pytest.mark.parametrize(("num_tokens", "block"), [(4, 0), (4, 2), (5, 4), (3, 12)])
def test_it_computes_the_stated_sum_block_by_block(num_tokens: int, block: int) -> None:
    mixer = build(num_tokens, block=block)
    torch.nn.init.normal_(mixer.local_NEE)
    weights, b = mixer.global_weights(), mixer.block
    tokens = torch.randn(2, num_tokens, D, dtype=torch.float64)
    for sample, mixed in zip(tokens, mixer.mix(tokens), strict=True):
        blocks = [sample.flatten()[i : i + b] for i in range(0, num_tokens * D, b)]
        for i in range(len(blocks)):
            expected = sum(weights[i, j] * (blocks[j] @ mixer.local_NEE[j]) for j in range(len(blocks)))
            torch.testing.assert_close(mixed.flatten()[i * b : (i + 1) * b], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("temperature", [1.0, 0.4, 0.2])
def test_the_global_weights_are_symmetric_and_doubly_stochastic(temperature: float) -> None:
    logits = torch.randn(16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = symmetric_sinkhorn(logits, temperature, 300)
    assert torch.equal(weights, weights.T)
    assert bool((weights >= 0).all())
    torch.testing.assert_close(weights.sum(0), torch.ones(16, dtype=torch.float64), rtol=0, atol=1e-3)


def test_the_default_iterations_keep_the_row_sums_of_a_new_mixer_near_one() -> None:
    mixer = build()
    for steps in (0, 500, 1000):
        mixer.steps.fill_(steps)
        assert (mixer.global_weights().sum(1) - 1).abs().max() < 0.02


def test_a_falling_temperature_sharpens_the_weights() -> None:
    mixer = build(anneal_steps=10)
    peaks = []
    for steps in (0, 5, 10):
        mixer.steps.fill_(steps)
        peaks.append(float(mixer.global_weights().detach().max(dim=1).values.mean()))
    assert peaks[0] < peaks[1] < peaks[2]


def test_the_temperature_falls_in_training_only_and_ends_at_the_final_one() -> None:
    mixer, tokens = build(anneal_steps=3), torch.randn(2, T, D, dtype=torch.float64)
    mixer(tokens)
    assert float(mixer.temperature()) == 1.0
    seen = []
    for _ in range(5):
        mixer.train()(tokens)
        seen.append(float(mixer.temperature()))
    assert seen == pytest.approx([0.05 ** (1 / 3), 0.05 ** (2 / 3), 0.05, 0.05, 0.05])


def test_a_checkpoint_carries_the_temperature() -> None:
    trained, fresh = build(), build()
    trained.steps.fill_(700)
    fresh.load_state_dict(trained.state_dict())
    assert float(fresh.temperature()) == float(trained.temperature()) < 1.0


@pytest.mark.parametrize("options", [{}, {"block": 2, "norm": "pre"}, {"anneal_steps": 0}], ids=str)
def test_it_obeys_the_contract(options: dict[str, object]) -> None:
    check_component(UniMixer, expansion=1, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block": 5}, "block=5. block of 1, 2, 3, 4, 6, 12 works"),
        ({"final_temperature": 0.0}, "0 < final_temperature <= temperature"),
        ({"final_temperature": 2.0}, "got final_temperature=2.0 and temperature=1.0"),
        ({"anneal_steps": -1}, "anneal_steps of at least 0, got -1"),
        ({"sinkhorn_iterations": 0}, "sinkhorn_iterations of at least 1, got 0"),
    ],
)
def test_options_out_of_range_are_refused_with_values_that_work(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**options)

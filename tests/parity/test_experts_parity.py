"""Sparse experts compute what RankMixer says, whether all of them run or the active ones only."""

from __future__ import annotations

import pytest
import torch

from hyrec.mixers import RankMixer, SparseRankMixer
from hyrec.nn.sparse_experts import SparseExperts
from hyrec.recording import recorded
from tests.parity.building import assert_tokens, generic, parameters_of, random_tokens, tokens_context
from tests.references import experts as reference
from tests.references import mixers
from tests.references.primitives import Weights

BOTH = pytest.mark.parametrize("training", ["dense", "sparse"])


def experts(training: str = "dense", *, activation: float = 0.5, shift: float = 0.0, tokens: int = 3) -> SparseExperts:
    """Return experts of which about half are active; ``shift`` moves the gates."""
    built = SparseExperts(tokens, 4, 12, num_experts=4, activation=activation, training=training)
    made: SparseExperts = generic(built)
    with torch.no_grad():
        made.router.b_TK += shift - 1.0
    return made


@BOTH
@pytest.mark.parametrize(
    "shift", [-9.0, -0.5, 0.0, 9.0], ids=["none_active", "few_active", "half_active", "all_active"]
)
def test_sparse_experts_equal_their_reference(training: str, shift: float) -> None:
    layer, tokens = experts(training, shift=shift), random_tokens(5, 3, 4)
    share = float((layer.router(tokens) > 0).double().mean())
    assert {-9.0: share == 0, -0.5: 0 < share < 0.5, 0.0: 0.2 < share < 0.8, 9.0: share == 1}[shift]
    assert_tokens(layer(tokens), [reference.sparse_experts(Weights(layer), list(sample)) for sample in tokens])


@pytest.mark.parametrize("shift", [-9.0, -0.5, 0.0, 9.0])
def test_computing_active_experts_only_equals_computing_all(shift: float) -> None:
    layer, tokens = experts(shift=shift), random_tokens(64, 3, 4)
    gates = layer.router(tokens)
    torch.testing.assert_close(
        layer.active_experts(tokens, gates), layer.all_experts(tokens, gates), atol=1e-12, rtol=0.0
    )


def test_gradients_of_active_experts_only_equal_those_of_all() -> None:
    layer, tokens = experts(), random_tokens(16, 3, 4)
    found = []
    for compute in (layer.active_experts, layer.all_experts):
        layer.zero_grad()
        given = tokens.clone().requires_grad_()
        compute(given, layer.router(given)).square().sum().backward()
        assert given.grad is not None
        weights = {name: p.grad for name, p in layer.named_parameters() if "training_router" not in name}
        found.append({"tokens": given.grad, **weights})
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], atol=1e-10, rtol=1e-9, msg=name)


def test_an_expert_that_is_not_active_is_not_computed_in_inference() -> None:
    layer, tokens = experts(), random_tokens(5, 3, 4)
    with torch.no_grad():
        layer.router.w_TDK[..., 1], layer.router.b_TK[:, 1] = 0.0, -1.0
        expected = layer(tokens)
        layer.w1_TXKD[:, 1] = float("nan")
    torch.testing.assert_close(layer(tokens), expected, atol=0.0, rtol=0.0)
    assert layer.all_experts(tokens, layer.router(tokens)).isnan().all()


@pytest.mark.parametrize(("residual", "norm"), [("double", "post"), ("single", "pre"), ("single", "both")])
def test_sparse_rankmixer_equals_its_reference(residual: str, norm: str) -> None:
    options = {"expansion": 2, "num_experts": 4, "residual": residual, "norm": norm}
    mixer = generic(SparseRankMixer(tokens_context(4, 8), **options))
    tokens = random_tokens(3, 4, 8)
    expected = [mixers.rankmixer(Weights(mixer), list(sample), residual=residual, norm=norm) for sample in tokens]
    assert_tokens(mixer(tokens), expected)


@BOTH
def test_experts_have_the_parameters_of_the_dense_network_and_of_their_routers(training: str) -> None:
    t, d, k, x = 4, 8, 3, 6
    dense = RankMixer(tokens_context(t, d), expansion=k)
    sparse = SparseRankMixer(tokens_context(t, d), expansion=k, num_experts=x, training=training)
    routers = (2 if training == "dense" else 1) * t * (d * x + x)
    biases = t * (x - 1) * d  # every expert has an output bias
    assert parameters_of(sparse) == parameters_of(dense) + biases + routers


@pytest.mark.parametrize("token", [0, 2])
def test_every_token_has_a_router_of_its_own(token: int) -> None:
    layer, tokens = experts(), random_tokens(5, 3, 4)
    before = layer.router(tokens)
    with torch.no_grad():
        layer.router.b_TK[token] += 2.0
    changed = (layer.router(tokens) != before).any(2).any(0)
    assert changed.tolist() == [t == token for t in range(3)]


def test_each_router_routes_one_half_of_the_samples_in_training() -> None:
    layer, tokens = experts().train(), random_tokens(6, 3, 4)
    first = [reference.sparse_experts(Weights(layer), list(s), router="training_router") for s in tokens]
    second = [reference.sparse_experts(Weights(layer), list(s)) for s in tokens]
    drawn = set()
    for _ in range(20):
        out = layer(tokens)
        by_second = [torch.allclose(out[i], torch.stack(second[i]), atol=1e-9) for i in range(6)]
        assert sum(by_second) == 3
        assert_tokens(out, [second[i] if chosen else first[i] for i, chosen in enumerate(by_second)])
        drawn.add(tuple(by_second))
    assert len(drawn) > 1


@BOTH
def test_the_added_loss_is_the_weighed_sum_of_the_gates_of_the_router_that_infers(training: str) -> None:
    layer, tokens = experts(training).train(), random_tokens(6, 3, 4)
    layer.control.weight.fill_(0.25)
    with recorded() as said:
        layer(tokens)
    assert said.loss is not None
    expected = 0.25 * reference.penalty(Weights(layer), [list(sample) for sample in tokens])
    assert float(said.loss.detach()) == pytest.approx(expected, rel=1e-6)
    said.loss.backward()
    reached = {name.split(".")[0] for name, p in layer.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == {"router"}


def test_the_task_reaches_both_routers_without_the_added_loss() -> None:
    layer, tokens = experts().train(), random_tokens(8, 3, 4)
    layer(tokens).square().sum().backward()
    for router in (layer.router, layer.training_router):
        assert all(bool((p.grad != 0).any()) for p in router.parameters())


def test_inference_ignores_the_router_that_only_training_has() -> None:
    layer, tokens = experts(), random_tokens(5, 3, 4)
    expected = layer(tokens)
    with torch.no_grad():
        for parameter in layer.training_router.parameters():
            parameter.fill_(float("nan"))
    assert torch.equal(layer(tokens), expected)

"""The weight of the gates' L1 term: how it moves, and that it brings the set share of experts about."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyrec.nn.activation_control import ActivationControl
from hyrec.nn.sparse_experts import SparseExperts
from hyrec.recording import recorded


def gates(active: int, of: int = 8) -> Tensor:
    """Return gates of which so many are above zero."""
    return (torch.arange(of) < active).float().view(1, 1, of)


def step(control: ActivationControl, *batches: Tensor) -> float:
    """Take a step of some batches; return the factor on the weight."""
    before = float(control.weight)
    for batch in batches:
        control.count(batch)
    control.adapt()
    return float(control.weight) / before


@pytest.mark.parametrize(("active", "factor"), [(8, 1.2), (0, 1 / 1.2)])
def test_the_weight_moves_by_a_fifth_at_most(active: int, factor: float) -> None:
    control = ActivationControl(0.25)
    control.measured.fill_(active / 8)
    assert step(control, gates(active)) == pytest.approx(factor, rel=1e-5)


def test_the_weight_stays_where_the_share_is_the_set_one_and_still() -> None:
    control = ActivationControl(0.25)
    control.measured.fill_(0.25)
    assert step(control, gates(2)) == pytest.approx(1.0, rel=1e-6)


def test_a_share_that_falls_fast_lowers_the_weight_before_it_is_reached() -> None:
    control = ActivationControl(0.25)
    control.measured.fill_(0.75)
    assert step(control, gates(4)) < 1.0


@pytest.mark.parametrize(("active", "limit"), [(8, 1.0), (0, 1e-10)])
def test_the_weight_has_limits_that_it_can_leave_again(active: int, limit: float) -> None:
    control = ActivationControl(0.25)
    for _ in range(200):
        step(control, gates(active))
    assert float(control.weight) == pytest.approx(limit)
    for _ in range(30):
        factor = step(control, gates(8 - active))
    assert factor == pytest.approx(1.2 if active == 0 else 1 / 1.2, rel=1e-3)


def test_the_batches_of_one_step_count_together() -> None:
    parts, whole = ActivationControl(0.25), ActivationControl(0.25)
    assert step(parts, gates(1), gates(7)) == step(whole, torch.cat([gates(1), gates(7)]))
    assert torch.equal(parts.measured, whole.measured)


def test_a_step_without_a_counted_batch_changes_nothing() -> None:
    control = ActivationControl(0.25)
    assert step(control) == 1.0


def test_a_control_that_is_loaded_goes_on_as_the_saved_one() -> None:
    saved, loaded = ActivationControl(0.25), ActivationControl(0.25)
    shares = [gates(8), gates(5), gates(1), gates(2)]
    for share in shares[:2]:
        step(saved, share)
    loaded.load_state_dict(saved.state_dict())
    for share in shares[2:]:
        step(saved, share)
        step(loaded, share)
    assert torch.equal(loaded.weight, saved.weight)
    assert torch.equal(loaded.measured, saved.measured)


@pytest.mark.parametrize("activation", [0.0, -0.5, 1.5, math.nan])
def test_a_share_that_cannot_be_is_refused(activation: float) -> None:
    with pytest.raises(ValueError, match=r"above 0 and up to 1: got .*0.25 works"):
        ActivationControl(activation)


def shares_in_training(activation: float, steps: int) -> Iterator[tuple[float, float]]:
    """Train experts on labels that a random network draws; yield each step's share of active experts, and the loss."""
    torch.manual_seed(0)
    tokens, width = 2, 16
    layer = SparseExperts(tokens, width, 4 * width, num_experts=8, activation=activation)
    teacher, before, after = nn.Linear(width, width), nn.Linear(width, tokens * width), nn.Linear(width, 1)
    parameters = [*layer.parameters(), *before.parameters(), *after.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=4e-3)
    for _ in range(steps):
        x = torch.randn(64, width)
        label = (teacher(x).tanh().sum(1) > 0).float()
        with recorded() as said:
            logits = after(layer(before(x).unflatten(1, (tokens, width))).mean(1)).squeeze(1)
        loss = F.binary_cross_entropy_with_logits(logits, label)
        optimizer.zero_grad()
        (loss + said.loss).backward()
        layer.adapt()
        optimizer.step()
        yield float(said.figures()["experts/active"]), float(loss.detach())


@pytest.mark.parametrize("activation", [0.5, 0.125])
def test_the_set_share_of_experts_is_reached_and_held(activation: float) -> None:
    measured = list(shares_in_training(activation, steps=500))
    shares, losses = zip(*measured, strict=True)
    assert shares[0] > 0.8
    late = torch.tensor(shares[-100:])
    assert float((late / activation - 1).abs().max()) < 0.25
    assert float(late.mean()) == pytest.approx(activation, rel=0.1)
    assert sum(losses[-50:]) < 0.8 * sum(losses[:50]), "and the task is learned"

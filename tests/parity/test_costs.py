"""Counted FLOPs of the sequence encoders are those of LONGER's formulas."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hyrec.batch import Sequence
from hyrec.encoders import LongerEncoder, TransformerEncoder
from tests.parity.building import context


def flops_of(encoder: nn.Module, length: int, width: int) -> int:
    """Count the floating point operations of one request with ``length`` events."""
    sequence = Sequence(
        torch.zeros(length, width, device="meta"), torch.zeros(2, dtype=torch.int64, device="meta"), length
    )
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        encoder.to("meta")(sequence)
    return int(counter.get_total_flops())


def formula(length: int, width: int) -> int:
    """``24 L d^2 + 4 L^2 d`` (LONGER 3.3)."""
    return 24 * length * width**2 + 4 * length**2 * width


@pytest.mark.parametrize(("length", "width", "millions"), [(2048, 32, 587.2), (512, 128, 335.5)])
def test_a_transformer_layer_costs_what_longer_states(length: int, width: int, millions: float) -> None:
    encoder = TransformerEncoder(context(d_sequence=width), num_heads=4, expansion=4)
    counted = flops_of(encoder, length, width)
    assert counted == formula(length, width)
    assert round(counted / 1e6, 1) == millions


def test_merging_four_events_saves_the_share_that_longer_states() -> None:
    vanilla = flops_of(LongerEncoder(context(d_sequence=32), num_recent=2048, num_heads=4), 2048, 32)
    merged = flops_of(LongerEncoder(context(d_sequence=32), num_recent=512, merge_ratio=4, num_heads=4), 2048, 32)
    assert vanilla == formula(2048, 32)
    assert merged == formula(512, 128)
    assert round(1 - merged / vanilla, 3) == 0.429


def test_parameters_of_a_merged_layer_are_those_that_longer_states() -> None:
    # 12 K^2 d^2 + 13 K d: four projections, a feed-forward network of four times the width, two norms.
    width = 4 * 32
    encoder = LongerEncoder(context(d_sequence=32), merge_ratio=4, num_heads=4)
    assert sum(p.numel() for p in encoder.parameters()) == 12 * width**2 + 13 * width


def test_fewer_recent_tokens_cost_less() -> None:
    costs = [flops_of(LongerEncoder(context(d_sequence=8), num_recent=k, num_heads=2), 64, 8) for k in (4, 16, 64)]
    assert costs == sorted(costs)
    assert costs[0] < costs[-1] / 2


@pytest.mark.parametrize("queries", ["uniform", "half", "learnable"])
def test_which_tokens_attend_costs_nothing_but_their_number(queries: str) -> None:
    recent = flops_of(LongerEncoder(context(d_sequence=8), num_recent=16, num_heads=2), 64, 8)
    assert flops_of(LongerEncoder(context(d_sequence=8), num_recent=16, queries=queries, num_heads=2), 64, 8) == recent

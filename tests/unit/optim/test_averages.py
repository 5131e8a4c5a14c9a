"""Averages of weights leave whole numbers as they are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn

from hyrec.optim.averages import average_weights_only

DECAY = 0.9


class Indexed(nn.Module):
    """A weight, and buffers as components have them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.register_buffer("index", torch.arange(1000), persistent=False)
        self.register_buffer("running", torch.zeros(2))


@pytest.fixture(params=[{"avg_fn": get_ema_avg_fn(DECAY)}, {"multi_avg_fn": get_ema_multi_avg_fn(DECAY)}, {}])
def averaged(request: pytest.FixtureRequest) -> dict[str, torch.Tensor]:
    options: dict[str, Any] = request.param
    model = Indexed()
    average = AveragedModel(model, use_buffers=True, **options)
    average_weights_only([SimpleNamespace(average=average), SimpleNamespace(other=model)])
    for value in (0.0, 1.0, 1.0):
        nn.init.constant_(model.weight, value)
        model.get_buffer("running").fill_(value)
        average.update_parameters(model)
    return {name: average.get_buffer(f"module.{name}") for name in ("index", "running")}


def test_indexes_stay_what_they_are(averaged: dict[str, torch.Tensor]) -> None:
    assert torch.equal(averaged["index"], torch.arange(1000))


def test_statistics_are_averaged(averaged: dict[str, torch.Tensor]) -> None:
    assert bool((averaged["running"] > 0.1).all())
    assert bool((averaged["running"] < 0.9).all())

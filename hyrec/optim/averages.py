"""Averages of weights over steps, such as Lightning's ``EMAWeightAveraging``: whole numbers are no weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_swa_avg_fn


def average_weights_only(callbacks: Iterable[object]) -> None:
    """Let callbacks that average a model copy its indexes and counts.

    An average of equal whole numbers in floating point, cut to a whole number, is often one less.

    Args:
        callbacks: Of a trainer; those that hold an ``AveragedModel`` are changed.
    """
    for averaged in averages_of(callbacks):
        if averaged.multi_avg_fn is None:
            averaged.avg_fn = partial(_average, averaged.avg_fn or get_swa_avg_fn())
        else:
            averaged.multi_avg_fn = partial(_average_all, averaged.multi_avg_fn)


def averages_of(callbacks: Iterable[object]) -> list[AveragedModel]:
    """Return the averaged models that callbacks hold."""
    return [value for callback in callbacks for value in vars(callback).values() if isinstance(value, AveragedModel)]


def _average(average: Callable[..., Tensor], so_far: Tensor, new: Tensor, count: Tensor) -> Tensor:
    return average(so_far, new, count) if so_far.is_floating_point() else new


def _average_all(average: Callable[..., Any], so_far: list[Tensor], new: list[Tensor], count: Tensor) -> None:
    """Average tensors of one type in place."""
    if so_far[0].is_floating_point():
        average(so_far, new, count)
        return
    for old, value in zip(so_far, new, strict=True):
        old.copy_(value)

"""Comparing numbers: how far two results are apart, and how far they may be."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

TOLERANCES: Mapping[torch.dtype, float] = MappingProxyType(
    {torch.float64: 1e-9, torch.float32: 2e-5, torch.float16: 2e-2, torch.bfloat16: 8e-2}
)
"""Relative error up to which two ways to compute the same thing in a precision count as equal.

Room for a few layers: about 10 times the rounding of bfloat16 and 100 times that of float32.
"""


def tolerance_of(dtype: torch.dtype) -> float:
    """Return the relative error that a precision allows; exact types (bool, integers) allow none."""
    return TOLERANCES[dtype] if dtype.is_floating_point else 0.0


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Return the largest difference in units of the largest expected number: ``max|a - e| / max|e|``.

    One scale for the whole tensor: a number that cancels to almost nothing does not count as wrong. Where
    only zeros are expected, it is the absolute error. NaN or infinity on one side gives infinity; the same on
    both sides counts as equal.

    Args:
        actual: What was computed.
        expected: What it is compared with, same shape.

    Raises:
        ValueError: When the shapes differ.

    Example:
        >>> relative_error(torch.tensor([1.0, 4.5]), torch.tensor([1.0, 5.0]))
        0.1
    """
    if actual.shape != expected.shape:
        raise ValueError(f"Shapes differ: got {tuple(actual.shape)}, expected {tuple(expected.shape)}.")
    if not actual.numel():
        return 0.0
    a, e = actual.detach().to(torch.float64), expected.detach().to(torch.float64)
    equal = (a == e) | (a.isnan() & e.isnan())
    difference = torch.where(equal, 0.0, (a - e).abs())
    if not bool(difference.isfinite().all()):
        return float("inf")
    scale = float(torch.where(e.isfinite(), e.abs(), 0.0).max())
    return float(difference.max()) / (scale or 1.0)


def assert_close_at(
    actual: Tensor, expected: Tensor, dtype: torch.dtype | None = None, *, name: str = "result"
) -> None:
    """Assert that two tensors agree as far as a precision allows, by default that of the less precise of the two.

    Raises:
        AssertionError: With the error, what is allowed, and the place of the largest difference.
    """
    if actual.shape != expected.shape:
        raise AssertionError(f"{name}: shape {tuple(actual.shape)}, expected {tuple(expected.shape)}.")
    allowed = (
        tolerance_of(dtype) if dtype is not None else max(tolerance_of(actual.dtype), tolerance_of(expected.dtype))
    )
    error = relative_error(actual, expected)
    if error > allowed:
        gap = (actual.detach().double() - expected.detach().double()).abs().nan_to_num(nan=float("inf"))
        place = tuple(int(i) for i in torch.unravel_index(gap.argmax(), gap.shape))
        raise AssertionError(
            f"{name}: relative error {error:.3g}, allowed {allowed:.3g}; furthest apart at {list(place)}: "
            f"{float(actual[place]):.6g}, expected {float(expected[place]):.6g}."
        )

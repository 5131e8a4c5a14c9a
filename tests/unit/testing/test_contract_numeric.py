"""Relative errors, tolerances and assertions."""

from __future__ import annotations

import math

import pytest
import torch

from hyrec.testing import assert_close_at, relative_error, tolerance_of


def test_the_error_is_measured_on_the_scale_of_the_largest_expected_number() -> None:
    assert relative_error(torch.tensor([1e-9, 100.0]), torch.tensor([0.0, 101.0])) == pytest.approx(1 / 101)


def test_the_error_is_absolute_where_zero_is_expected() -> None:
    assert relative_error(torch.tensor([0.25]), torch.tensor([0.0])) == 0.25


def test_empty_tensors_do_not_differ() -> None:
    assert relative_error(torch.zeros(0), torch.zeros(0)) == 0.0


@pytest.mark.parametrize(
    ("actual", "expected", "error"),
    [
        (math.nan, 1.0, math.inf),
        (1.0, math.nan, math.inf),
        (math.inf, 1.0, math.inf),
        (math.inf, math.inf, 0.0),
        (math.nan, math.nan, 0.0),
        (-math.inf, math.inf, math.inf),
    ],
)
def test_numbers_that_are_not_finite_are_equal_only_to_themselves(actual: float, expected: float, error: float) -> None:
    assert relative_error(torch.tensor([actual, 1.0]), torch.tensor([expected, 1.0])) == error


def test_shapes_that_differ_are_refused_with_both() -> None:
    with pytest.raises(ValueError, match=r"got \(2,\), expected \(3,\)"):
        relative_error(torch.zeros(2), torch.zeros(3))
    with pytest.raises(AssertionError, match=r"logits: shape \(2,\), expected \(3,\)"):
        assert_close_at(torch.zeros(2), torch.zeros(3), name="logits")


def test_the_less_precise_side_decides_the_tolerance() -> None:
    exact = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert_close_at(exact.float() * (1 + 1e-6), exact)
    with pytest.raises(AssertionError, match="allowed 1e-09"):
        assert_close_at(exact.float() * (1 + 1e-6), exact, torch.float64)


def test_the_message_names_the_place_and_both_numbers() -> None:
    with pytest.raises(AssertionError, match=r"furthest apart at \[1, 0\]: 7, expected 3"):
        assert_close_at(torch.tensor([[1.0], [7.0]]), torch.tensor([[1.0], [3.0]]))


def test_integers_must_be_equal() -> None:
    assert tolerance_of(torch.int64) == 0.0
    with pytest.raises(AssertionError, match="allowed 0"):
        assert_close_at(torch.tensor([2]), torch.tensor([3]))

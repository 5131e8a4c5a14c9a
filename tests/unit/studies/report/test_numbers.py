import math

import pytest

from hyrec.studies.analysis.statistics import Interval
from hyrec.studies.report.numbers import (
    between,
    difference,
    fixed,
    listing,
    percent,
    probability,
    signed,
    slug,
    span,
    times,
)


def test_a_difference_that_rounds_to_zero_has_no_sign() -> None:
    assert signed(-0.00001) == "0.0000"
    assert signed(-0.0001) == "−0.0001"


def test_an_end_beside_zero_does_not_read_as_zero() -> None:
    assert span(Interval(0.0, 0.00002, 0.00011)) == "[+0.00002, +0.00011]"
    assert span(Interval(0.0, -0.001, 0.002)) == "[−0.0010, +0.0020]"
    assert span(Interval(0.0, 0.0, 0.0)) == "[0.0000, 0.0000]"
    assert difference(math.nan, 0.00004) == "[–, +0.00004]"


def test_a_number_that_does_not_exist_is_a_dash() -> None:
    for write in (fixed, signed, percent, probability, times, difference):
        assert write(math.nan) == "–"
    assert fixed(None) == percent(None) == span(None) == "–"
    assert span(Interval(0.1, math.nan, math.nan)) == "–"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (fixed(0.64891), "0.6489"),
        (signed(0.0012), "+0.0012"),
        (difference(-0.00003), "−0.00003"),
        (percent(0.0017), "+0.17 %"),
        (probability(0.034), "0.034"),
        (probability(0.00002), "< 0.001"),
        (times(0.523), "0.52 ×"),
        (times(12.3), "12.3 ×"),
        (between(0.1, 0.25), "0.1000 to 0.2500"),
        (listing(["a", "b", "c"]), "a, b and c"),
        (slug("val/query_auc"), "val-query-auc"),
    ],
)
def test_numbers_and_names_are_written_as_a_reader_expects(written: str, expected: str) -> None:
    assert written == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0012, "+0.0012"), (0.00003, "+0.00003"), (0.0, "0.0000"), (1e-9, "0.0000")]
)
def test_digits_follow_the_smallest_difference_that_can_be_shown(value: float, expected: str) -> None:
    assert difference(value) == expected

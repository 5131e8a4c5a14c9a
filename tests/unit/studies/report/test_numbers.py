import math

from hyrec.studies.analysis.statistics import Interval
from hyrec.studies.report.numbers import digits_for, duration, fixed, percent, probability, short, signed, span, times


def test_a_difference_that_rounds_to_zero_has_no_sign() -> None:
    assert signed(-0.00001) == "0.0000"
    assert signed(-0.0001) == "−0.0001"


def test_an_end_beside_zero_does_not_read_as_zero() -> None:
    assert span(Interval(0.0, 0.00002, 0.00011)) == "[+0.00002, +0.00011]"
    assert span(Interval(0.0, -0.001, 0.002)) == "[−0.0010, +0.0020]"
    assert span(Interval(0.0, 0.0, 0.0)) == "[0.0000, 0.0000]"
    assert digits_for(math.nan, 0.00004) == 5


def test_a_number_that_does_not_exist_is_a_dash() -> None:
    for write in (fixed, signed, percent, short, probability, times):
        assert write(None) == write(math.nan) == "–"
    assert span(Interval(0.1, math.nan, math.nan)) == "–"


def test_durations_carry_over_to_the_next_unit() -> None:
    assert [duration(s) for s in (9.94, 59.6, 3599.6, 3600, 86399)] == ["9.9 s", "1 min", "1 h", "1 h", "24 h"]

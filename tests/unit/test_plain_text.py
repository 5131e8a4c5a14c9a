import pytest

from hyrec.plain_text import count, duration


def test_durations_carry_over_to_the_next_unit() -> None:
    assert [duration(s) for s in (9.94, 59.6, 3599.6, 3600, 86399)] == ["9.9 s", "1 min", "1 h", "1 h", "24 h"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (count(1_555_713), "1.56 M"),
        (count(999_600), "1 M"),
        (count(0.25), "0.25"),
        (duration(0.26), "0.3 s"),
        (duration(130), "2 min 10 s"),
        (duration(7500), "2 h 5 min"),
    ],
)
def test_counts_and_durations_are_written_as_a_reader_expects(written: str, expected: str) -> None:
    assert written == expected

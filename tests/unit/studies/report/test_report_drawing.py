from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hyrec.studies.report.axis import Axis
from hyrec.studies.report.cost import spread
from hyrec.studies.report.curves import average
from hyrec.studies.report.drawing import Drawing, shorten, standalone
from hyrec.studies.report.markdown import plain

from hyrec.studies.report.numbers import digits_for, signed, span

finite = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(finite, min_size=1, max_size=8), st.integers(2, 6))
def test_ticks_lie_on_the_axis_and_their_labels_differ(values: list[float], count: int) -> None:
    axis = Axis.around(values, 0, 100)
    ticks = axis.ticks(count)
    assert len(ticks) <= count + 1
    slack = (axis.high - axis.low) * 1e-6
    assert all(axis.low - slack <= tick <= axis.high + slack for tick in ticks)
    assert all(0 <= axis(value) <= 100 for value in values)
    assert len(set(axis.labels(ticks))) == len(ticks)


@given(st.lists(st.floats(1, 1e12), min_size=1, max_size=8), st.integers(3, 6))
def test_logarithmic_ticks_lie_on_the_axis(values: list[float], count: int) -> None:
    axis = Axis.around(values, 0, 100, log=True)
    ticks = axis.ticks(count)
    assert 1 <= len(ticks) <= count + 1
    assert all(-1e-6 <= axis(tick) <= 100 + 1e-6 for tick in ticks)
    assert len(set(axis.labels(ticks))) == len(ticks)
    assert all(-1e-6 <= axis(value) <= 100 + 1e-6 for value in values)


def test_an_axis_without_a_span_is_refused() -> None:
    with pytest.raises(ValueError, match="low=1 and high=1"):
        Axis(1, 1, 0, 10)
    with pytest.raises(ValueError, match="0 < low"):
        Axis(0, 1, 0, 10, log=True)


@given(st.lists(st.floats(0, 100), max_size=12), st.floats(1, 8))
def test_labels_are_moved_apart_and_keep_their_order(wanted: list[float], apart: float) -> None:
    places = spread(wanted, apart, 0, 100)
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    assert all(places[b] - places[a] >= apart - 1e-9 for a, b in pairwise(order))
    assert all(place >= -1e-9 for place in places)
    assert all(place <= 100 + 1e-9 for place in places)


def test_labels_with_room_stay_where_they_are() -> None:
    assert spread([50, 10, 90], 10, 0, 100) == [50, 10, 90]


def test_curves_are_averaged_over_the_steps_that_all_seeds_logged() -> None:
    curve = average([[(1, 0.2), (2, 0.4), (3, 9.0)], [(1, 0.4), (2, 0.8), (4, 9.0)]])
    assert curve is not None
    assert curve.steps == (1, 2)
    assert curve.mean == pytest.approx((0.3, 0.6))
    assert (curve.low, curve.high) == (pytest.approx((0.2, 0.4)), pytest.approx((0.4, 0.8)))
    assert curve.num_seeds == 2


def test_long_curves_keep_their_mean_in_fewer_points() -> None:
    curve = average([[(step, float(step)) for step in range(1000)]])
    assert curve is not None
    assert len(curve.steps) == 120
    assert curve.mean == pytest.approx(curve.steps)


def test_values_that_are_not_finite_leave_no_point() -> None:
    curve = average([[(1, math.nan), (2, 0.5)], []])
    assert curve is not None
    assert curve.steps == (2,)
    assert average([[(1, math.nan)]]) is None
    assert average([[(1, 0.1)], [(2, 0.1)]]) is None


def test_texts_in_drawings_are_escaped() -> None:
    drawing = Drawing("a", "<title> & more", "<desc>", 10, 10)
    drawing.text(0, 0, "<b>")
    drawing.marker("circle", 1, 1, "dot", tip='"<tip>')
    for svg in (drawing.inline(), standalone([drawing], "<t>", "<d>")):
        assert "<b>" not in svg
        assert "<tip>" not in svg
        assert "&lt;b&gt;" in svg


def test_a_chart_file_follows_the_readers_preference() -> None:
    svg = standalone([Drawing("a", "t", "d", 10, 10)], "t", "d")
    assert "prefers-color-scheme: dark" in svg
    assert 'class="ground"' in svg


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("no_pooling", "no_pooling"),
        ("0.6972 ± 0.0095", "0.6972 ± 0.0095"),
        ("1. first", "1\\. first"),
        ("- item", "\\- item"),
        ("# head", "\\# head"),
        ("*bold* `code` ~gone~", "\\*bold\\* \\`code\\` \\~gone\\~"),
        ("![x](y)", "!\\[x\\](y)"),
        ("two\nlines", "two lines"),
    ],
)
def test_markdown_shows_text_as_it_is(text: str, escaped: str) -> None:
    assert plain(text) == escaped


def test_names_are_cut_in_the_middle() -> None:
    assert shorten("short", 10) == "short"
    assert len(shorten("a" * 40, 10)) == 10


def test_a_difference_that_rounds_to_zero_has_no_sign() -> None:
    assert signed(-0.00001) == "0.0000"
    assert signed(-0.0001) == "−0.0001"


def test_an_end_beside_zero_does_not_read_as_zero() -> None:
    assert span(0.00002, 0.00011) == "[+0.00002, +0.00011]"
    assert span(-0.001, 0.002) == "[−0.0010, +0.0020]"
    assert span(0.0, 0.0) == "[0.0000, 0.0000]"
    assert digits_for(math.nan, 0.00004) == 5

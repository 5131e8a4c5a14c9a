"""Conditions as text: what is read, what is refused with what to write, and which values fulfil them."""

from __future__ import annotations

import math
import operator
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyrec.condition import Comparison, Condition

VALUES = st.one_of(
    st.integers(-9, 10**20),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text("aä.' [1", max_size=4),
)
COMPARED = st.one_of(
    st.tuples(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), VALUES),
    st.tuples(st.sampled_from(["in", "not in"]), st.lists(VALUES, min_size=1, max_size=3)),
)
NAMES = st.one_of(
    st.sampled_from(["is_click", "item.tag", "not", "true", "12", "an odd name"]), st.text("aB9_.- =", min_size=1)
)


@given(NAMES, COMPARED)
def test_a_condition_is_read_from_how_it_is_written(column, compared):
    condition = Condition(column, *compared)
    again = Condition.from_text(str(condition))
    assert again == condition
    assert str(again) == str(condition)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("is_click", ("is_click", "==", 1)),
        ("is_click==1", ("is_click", "==", 1)),
        (" play_time_ms  >=10000 ", ("play_time_ms", ">=", 10000)),
        ("tab in [1,2]", ("tab", "in", [1, 2])),
        ("tab not  in ['1', \"o'c\"]", ("tab", "not in", ["1", "o'c"])),
        ("item.price <= .5", ("item.price", "<=", 0.5)),
        ("is_new == True", ("is_new", "==", True)),
        ("'not a name' != -1e3", ("not a name", "!=", -1000.0)),
    ],
)
def test_short_forms_mean_column_comparison_and_value(text, means):
    assert Condition.from_text(text) == Condition(*means)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("is_click = 1", "write is_click == 1"),
        ("state == sold", "text stands in quotes, as state == 'sold'"),
        ("a == b", "text stands in quotes"),
        ("a == 1 and b == 2", "Several are a list"),
        ("a == 1, b == 2", "Several are a list"),
        ("tab in 1", r"write tab in \[1\]"),
        ("tab in [1, 2", "does not end"),
        ("tab in []", "is empty or does not end"),
        ("tab == [1]", "goes with in"),
        ("a == null", "a missing value fulfils no condition"),
        ("not is_click", "as is_click == 0"),
        ("1 < a", "the column|which is no column"),
        ("a > 1 2", "too much"),
        ("a >", "has no value"),
        ("a == 'sold", "quote that does not end"),
        ("a + b > 1", "has '\\+' after the column"),
        ("pl.col('a') > 1", "which is no column"),
        ("__import__('os').system('true')", "which is no column"),
    ],
)
def test_what_is_no_condition_is_answered_with_what_to_write(text, said):
    with pytest.raises(ValueError, match=said) as refused:
        Condition.from_text(text)
    assert "play_time_ms >= 10000" in str(refused.value)


@given(
    st.sampled_from(get_args(Comparison)),
    st.lists(st.integers(-2, 2) | st.just(math.nan), max_size=9),
    st.integers(-2, 2),
)
def test_numbers_fulfil_it_as_a_loop_finds(op, values, value):
    plain = {
        "==": operator.eq,
        "!=": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
    }
    known = [v for v in values if not math.isnan(v)]
    condition = Condition("a", op, [value, 5] if "in" in op else value)
    expected = [(v in (value, 5)) == (op == "in") if "in" in op else plain[op](v, value) for v in known]
    assert condition.of_numbers(np.array(known, dtype=float)).tolist() == expected

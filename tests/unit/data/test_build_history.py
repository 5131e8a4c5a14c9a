"""Histories and counters against a slow, obvious loop over every pair of impression and event."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from hyrec.data.logs.counters import EventCounts
from hyrec.data.logs.history import UNTIMED, EventIndex, key_codes, most_recent

# Few users and few moments, so that ties between an impression and events are the rule.
EVENTS = st.lists(
    st.tuples(st.integers(0, 3), st.one_of(st.integers(0, 6), st.just(UNTIMED)), st.booleans()), max_size=25
)
IMPRESSIONS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 7)), max_size=8)


def columns(rows: list[tuple], number: int) -> list[np.ndarray]:
    return [np.array([row[i] for row in rows], dtype=np.int64) for i in range(number)]


def slow_history(events: list[tuple], user: int, time: int, max_length: int) -> list[int]:
    """Rows of the user's events before the time, oldest first; equal times in their order of writing."""
    earlier = [(t, row) for row, (u, t, _) in enumerate(events) if u == user and t < time]
    return [row for _, row in sorted(earlier)][-max_length:]


@given(EVENTS, IMPRESSIONS, st.integers(1, 5), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_histories_equal_the_slow_ones(events, impressions, max_length, delay):
    key, time, _ = columns(events, 3)
    user, moment = columns(impressions, 2)
    index = EventIndex(key, time)
    position, offsets = most_recent(*index.before(user, moment - delay), max_length)
    got = np.split(index.order[position], offsets[1:-1]) if impressions else []
    assert [list(h) for h in got] == [slow_history(events, u, t - delay, max_length) for u, t in impressions]


@given(EVENTS, IMPRESSIONS)
@settings(max_examples=100, deadline=None)
def test_counts_equal_the_slow_ones(events, impressions):
    events = [event for event in events if event[1] != UNTIMED]
    key, time, positive = columns(events, 3)
    user, moment = columns(impressions, 2)
    counts, positives, ages = EventCounts(key, time, positive.astype(bool)).before(user, moment, moment)
    for i, (u, t) in enumerate(impressions):
        earlier = [(when, good) for who, when, good in events if who == u and when < t]
        assert counts[i] == len(earlier)
        assert positives[i] == sum(good for _, good in earlier)
        if earlier:
            assert ages[i] == t - max(when for when, _ in earlier)
        else:
            assert np.isnan(ages[i])


def test_since_hides_untimed_events_and_nothing_else():
    index = EventIndex(np.array([0, 0, 0]), np.array([UNTIMED, 5, 3]))
    start, end = index.before(np.array([0, 0]), np.array([6, 6]), np.array([UNTIMED, UNTIMED + 1]))
    assert [list(index.order[a:b]) for a, b in zip(start, end, strict=True)] == [[0, 2, 1], [2, 1]]


def test_times_in_microseconds_of_many_users_do_not_overflow():
    users, now = np.arange(3) * 10**9, 1_650_000_000_000_000
    index = EventIndex(users, np.full(3, now))
    start, end = index.before(users, np.array([now, now + 1, now + 1]))
    assert list(end - start) == [0, 1, 1]


def test_keys_are_equal_exactly_where_all_columns_are():
    code = key_codes([pl.Series(["a", "b", "a", None, None]), pl.Series([1, 1, 1, 2, None])])
    assert code[0] == code[2]
    assert len(set(code.tolist())) == 4

"""Threads of a cell."""

import os

import pytest

from hyrec.studies.plan.threads import threads_of_cell


@pytest.mark.parametrize(("jobs", "threads"), [(1, 6), (2, 3), (4, 1), (9, 1)])
def test_jobs_share_the_cores_that_this_process_may_use(jobs, threads, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert threads_of_cell(jobs) == threads


def test_without_a_word_on_what_may_be_used_all_cores_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert threads_of_cell(2) == 2

"""Which hyrec this is, and the threads of a cell."""

import os
import subprocess

import pytest

from hyrec.studies.plan.machine import source_commit, threads_of_cell


@pytest.fixture
def package(tmp_path):
    """A checkout with one commit."""
    folder = tmp_path / "repo" / "pkg"
    (folder.parent / "configs").mkdir(parents=True)
    folder.mkdir()
    (folder / "__init__.py").write_text("x = 1\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(folder.parent), *words], check=True, capture_output=True)
    return folder


def test_a_clean_checkout_is_its_commit(package):
    commit = source_commit(package)
    assert len(commit) == 40
    (package.parent / "elsewhere.txt").write_text("no part of the package")
    assert source_commit(package) == commit


def test_two_edited_trees_of_one_commit_can_be_told_apart(package):
    clean = source_commit(package)
    found = set()
    for text in ("x = 2\n", "x = 3\n"):
        (package / "__init__.py").write_text(text)
        found.add(source_commit(package))
    (package / "__init__.py").write_text("x = 1\n")
    for text in ("a", "b"):
        (package.parent / "configs" / "new.yaml").write_text(text)
        found.add(source_commit(package))
    assert len(found) == 4
    assert all(name.startswith(f"{clean}-dirty-") for name in found)


def test_outside_of_a_checkout_no_commit_is_known(tmp_path):
    (tmp_path / "__init__.py").touch()
    assert source_commit(tmp_path) is None


@pytest.mark.parametrize(("jobs", "threads"), [(1, 6), (2, 3), (4, 1), (9, 1)])
def test_jobs_share_the_cores_that_this_process_may_use(jobs, threads, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert threads_of_cell(jobs) == threads


def test_without_a_word_on_what_may_be_used_all_cores_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert threads_of_cell(2) == 2

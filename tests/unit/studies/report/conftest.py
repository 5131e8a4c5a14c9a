from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.studies.report.study_folder import write_study


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of five variants and three seeds in which every cell has finished; not to be changed."""
    return write_study(tmp_path_factory.mktemp("studies") / "finished", seeds=(0, 1, 2), requests=60)


@pytest.fixture
def study(finished_study: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes copies of the finished study that a test may damage."""

    def copy() -> Path:
        return Path(shutil.copytree(finished_study, tmp_path / "study"))

    return copy

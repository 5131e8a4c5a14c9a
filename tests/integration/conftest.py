from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from virtual_environment import Environment, make_environment
from warm_processes import WarmProcesses


@pytest.fixture(scope="session")
def env(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One environment for all tests that install packages."""
    return make_environment(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def forks() -> Iterator[WarmProcesses]:
    """Starts commands in processes of their own for all tests that ask nothing of how Python starts."""
    with WarmProcesses(sys.executable, {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}) as started:
        yield started


@pytest.fixture(scope="session")
def env_forks(env: Environment) -> Iterator[WarmProcesses]:
    """The same with the environment's hyrec, and the packages that are installed when a command starts."""
    with WarmProcesses(env.bin / "python", env.variables) as started:
        yield started

from __future__ import annotations

import pytest
from virtual_environment import Environment, make_environment


@pytest.fixture(scope="session")
def env(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One environment for all tests that install packages."""
    return make_environment(tmp_path_factory.mktemp("installed"))

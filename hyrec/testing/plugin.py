"""pytest plugin for authors of components.

Put ``pytest_plugins = ["hyrec.testing.plugin"]`` into the ``conftest.py`` of the root.
"""

from __future__ import annotations

import pytest

from hyrec.batch import Batch
from hyrec.sample_batch import random_batch
from hyrec.schema import Schema
from hyrec.testing.batches import tiny_schema


@pytest.fixture
def hyrec_schema() -> Schema:
    """A tiny schema with every kind of feature, three sequences and two tasks."""
    return tiny_schema()


@pytest.fixture(params=[1, (2, 1, 3, 1)], ids=["R=B", "R<B"])
def hyrec_batch(request: pytest.FixtureRequest, hyrec_schema: Schema) -> Batch:
    """A random batch of the tiny schema: once with a request for each sample, once with fewer requests."""
    return random_batch(hyrec_schema, candidates=request.param)

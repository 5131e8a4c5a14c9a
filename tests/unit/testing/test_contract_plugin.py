"""The fixtures that the pytest plugin gives to authors of components."""

from __future__ import annotations

from hyrec.batch import Batch
from hyrec.schema import Schema
from hyrec.testing import Setting

pytest_plugins = ["hyrec.testing.plugin"]


def test_the_batch_fits_the_schema(hyrec_schema: Schema, hyrec_batch: Batch) -> None:
    assert list(hyrec_batch.features) == list(hyrec_schema.features)
    assert list(hyrec_batch.sequences) == list(hyrec_schema.sequences)


def test_the_batch_comes_with_own_and_with_shared_requests(hyrec_batch: Batch) -> None:
    sizes = (hyrec_batch.num_samples, hyrec_batch.num_requests)
    assert sizes == ((4, 4) if hyrec_batch.request_of is None else (7, 4))


def test_the_default_setting_lets_the_tokens_divide_the_width() -> None:
    ctx = Setting().context("mixer")
    assert (ctx.d_model, ctx.num_tokens) == (32, 8)

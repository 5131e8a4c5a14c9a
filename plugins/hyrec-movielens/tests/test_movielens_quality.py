"""MovieLens-100K itself: the shipped schema fits, and HyFormer beats counting after one epoch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hyrec_movielens.archive import Archive, find_archive
from hyrec_movielens.dataset import build_movielens
from hyrec_movielens.figures import count, train

from hyrec.data.parquet.policy import DataError
from hyrec.schema import Schema

PACKAGE = Path(__file__).parents[1] / "hyrec_movielens"


@pytest.fixture(scope="module")
def ml100k() -> Archive:
    try:
        return find_archive(os.environ.get("HYREC_MOVIELENS", ""))
    except DataError as error:
        pytest.skip(f"needs MovieLens-100K: set HYREC_MOVIELENS to its path. {error}")


def test_the_shipped_schema_is_that_of_the_data(ml100k: Archive, tmp_path: Path) -> None:
    build_movielens(ml100k, tmp_path)
    assert Schema.load(PACKAGE / "ml100k_schema.yaml") == Schema.load(tmp_path / "schema.yaml")


@pytest.mark.slow
def test_one_epoch_of_hyformer_beats_counting(ml100k: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranking over all ratings and calibration by far; within users the two are close."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYREC_CACHE", str(tmp_path / "cache"))
    model, counted = train(str(ml100k.path)), count(str(ml100k.path))
    assert model["auc"] > counted["auc"] + 0.05
    assert model["ne"] < counted["ne"] - 0.05
    assert model["query_auc"] > counted["query_auc"] - 0.01

"""Tables of requests and of candidates are scored as one table of rows is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from hyrec import Experiment, Ranker, encode_requests, score, score_candidates
from hyrec.data.simulation.files import simulate
from hyrec.data.simulation.spec import SimulatorSpec
from hyrec.schema import Schema

SPEC = SimulatorSpec(num_requests=60, num_users=20, num_items=40, mean_views=12, max_views=60)


@pytest.fixture(scope="module")
def model_and_rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ranker, pl.DataFrame]:
    """A model, and requests of the simulated log with their candidates as lists."""
    folder: Path = tmp_path_factory.mktemp("log")
    simulate(SPEC, folder)
    arguments = ["--config", "pkg:hyrec/hyformer.yaml", "--schema", str(folder / "schema.yaml")]
    return Experiment.parse(arguments).model(), pl.read_parquet(folder / "train.parquet").head(6)


def apart(schema: Schema, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return a row a request without columns of candidates, and a row a candidate with the place of its request."""
    own = {name: f for name, f in schema.features.items() if schema.is_per_candidate(name)}
    columns = {f.column or name for name, f in own.items()} | {f.weight_column for f in own.values() if f.weight_column}
    listed = [name for name in rows.columns if name in columns | {"is_click"}]
    requests = rows.drop(listed)
    candidates = rows.with_row_index("request").select("request", "request_id", *listed).explode(listed)
    return requests.with_columns(rows["is_click"]), candidates


def test_candidates_of_a_table_score_as_rows_do(model_and_rows: Any) -> None:
    model, rows = model_and_rows
    requests, candidates = apart(model.schema, rows)
    scores = score_candidates(model, encode_requests(model, requests), candidates)
    np.testing.assert_allclose(scores["score_click"], score(model, rows)["score_click"], rtol=0, atol=1e-6)
    assert scores["request_id"].to_pylist() == candidates["request_id"].to_list()


def test_candidates_of_a_table_come_in_any_order(model_and_rows: Any) -> None:
    model, rows = model_and_rows
    requests, candidates = apart(model.schema, rows)
    state, order = encode_requests(model, requests), np.random.default_rng(0).permutation(len(candidates))
    mixed = score_candidates(model, state, candidates[order.tolist()])
    straight = np.asarray(score_candidates(model, state, candidates)["score_click"])
    np.testing.assert_allclose(mixed["score_click"], straight[order], rtol=0, atol=1e-6)


def test_a_request_that_is_not_there_is_refused(model_and_rows: Any) -> None:
    model, rows = model_and_rows
    requests, candidates = apart(model.schema, rows)
    state = encode_requests(model, requests.head(2))
    with pytest.raises(ValueError, match="names requests 0 to 5, and the state holds 2,"):
        score_candidates(model, state, candidates)

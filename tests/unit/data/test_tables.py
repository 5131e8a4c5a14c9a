"""Tables in memory as data, batches and scores: the same as the same rows in files."""

import gc
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from hyrec.config.experiment import Experiment
from hyrec.data.parquet import ParquetData
from hyrec.data.parquet.policy import DataError
from hyrec.data.simulation.files import simulate
from hyrec.data.simulation.spec import SimulatorSpec
from hyrec.data.tables import arrow_table, table_batches, table_data
from hyrec.schema import Schema
from hyrec.scoring import score


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    simulate(SimulatorSpec(num_requests=120), folder / "log")
    return folder / "log"


@pytest.fixture(scope="module")
def schema(log):
    return Schema.load(log / "schema.yaml")


@pytest.fixture(scope="module")
def table(log):
    return pq.read_table(log / "test.parquet")


def pandas_frame(table):
    return pytest.importorskip("pandas", reason="pandas is optional").DataFrame(table.to_pylist())


@pytest.mark.parametrize(
    "form", [lambda t: t, pl.from_arrow, pandas_frame, lambda t: t.combine_chunks().to_batches()[0]]
)
def test_every_kind_of_table_gives_the_batches_of_the_file(form, table, schema, log):
    made = list(table_batches(form(table), schema, batch_size=5))
    read = list(ParquetData(schema, predict=str(log / "test.parquet"), batch_size=5).predict_dataloader())
    assert len(made) == len(read) > 1
    for one, other in zip(made, read, strict=True):
        flat, same = torch.utils._pytree.tree_leaves(one), torch.utils._pytree.tree_leaves(other)
        for mine, theirs in zip(flat, same, strict=True):
            if isinstance(mine, torch.Tensor):
                assert torch.equal(mine.nan_to_num(-7), theirs.nan_to_num(-7))


def test_rows_without_labels_are_batches_with_unknown_labels(table, schema):
    batch = next(table_batches(table.drop_columns(["is_click"]), schema))
    assert batch.labels["click"].isnan().all()


def test_the_files_of_tables_go_with_their_data_module(table, schema):
    data = table_data(schema, train=table, batch_size=4)
    folder = Path(data.paths["train"]).parent
    assert folder.is_dir()
    assert data.num_samples("train") > 0
    del data
    gc.collect()
    assert not folder.exists()


@pytest.mark.parametrize("table", [[1, 2], {"item": [3]}, "rows.parquet"])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(DataError, match="one of Arrow, polars or pandas"):
        arrow_table(table)


def test_no_table_at_all_is_refused(schema):
    with pytest.raises(DataError, match="give one or more of train, validate, test, predict"):
        table_data(schema)


def test_scores_are_those_of_the_network_row_by_row(table, schema, log, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    model = Experiment.parse(["--config", "pkg:hyrec/debug.yaml", "--schema", str(log / "schema.yaml")]).model()
    scores = score(model, table, batch_size=7)
    assert model.training, "the mode stays"
    model.eval()
    with torch.no_grad():
        expected = torch.cat([model.network(b)["click"].sigmoid() for b in table_batches(table, schema)])
    assert scores["score_click"].to_numpy() == pytest.approx(expected.numpy(), abs=1e-6)
    assert scores["row"].to_pylist() == list(range(len(expected)))
    ids = pa.compute.list_flatten(table["item_id"])
    assert scores["item_id"].to_pylist() == ids.to_pylist()

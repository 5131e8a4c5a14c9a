"""The predictions of a pass, as Parquet."""

from types import SimpleNamespace

import lightning as L
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from hyrec.batch import Batch
from hyrec.callbacks.prediction_writer import PredictionWriter, prediction_table


class Scorer(L.LightningModule):
    """Returns ready-made scores."""

    primary_task = "like"

    def __init__(self, breaks_at=-1):
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.breaks_at = breaks_at

    def test_step(self, batch, batch_idx):
        if batch_idx == self.breaks_at:
            raise RuntimeError("the machine broke")
        return {"click": torch.full((batch.num_samples,), 0.25), "like": torch.full((batch.num_samples,), 0.75)}

    predict_step = test_step


class Silent(Scorer):
    """Returns nothing."""

    def test_step(self, batch, batch_idx):
        pass


def batches():
    for start in (0, 3):
        row = torch.arange(start, start + 3)
        label = torch.tensor([0.0, 1.0, float("nan")])
        yield Batch({}, {}, {"click": label, "like": 1 - label}, 3, group=row // 2, weights=row / 2, row=row)


def trainer(folder):
    return L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[PredictionWriter(str(folder))],
        default_root_dir=folder,
    )


def loader():
    return DataLoader(list(batches()), batch_size=None)


@pytest.mark.parametrize("pass_", ["test", "predict"])
def test_every_pass_writes_each_row_once_with_group_weight_label_and_score(pass_, tmp_path):
    run = trainer(tmp_path / "out")
    getattr(run, pass_)(Scorer(), loader())
    table = pq.read_table(tmp_path / "out" / "part-00000.parquet")
    assert table["row"].to_pylist() == list(range(6))
    assert table["group"].to_pylist() == [0, 0, 1, 1, 2, 2]
    assert table["weight"].to_pylist() == [0, 0.5, 1, 1.5, 2, 2.5]
    assert table["label_click"].to_pylist() == [0, 1, None] * 2
    assert table["score_like"].to_pylist() == [0.75] * 6


def test_the_primary_task_comes_first(tmp_path):
    trainer(tmp_path / "out").test(Scorer(), loader())
    names = pq.read_schema(tmp_path / "out" / "part-00000.parquet").names
    assert [n for n in names if n.startswith("score_")] == ["score_like", "score_click"]
    assert [n for n in names if n.startswith("label_")] == ["label_like", "label_click"]


def test_a_pass_that_broke_leaves_no_part_and_nothing_in_the_way(tmp_path):
    with pytest.raises(RuntimeError, match="the machine broke"):
        trainer(tmp_path / "out").test(Scorer(breaks_at=1), loader())
    assert not list((tmp_path / "out").iterdir())
    trainer(tmp_path / "out").test(Scorer(), loader())
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["part-00000.parquet"]


def test_older_predictions_are_refused_before_anything_is_computed(tmp_path):
    (tmp_path / "part-00000.parquet").touch()
    with pytest.raises(FileExistsError, match="holds predictions already"):
        trainer(tmp_path).test(Scorer(breaks_at=0), loader())


def test_a_model_whose_test_step_returns_no_scores_is_told_so(tmp_path):
    with pytest.raises(TypeError, match=r"Silent\.test_step must return the probabilities by task"):
        trainer(tmp_path / "out").test(Silent(), loader())


def test_ids_are_read_from_the_split_that_was_scored():
    asked = []
    data = SimpleNamespace(id_columns=lambda split, rows: asked.append(split) or prediction_table(batch, {}))
    batch = next(batches())
    for split in ("test", "predict"):
        prediction_table(batch, {}, data, split=split)
    assert asked == ["test", "predict"]

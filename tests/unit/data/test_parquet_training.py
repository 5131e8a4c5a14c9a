"""The loader inside a real Trainer: epochs, workers, resuming, prediction, reports."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, OnExceptionCheckpoint

from hyrec.batch import Batch
from hyrec.data.parquet.data import ParquetData
from hyrec.data.parquet.decode import Decoder
from hyrec.data.parquet.policy import DataError
from hyrec.schema import Schema

SCHEMA = {
    "features": {"item": {"vocab_size": 500}, "tags": {"kind": "multi_id", "vocab_size": 500}},
    "sequences": {"s": {"features": {"e": {"vocab_size": 500}}}},
    "tasks": {"click": {}},
}
NUM_ROWS = 45


@pytest.fixture
def data(tmp_path: Path) -> Callable[..., ParquetData]:
    items = list(range(3, 3 + NUM_ROWS))
    table = {
        "item": [None, *items[1:]],
        "click": [i % 2 for i in items],
        "tags": [[i] * (i % 3) for i in items],
        "e": [[i] * (i % 4) for i in items],
    }
    pq.write_table(pa.table(table), tmp_path / "rows.parquet", row_group_size=7)
    (tmp_path / "rows").mkdir()

    def make(**options: Any) -> ParquetData:
        path = str(tmp_path / "rows.parquet")
        settings = {"batch_size": 4, "shuffle_rows": 12, "seed": 3, **options}
        return ParquetData(
            settings.pop("schema", Schema.from_dict(SCHEMA)), train=path, validate=path, test=path, **settings
        )

    return make


def flat(batches: list[list[int]]) -> list[int]:
    return [row for batch in batches for row in batch]


class Recorder(lightning.LightningModule):
    """Notes the rows of every training step."""

    def __init__(self, fail_at: int = -1) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[list[int]] = []
        self.fail_at = fail_at

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        assert batch.row is not None
        if len(self.seen) == self.fail_at:
            raise RuntimeError("killed")
        self.seen.append(batch.row.tolist())
        assert torch.equal(batch.features["item"].clamp(min=3), (batch.row + 3).clamp(min=3))
        return self.bias.sum() * 0 + self.bias.sum()

    def validation_step(self, batch: Batch, index: int) -> None:
        assert batch.num_samples

    def test_step(self, batch: Batch, index: int) -> None:
        assert batch.num_samples

    def predict_step(self, batch: Batch, index: int) -> torch.Tensor:
        assert batch.row is not None
        return batch.row

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


pytestmark = pytest.mark.filterwarnings(
    "ignore:Values that a data policy", "ignore:Checkpoint directory", "ignore:.*ckpt_path"
)


def trainer(path: Path, **options: Any) -> lightning.Trainer:
    quiet = {
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "accelerator": "cpu",
    }
    callbacks = options.pop("callbacks", [])
    checkpoints = bool(callbacks)
    return lightning.Trainer(
        default_root_dir=path, enable_checkpointing=checkpoints, callbacks=callbacks, **{**quiet, **options}
    )


def fit(path: Path, data: ParquetData, model: Recorder, ckpt: Path | None = None, **options: Any) -> None:
    options = {"max_epochs": 3, "num_sanity_val_steps": 0, **options}
    trainer(path, **options).fit(model, data, ckpt_path=ckpt, weights_only=True)


@pytest.mark.parametrize("workers", [{}, {"num_workers": 2, "persistent_workers": True}])
def test_each_epoch_sees_every_row_in_another_order(
    tmp_path: Path, data: Callable[..., ParquetData], workers: dict[str, Any]
) -> None:
    model = Recorder()
    fit(tmp_path, data(**workers), model, max_epochs=2)
    steps = len(model.seen) // 2
    assert steps == 12
    first, second = flat(model.seen[:steps]), flat(model.seen[steps:])
    assert sorted(first) == sorted(second) == list(range(NUM_ROWS))
    assert first != second
    again = Recorder()
    fit(tmp_path, data(**workers), again, max_epochs=2)
    assert again.seen == model.seen


# 12 steps an epoch: inside the first, at its end, inside the second, at the end of the second.
@pytest.mark.parametrize(
    ("step", "options"),
    [(5, {}), (12, {}), (17, {}), (24, {}), (17, {"num_workers": 2}), (17, {"shuffle": False})],
    ids=str,
)
def test_a_killed_run_continues_with_the_rows_it_had_not_seen(
    tmp_path: Path, data: Callable[..., ParquetData], step: int, options: dict[str, Any]
) -> None:
    save = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=step, save_top_k=-1)
    straight = Recorder()
    fit(tmp_path, data(**options), straight)
    killed = Recorder(fail_at=step + 2)
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, data(**options), killed, callbacks=[save])
    resumed = Recorder()
    fit(tmp_path, data(**options), resumed, tmp_path / f"step={step}.ckpt")
    assert killed.seen == straight.seen[: step + 2]
    assert resumed.seen == straight.seen[step:]


def test_a_checkpoint_of_validation_inside_an_epoch_resumes_exactly(
    tmp_path: Path, data: Callable[..., ParquetData]
) -> None:
    straight = Recorder()
    fit(tmp_path, data(), straight, val_check_interval=5)
    save = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1)
    fit(tmp_path, data(), Recorder(), val_check_interval=5, callbacks=[save], max_epochs=2)
    for step in (5, 10, 17):
        resumed = Recorder()
        fit(tmp_path, data(), resumed, tmp_path / f"step={step}.ckpt", val_check_interval=5)
        assert resumed.seen == straight.seen[step:]


def test_an_epoch_end_checkpoint_resumes_with_the_next_epoch(tmp_path: Path, data: Callable[..., ParquetData]) -> None:
    straight = Recorder()
    fit(tmp_path, data(), straight)
    save = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, save_on_train_epoch_end=True)
    fit(tmp_path, data(), Recorder(), callbacks=[save], max_epochs=1)
    resumed = Recorder()
    fit(tmp_path, data(), resumed, tmp_path / "step=12.ckpt")
    assert resumed.seen == straight.seen[12:]


def test_a_batch_whose_step_failed_is_delivered_again(tmp_path: Path, data: Callable[..., ParquetData]) -> None:
    straight = Recorder()
    fit(tmp_path, data(), straight)
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, data(), Recorder(fail_at=7), None, callbacks=[OnExceptionCheckpoint(tmp_path, "broken")])
    resumed = Recorder()
    fit(tmp_path, data(), resumed, tmp_path / "broken.ckpt")
    assert resumed.seen == straight.seen[7:]


def test_resuming_uses_the_number_of_workers_of_the_interrupted_epoch(
    data: Callable[..., ParquetData],
) -> None:
    def rows(loader: Any, epoch: int) -> list[list[int]]:
        loader.sampler.set_epoch(epoch)
        return [batch.row.tolist() for batch in loader]

    straight = data(num_workers=2).loader("train")
    expected = rows(straight, 1)
    started = data(num_workers=2).loader("train")
    started.sampler.set_epoch(1)
    iterator = iter(started)
    for _ in range(5):
        next(iterator)
    state = started.state_dict()
    assert (state["epoch"], state["batch"]) == (1, 5)
    resumed = data(num_workers=0).loader("train")
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state, "a state that was loaded can be saved again"
    assert rows(resumed, 1) == expected[5:]
    assert rows(resumed, 1) != expected, "a second pass starts from the front, with its own workers"
    assert sorted(flat(rows(resumed, 1))) == list(range(NUM_ROWS))


def test_resuming_inside_an_epoch_with_another_order_is_an_error(data: Callable[..., ParquetData]) -> None:
    loader = data().loader("train")
    next(iter(loader))
    state = loader.state_dict()
    with pytest.raises(DataError, match="cannot be continued exactly: batch_size was 4 and is 5"):
        data(batch_size=5).loader("train").load_state_dict(state)


def test_resuming_decodes_only_what_is_left(data: Callable[..., ParquetData], monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    whole = Decoder.decode
    monkeypatch.setattr(
        Decoder, "decode", lambda self, batch, *a: decoded.append(batch.num_rows) or whole(self, batch, *a)
    )
    loader = data().loader("train")
    loader.load_state_dict({**loader.state_dict(), "batch": 11})
    assert len(list(loader)) == 1
    assert sum(decoded) <= 12, "one window of 12 rows at most"


def test_length_is_exact_and_evaluation_keeps_file_order(data: Callable[..., ParquetData]) -> None:
    for options in ({}, {"num_workers": 2, "eval_batch_size": 3}, {"drop_last": True}):
        parquet = data(**options)
        for split in ("train", "validate"):
            loader = parquet.loader(split)
            batches = list(loader)
            assert len(batches) == len(loader)
        assert [int(r) for b in batches for r in b.row] == list(range(NUM_ROWS))


def test_batches_of_workers_equal_those_without(data: Callable[..., ParquetData]) -> None:
    pairs = zip(data(num_workers=2).loader("test"), data().loader("test"), strict=True)
    for theirs, ours in pairs:
        left, right = (torch.utils._pytree.tree_flatten(batch) for batch in (theirs, ours))
        assert left[1] == right[1]
        for one, other in zip(left[0], right[0], strict=True):
            assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set")
def test_pinning_changes_no_value_and_needs_no_gpu(data: Callable[..., ParquetData]) -> None:
    for pinned, plain in zip(data(pin_memory=True).loader("test"), data().loader("test"), strict=True):
        assert torch.equal(pinned.features["item"], plain.features["item"])
        assert pinned.features["item"].is_pinned() == pinned.labels["click"].is_pinned() == torch.cuda.is_available()


@pytest.mark.parametrize("workers", [0, 2])
def test_prediction_covers_every_row_in_file_order(
    tmp_path: Path, data: Callable[..., ParquetData], workers: int
) -> None:
    found = trainer(tmp_path).predict(Recorder(), data(num_workers=workers))
    assert torch.cat(found).tolist() == list(range(NUM_ROWS))


def test_nulls_are_told_once_a_stage_and_count_one_pass(
    tmp_path: Path, data: Callable[..., ParquetData], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        fit(tmp_path, data(), Recorder(), max_epochs=2)
    assert [record.message for record in caplog.records if "read as missing" in record.message] == [
        "train data read as missing or unknown: 1 nulls in columns: item",
        "validate data read as missing or unknown: 1 nulls in columns: item",
    ]


def test_what_may_be_a_mistake_in_the_data_is_warned_of_once(tmp_path: Path, data: Callable[..., ParquetData]) -> None:
    narrow = {**SCHEMA, "sequences": {"s": {"features": {"e": {"vocab_size": 47}}}}}
    with pytest.warns(UserWarning, match="data policy handled") as caught:
        fit(tmp_path, data(schema=Schema.from_dict(narrow)), Recorder())
    reports = [str(w.message) for w in caught if "data policy handled" in str(w.message)]
    assert len(reports) == 1
    assert reports[0].splitlines()[1:] == [
        f"{split}: e: 3 x id at or above vocab_size" for split in ("train", "validate")
    ]


def test_fit_says_how_much_is_shuffled_together(
    tmp_path: Path, data: Callable[..., ParquetData], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        fit(tmp_path, data(num_workers=2), Recorder(), max_epochs=1)
    assert [record.message for record in caplog.records if "huffle" in record.message] == [
        "Shuffled together: 24 rows in 2 workers, 0.00 GiB in memory (data.shuffle_memory allows 1 GiB a process)"
    ]


def test_the_estimate_without_files_counts_events(data: Callable[..., ParquetData]) -> None:
    short, long = (data(shuffle_memory=4e-6).window_estimate({"s": events}) for events in (1, 100))
    assert short.startswith("Shuffled together: 12 rows, ")
    assert long.startswith("Shuffled together: 8 rows, ")


def test_a_window_has_a_batch_at_least(data: Callable[..., ParquetData]) -> None:
    assert data(shuffle_memory=1e-9).window_estimate({"s": 100}).startswith("Shuffled together: 4 rows, ")


def test_overfitting_repeats_the_same_batches(tmp_path: Path, data: Callable[..., ParquetData]) -> None:
    model = Recorder()
    fit(tmp_path, data(), model, overfit_batches=2, max_epochs=2)
    assert model.seen[:2] == model.seen[2:] == [[0, 1, 2, 3], [4, 5, 6, 7]]


@pytest.mark.parametrize("split", ["train", "validate", "test"])
def test_more_processes_than_rows_is_an_error(data: Callable[..., ParquetData], split: Any) -> None:
    parquet = data()
    parquet.trainer = SimpleNamespace(global_rank=0, world_size=NUM_ROWS + 1, overfit_batches=0)  # type: ignore[assignment]
    with pytest.raises(DataError, match=rf"{split}: \d+ stored rows cannot be shared by 46 processes"):
        parquet.loader(split)


def test_a_batch_size_that_drops_all_rows_is_an_error(data: Callable[..., ParquetData]) -> None:
    with pytest.raises(DataError, match="drop_last leaves nothing"):
        data(batch_size=100, drop_last=True).train_dataloader()

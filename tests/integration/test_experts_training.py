"""Sparse experts inside a model: what is added to the loss, what is logged, and that runs agree as they should."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from hyrec.backbones import TwoStageBackbone
from hyrec.batch import Batch
from hyrec.decoders import NoDecode
from hyrec.encoders import IdentityEncoder
from hyrec.heads import MLPHead
from hyrec.inspection import inspect_ranker, model_costs
from hyrec.losses import BCELoss
from hyrec.metrics import LogLoss
from hyrec.mixers import RankMixer, SparseRankMixer
from hyrec.optim import Schedule
from hyrec.queries import GlobalQueries
from hyrec.ranker import Ranker
from hyrec.recording import recording
from hyrec.sample_batch import random_batch
from hyrec.schema import Schema
from hyrec.slots import TokenMixer
from hyrec.testing.batches import select_samples, tiny_schema
from hyrec.tokenizers import GroupedTokens

CONTENT = tiny_schema().to_dict()
SCHEMA = Schema.from_dict({**CONTENT, "tasks": {"click": CONTENT["tasks"]["click"]}})
SGD = functools.partial(torch.optim.SGD, lr=0.1)


def build(mixer: type[TokenMixer] = SparseRankMixer, **options: Any) -> Ranker:
    L.seed_everything(0, verbose=False)
    return Ranker(
        SCHEMA,
        tokenizer=GroupedTokens,
        queries=GlobalQueries,
        encoder=IdentityEncoder,
        decoder=NoDecode,
        mixer=functools.partial(mixer, expansion=2, **options),
        backbone=functools.partial(TwoStageBackbone, num_mixer_layers=2),
        head=MLPHead,
        loss=BCELoss,
        d_model=16,
        pad_tokens=True,
        dense_optimizer=SGD,
        sparse_optimizer=SGD,
        schedule=Schedule(warmup=0.0, shape="constant"),
        metrics=[LogLoss],
    )


def fit(
    folder: Path, model: Ranker, batches: list[Batch], *, ckpt_path: Path | None = None, **options: Any
) -> L.Trainer:
    defaults = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    settings = {"enable_checkpointing": False, "default_root_dir": folder, "max_epochs": 1, **options}
    trainer = L.Trainer(**defaults, **settings)
    trainer.fit(model, loader(batches), loader(batches), ckpt_path=ckpt_path)
    return trainer


def loader(batches: list[Batch]) -> DataLoader[Any]:
    return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]


def batches(number: int) -> list[Batch]:
    return [random_batch(SCHEMA, num_requests=16, seed=seed) for seed in range(number)]


def halves(batch: Batch) -> list[Batch]:
    index, middle = torch.arange(batch.num_samples), batch.num_samples // 2
    return [select_samples(batch, index[:middle]), select_samples(batch, index[middle:])]


def heavy(model: Ranker) -> Ranker:
    """Let the added term be as large as the loss."""
    for name, buffer in model.named_buffers():
        if name.endswith("control.weight"):
            buffer.fill_(0.1)
    return model


def demand_same(one: Ranker, other: Ranker, tolerance: float) -> None:
    state = other.state_dict()
    weights = [name for name in state if name.endswith("control.weight")]
    assert len(weights) == 2
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=tolerance, atol=tolerance, msg=name)


class Steps(L.Callback):
    """Notes what each step minimises."""

    def __init__(self) -> None:
        self.minimised: list[float] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        self.minimised.append(float(outputs["loss"]))


def test_logged_losses_are_those_of_the_tasks_and_the_term_is_minimised_beside_them(tmp_path: Path) -> None:
    steps = Steps()
    found = fit(tmp_path, heavy(build()), batches(1), callbacks=[steps]).callback_metrics
    layers = 2
    added = layers * 0.1 * found["train/experts/penalty"]
    assert float(added) > 0.5
    assert steps.minimised[0] == pytest.approx(float(found["train/loss"] + added), rel=1e-5)
    assert float(found["val/loss"]) == pytest.approx(float(found["val/logloss"]), rel=1e-5)


def test_training_and_validation_log_activation_load_and_balance_under_the_names_that_are_told(tmp_path: Path) -> None:
    model = build()
    found = fit(tmp_path, model, batches(2)).callback_metrics
    for split in ("train", "val"):
        for name in ("active", "balance", "idle", "load", "penalty", "penalty_weight"):
            assert 0 <= float(found[f"{split}/experts/{name}"]) < 1e3
            assert f"{split}/experts/{name}" in model.logged_names()
    dense = build(RankMixer)
    dense.setup("fit")
    assert not any("experts" in name for name in dense.logged_names())


def test_the_weight_moves_once_a_step_and_not_in_validation(tmp_path: Path) -> None:
    model = build(activation=0.1)
    fit(tmp_path, model, batches(3))
    weights = [float(buffer) for name, buffer in model.named_buffers() if name.endswith("control.weight")]
    assert weights == pytest.approx([1e-6 * 1.2**3] * 2, rel=1e-4), "three steps, in which nearly all are active"


def test_accumulated_half_batches_of_sparse_training_equal_the_whole_batch(tmp_path: Path) -> None:
    whole, parts = (heavy(build(training="sparse")) for _ in range(2))
    given = batches(2)
    fit(tmp_path, whole, given)
    fit(tmp_path, parts, [half for batch in given for half in halves(batch)], accumulate_grad_batches=2)
    demand_same(whole, parts, 1e-5)


class PerRank(L.LightningDataModule):
    """Gives rank r the r-th half of every batch."""

    def train_dataloader(self) -> DataLoader[Any]:
        return loader([halves(batch)[self.trainer.global_rank] for batch in batches(2)])


@pytest.mark.slow
def test_two_processes_with_half_batches_adapt_as_one_process_does(tmp_path: Path) -> None:
    alone, together = (heavy(build(training="sparse")) for _ in range(2))
    fit(tmp_path, alone, batches(2))
    pair = {"devices": 2, "strategy": "ddp_spawn", "use_distributed_sampler": False}
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = L.Trainer(
        accelerator="cpu", enable_checkpointing=False, default_root_dir=tmp_path, max_epochs=1, **pair, **quiet
    )
    trainer.fit(together, datamodule=PerRank())
    demand_same(alone, together, 1e-5)


def test_a_run_that_resumes_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    given, whole, broken, resumed = batches(3), heavy(build()), heavy(build()), build()
    fit(tmp_path, whole, given, max_epochs=2)
    fit(tmp_path, broken, given).save_checkpoint(tmp_path / "saved.ckpt")
    fit(tmp_path, resumed, given, max_epochs=2, ckpt_path=tmp_path / "saved.ckpt")
    demand_same(whole, resumed, 0.0)


def test_bf16_trains_and_adapts(tmp_path: Path) -> None:
    model = build(activation=0.1)
    found = fit(tmp_path, model, batches(3), precision="bf16-mixed").callback_metrics
    assert all(bool(value.isfinite()) for value in found.values())
    assert float(found["train/experts/penalty_weight"]) == pytest.approx(1e-6 * 1.2**2, rel=1e-3)


def test_costs_are_those_of_training_and_leave_nothing_behind_in_the_model() -> None:
    model = build()
    costs = model_costs(model)
    assert costs == model_costs(model.eval())
    assert not model.network.training
    copy.deepcopy(model)
    assert recording() is None


def test_inference_leaves_out_inactive_experts_and_the_router_of_training() -> None:
    lengths = dict.fromkeys(SCHEMA.sequences, 3)
    model = build(num_experts=8, activation=0.25)
    report = inspect_ranker(model, lengths=lengths, candidates=1, batch_size=4)
    tokens, d, layers = model.network.ctx.num_tokens, 16, 2
    experts, router = 4 * tokens * d * 2 * d, 2 * tokens * d * 8
    assert report.idle_flops == layers * (0.75 * experts + router)
    (mixer,) = [cost for cost in report.costs if cost.component == "mixer"]
    gates_times_biases = 2 * tokens * 8 * d
    assert mixer.flops == layers * (experts + 2 * router + gates_times_biases)
    assert inspect_ranker(build(RankMixer), lengths=lengths, candidates=1, batch_size=4).idle_flops == 0

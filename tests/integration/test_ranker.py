"""The LightningModule trained by a real Trainer on tiny random batches."""

import dataclasses
import functools

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from hyrec.backbones import AlternatingBackbone
from hyrec.decoders import CrossAttentionDecoder
from hyrec.embeddings import EmbeddingOptions
from hyrec.encoders import LongerEncoder
from hyrec.heads import MLPHead
from hyrec.losses import BCELoss
from hyrec.metrics import CalibrationError, LogLoss, QueryAUC
from hyrec.mixers import RankMixer
from hyrec.optim import RowWiseAdagrad, Schedule
from hyrec.queries import GlobalQueries
from hyrec.ranker import Ranker
from hyrec.sample_batch import random_batch
from hyrec.schema import Schema
from hyrec.testing.batches import select_samples, tiny_schema
from hyrec.tokenizers import GroupedTokens

SCHEMA = tiny_schema()


def build(schema: Schema = SCHEMA, **options):
    L.seed_everything(0, verbose=False)
    options = {"schedule": Schedule(warmup=0.0, shape="constant"), **options}
    return Ranker(
        schema,
        tokenizer=GroupedTokens,
        queries=GlobalQueries,
        encoder=functools.partial(LongerEncoder, num_recent=4, merge_ratio=2),
        decoder=CrossAttentionDecoder,
        mixer=functools.partial(RankMixer, residual="single", norm="pre"),
        backbone=AlternatingBackbone,
        head=MLPHead,
        loss=BCELoss,
        d_model=32,
        pad_tokens=True,
        **options,
    )


def trainer(tmp_path, **options):
    defaults = {
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "default_root_dir": tmp_path,
        "max_epochs": 1,
    }
    return L.Trainer(**{**defaults, **options})


def loader(batches):
    return DataLoader(batches, batch_size=None)


def halves(batch):
    middle = batch.num_samples // 2
    index = torch.arange(batch.num_samples)
    return [select_samples(batch, index[:middle]), select_samples(batch, index[middle:])]


def largest_difference(a, b):
    return max(float((p - q).detach().abs().max()) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training_memorises_a_batch(tmp_path, precision):
    batch = random_batch(SCHEMA, num_requests=16, candidates=2)
    model = build()
    run = trainer(tmp_path, max_epochs=40, precision=precision)
    run.fit(model, loader([batch]))
    assert float(run.callback_metrics["train/loss"]) < 0.2


def sgd(lr):
    return functools.partial(torch.optim.SGD, lr=lr)


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_a_precision_that_would_round_times_is_refused_with_the_one_that_does_not(tmp_path, precision):
    batches = loader([random_batch(SCHEMA, num_requests=4)])
    with pytest.raises(ValueError, match=f"Use {precision.replace('true', 'mixed')}"):
        trainer(tmp_path, precision=precision).fit(build(), batches)


def test_accumulated_and_clipped_half_batches_equal_the_whole_batch(tmp_path):
    # SGD, so that a difference in gradients shows instead of being normalised away.
    optimizers = {"dense_optimizer": sgd(0.5), "sparse_optimizer": sgd(0.5)}
    batch = random_batch(SCHEMA, num_requests=16)
    whole, parts, start = build(**optimizers), build(**optimizers), build(**optimizers)
    trainer(tmp_path, gradient_clip_val=0.05).fit(whole, loader([batch]))
    trainer(tmp_path, gradient_clip_val=0.05, accumulate_grad_batches=2).fit(parts, loader(halves(batch)))
    assert largest_difference(whole, start) > 1e-3
    assert largest_difference(whole, parts) < 1e-6


def test_sparse_and_dense_gradients_train_the_same_tables(tmp_path):
    batches = [random_batch(SCHEMA, num_requests=8, seed=seed) for seed in range(3)]
    models = [build(embedding=EmbeddingOptions(sparse=sparse), dense_optimizer=sgd(0.1)) for sparse in (True, False)]
    for model in models:
        trainer(tmp_path).fit(model, loader(batches))
    # Dense Adagrad also visits rows with zero gradient, which leaves them where they are.
    assert largest_difference(*models) < 1e-5


def test_every_task_gets_its_metrics_and_the_primary_one_the_short_names(tmp_path):
    model = build(primary_task="like")
    batches = loader([random_batch(SCHEMA, num_requests=32, candidates=3)])
    run = trainer(tmp_path)
    metrics = run.validate(model, batches, verbose=False)[0]
    names = {"auc", "query_auc", "gauc", "logloss", "ne", "pcoc", "ece"}
    assert set(metrics) == {f"val/{n}" for n in names} | {f"val/click/{n}" for n in names} | {"val/loss"}
    batch = next(iter(batches))
    with torch.no_grad():
        score = model(batch)["like"]
    positive, negative = score[batch.labels["like"] == 1], score[batch.labels["like"] == 0]
    wins = (positive[:, None] > negative[None, :]).double().mean()
    assert metrics["val/auc"] == pytest.approx(float(wins), abs=1e-6)


def test_a_schema_without_group_has_no_query_auc(tmp_path):
    plain = {**SCHEMA.to_dict(), "group_column": ""}
    schema = Schema.from_dict(plain)
    batches = loader([random_batch(schema, num_requests=32)])
    metrics = trainer(tmp_path).validate(build(schema), batches, verbose=False)[0]
    assert "val/query_auc" not in metrics
    assert "val/auc" in metrics


def test_the_metrics_that_were_asked_for_are_logged_and_no_others(tmp_path):
    model = build(metrics=[LogLoss, functools.partial(CalibrationError, num_bins=5)])
    metrics = trainer(tmp_path).validate(model, loader([random_batch(SCHEMA, num_requests=32)]), verbose=False)[0]
    names = ("logloss", "ece@5")
    assert set(metrics) == {"val/loss"} | {f"val/{n}" for n in names} | {f"val/like/{n}" for n in names}


def test_a_metric_that_the_schema_cannot_feed_is_refused_before_the_first_step(tmp_path):
    schema = Schema.from_dict({**SCHEMA.to_dict(), "group_column": ""})
    model = build(schema, metrics=[QueryAUC])
    with pytest.raises(ValueError, match="'query_auc' needs the group of every row"):
        trainer(tmp_path).fit(model, loader([random_batch(schema)]))


def test_a_checkpoint_loads_with_weights_only_and_carries_the_schema(tmp_path):
    model = build()
    run = trainer(tmp_path)
    run.fit(model, loader([random_batch(SCHEMA)]))
    run.save_checkpoint(tmp_path / "last.ckpt")
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert Schema.from_dict(saved["hyrec_schema"]) == SCHEMA


def test_a_checkpoint_of_another_schema_is_refused(tmp_path):
    model = build()
    run = trainer(tmp_path)
    run.fit(model, loader([random_batch(SCHEMA)]))
    run.save_checkpoint(tmp_path / "last.ckpt")
    other = Schema.from_dict({**SCHEMA.to_dict(), "time_unit": "ms"})
    with pytest.raises(ValueError, match="another schema: time_unit differ"):
        trainer(tmp_path).validate(build(other), loader([random_batch(other)]), ckpt_path=tmp_path / "last.ckpt")


def test_a_checkpoint_of_moved_boundaries_is_refused_by_the_feature(tmp_path):
    model = build()
    checkpoint = {"state_dict": model.state_dict()}
    model.on_save_checkpoint(checkpoint)
    name = next(name for name, feature in SCHEMA.features.items() if feature.boundaries)
    content = SCHEMA.to_dict()
    moved = [limit + 0.5 for limit in SCHEMA.features[name].boundaries]
    content["features"][name] = {**content["features"][name], "boundaries": moved}
    with pytest.raises(ValueError, match=rf"another schema: features {name} \(boundaries\) differ"):
        build(Schema.from_dict(content)).on_load_checkpoint(checkpoint)


def test_a_checkpoint_of_another_vocabulary_is_refused_by_its_tables_and_one_that_does_not_say_is_not():
    def of(fingerprint: dict[str, str]):
        return build(dataclasses.replace(SCHEMA, fingerprint=fingerprint))

    model = of({"item": "a", "user": "b"})
    checkpoint = {"state_dict": model.state_dict()}
    of({"item": "a", "user": "c"}).on_save_checkpoint(checkpoint)
    with pytest.raises(ValueError, match="the vocabularies of the tables user differ"):
        model.on_load_checkpoint(checkpoint)
    of({}).on_save_checkpoint(checkpoint)
    model.on_load_checkpoint(checkpoint)


def test_an_optimizer_without_sparse_support_is_refused_with_the_remedy(tmp_path):
    model = build(sparse_optimizer=functools.partial(torch.optim.AdamW, lr=1e-3))
    with pytest.raises(ValueError, match=r"AdamW does not accept sparse gradients.*embedding.sparse=false"):
        trainer(tmp_path).fit(model, loader([random_batch(SCHEMA)]))


def test_an_unknown_primary_task_gets_a_suggestion():
    with pytest.raises(ValueError, match=r"'clik'. Did you mean 'click'\? Tasks: click, like"):
        build(primary_task="clik")


class _PerRank(L.LightningDataModule):
    """Gives rank r the r-th half of every batch."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def train_dataloader(self):
        return loader([halves(batch)[self.trainer.global_rank] for batch in self.batches])


def test_two_processes_with_half_batches_train_the_model_of_one_process(tmp_path):
    options = {
        "dense_optimizer": sgd(0.1),
        "sparse_optimizer": functools.partial(RowWiseAdagrad, lr=0.1),
    }
    batches = [random_batch(SCHEMA, num_requests=8, seed=seed) for seed in range(3)]
    alone, together = build(**options), build(**options)
    trainer(tmp_path, gradient_clip_val=0.1).fit(alone, loader(batches))
    run = trainer(tmp_path, gradient_clip_val=0.1, devices=2, strategy="ddp_spawn", use_distributed_sampler=False)
    run.fit(together, datamodule=_PerRank(batches))
    assert largest_difference(alone, build(**options)) > 1e-3
    assert largest_difference(alone, together) < 1e-5


def test_scores_of_large_logits_keep_their_order():
    model, batch = build(), random_batch(SCHEMA, num_requests=4, candidates=2)
    model.network.forward = lambda _: {"click": torch.linspace(15.0, 30.0, batch.num_samples)}
    (scores,) = model.predict_step(batch, 0).values()
    assert scores.dtype == torch.float64
    assert (scores.diff() > 0).all()


def test_weight_decay_leaves_every_bias_alone_also_those_with_a_row_a_token(tmp_path):
    model, fit = build(SCHEMA), trainer(tmp_path)
    fit.fit(model, loader([random_batch(SCHEMA)]))
    names = {id(p): name.rsplit(".", 1)[-1] for name, p in model.named_parameters()}
    groups = [g for g in fit.optimizers[0].param_groups if "betas" in g]
    decayed, kept = (
        {names[id(p)] for g in groups if bool(g["weight_decay"]) == on for p in g["params"]} for on in (1, 0)
    )
    assert decayed == {"weight", "w1_TDK", "w2_TKD", "padding_MD"}
    assert kept == {"weight", "bias", "b1_TK", "b2_TD"}


@pytest.mark.parametrize(
    ("sparse", "tables_end_at"), [({}, 0.0), ({"sparse_schedule": Schedule(warmup=0.0, shape="constant")}, 0.05)]
)
def test_the_rate_of_the_tables_follows_its_own_schedule_or_that_of_the_layers(tmp_path, sparse, tables_end_at):
    model = build(schedule=Schedule(warmup=0.0), **sparse)
    run = trainer(tmp_path)
    run.fit(model, loader([random_batch(SCHEMA)] * 4))
    *dense, tables = [group["lr"] for group in run.optimizers[0].param_groups]
    assert dense == pytest.approx([0.0, 0.0])
    assert tables == pytest.approx(tables_end_at)

"""The LightningModule: trains a network that is assembled from one component a slot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torchmetrics import MetricCollection

import hyrec.components  # noqa: F401  (so that YAML finds each component by its bare name)
from hyrec.batch import Batch
from hyrec.context import BuildContext
from hyrec.embeddings import EmbeddingOptions, SequenceOptions
from hyrec.fingerprint import refuse_other_schema
from hyrec.functional import probability
from hyrec.messages import building, unknown
from hyrec.metrics import DEFAULT_METRICS, RankingMetric, build_metrics
from hyrec.network import Network, Parts
from hyrec.optim import CombinedOptimizer, RowWiseAdagrad, Schedule
from hyrec.optim.averages import average_weights_only
from hyrec.optim.decay import decay_groups
from hyrec.optim.schedule import planned_epochs
from hyrec.optim.sparse_gradients import average_sparse_gradients, clip_gradients, refuse_dense_only
from hyrec.recording import recorded
from hyrec.saved_state import read_checkpoint, refuse_other_weights
from hyrec.schema import Schema
from hyrec.serving import CandidateScoring
from hyrec.slots import (
    Backbone,
    Head,
    Loss,
    QueryDecoder,
    QueryGenerator,
    SequenceEncoder,
    Tokenizer,
    TokenMixer,
    UnifiedBlock,
    components_of,
)
from hyrec.trust import refuse_code

Prefix = Literal["val", "test"]
"""First word of the names of logged metrics."""
_HALF = ("bf16-true", "16-true", "transformer-engine", "transformer-engine-float16")


class Ranker(CandidateScoring, L.LightningModule):
    """Train and evaluate a ranking model made of the components that a config names.

    Args:
        schema: The data.
        tokenizer: Features to NS tokens.
        queries: Query generator.
        encoder: Sequence encoder of every sequence that ``encoders`` does not name.
        decoder: Query decoder of every sequence that ``decoders`` does not name.
        mixer: Token mixer.
        backbone: The loop over layers.
        head: Tokens to logits.
        loss: Logits and labels to a loss.
        encoders: Other encoders by sequence name.
        decoders: Other decoders by sequence name.
        block: Joint block of events and tokens, which ``UnifiedBackbone`` is made of; other backbones take none.
        d_model: D, the width of tokens and queries.
        pad_tokens: Add learned tokens until D is divisible by the number of mixed tokens.
        merge_sequences: Merge all sequences into one in order of time, named ``merged``: one encoder and one decoder
            a layer (HyFormer table 2). Every sequence needs a time column.
        embedding: How ids become vectors.
        sequence: How events become vectors.
        dense_optimizer: Optimizer of the layers. Norms and biases get no weight decay.
        sparse_optimizer: Optimizer of the embedding tables; it must accept sparse gradients, or set
            ``embedding.sparse: false``.
        schedule: Factor on the learning rate of the layers over the steps of the run.
        sparse_schedule: The same for the tables. Default: as ``schedule``.
        metrics: Metrics of validation and test, as their classes with options. Those of the default that need groups
            are left out where the schema has no group column.
        primary_task: Task whose metrics are named ``val/auc`` and so on, and select the checkpoint. Metrics of the
            other tasks are named ``val/<task>/auc``. Default: the first task.

    Raises:
        ValueError: From a component whose options do not fit the schema or the widths.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        tokenizer: Callable[[BuildContext], Tokenizer],
        queries: Callable[[BuildContext], QueryGenerator],
        encoder: Callable[[BuildContext], SequenceEncoder],
        decoder: Callable[[BuildContext], QueryDecoder],
        mixer: Callable[[BuildContext], TokenMixer],
        backbone: Callable[[BuildContext], Backbone],
        head: Callable[[BuildContext], Head],
        loss: Callable[[BuildContext], Loss],
        encoders: dict[str, Callable[[BuildContext], SequenceEncoder]] | None = None,
        decoders: dict[str, Callable[[BuildContext], QueryDecoder]] | None = None,
        block: Callable[[BuildContext], UnifiedBlock] | None = None,
        d_model: int = 64,
        pad_tokens: bool = False,
        merge_sequences: bool = False,
        embedding: EmbeddingOptions = EmbeddingOptions(),  # noqa: B008  (frozen)
        sequence: SequenceOptions = SequenceOptions(),  # noqa: B008
        dense_optimizer: OptimizerCallable = lambda params: torch.optim.AdamW(params, lr=1e-3, weight_decay=0.01),
        sparse_optimizer: OptimizerCallable = lambda params: RowWiseAdagrad(params, lr=0.05),
        schedule: Schedule = Schedule(),  # noqa: B008
        sparse_schedule: Schedule | None = None,
        metrics: list[Callable[[], RankingMetric]] = DEFAULT_METRICS,
        primary_task: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        if "_instantiator" not in self.hparams:
            # Built from Python: the arguments are classes, which a checkpoint that loads with weights_only cannot hold.
            self.remove_ignored_hparams(list(self.hparams))
        if primary_task is not None and primary_task not in schema.tasks:
            raise ValueError(unknown("primary_task is", primary_task, schema.tasks, allowed="Tasks"))
        self.random_seed = torch.initial_seed()
        self.schema = schema
        self.primary_task = primary_task or next(iter(schema.tasks))
        own = (encoders or {}, decoders or {}, block)
        parts = Parts(tokenizer, queries, encoder, decoder, mixer, backbone, head, *own)
        self.network = Network(
            schema,
            d_model,
            parts,
            embedding=embedding,
            sequence=sequence,
            pad_tokens=pad_tokens,
            merge_sequences=merge_sequences,
        )
        self.loss = loss(self.network.ctx)
        self.dense_optimizer, self.sparse_optimizer = dense_optimizer, sparse_optimizer
        self.schedule, self.sparse_schedule = schedule, sparse_schedule or schedule
        self.metrics, self._chosen_metrics, self.tables_are_sparse = nn.ModuleDict(), metrics, embedding.sparse
        if embedding.sparse:
            # DDP's reducer handles sparse gradients only with gloo; average_sparse_gradients does it with any backend.
            self._ddp_params_and_buffers_to_ignore = [
                f"network.tables.{name}" for name, _ in self.network.tables.named_parameters()
            ]

    def setup(self, stage: str) -> None:
        """Make the metrics, which only a trainer needs: they hold real numbers even in a model built without memory.

        Raises:
            ValueError: For a precision that would round times to hours or days.
        """
        precision = str(self._trainer.precision) if self._trainer else ""
        if precision in _HALF:
            raise ValueError(
                f"trainer.precision {precision} would round every time to the nearest hours or days, and counters with "
                f"it. Use {precision.replace('true', 'mixed')}: layers compute in half precision, times stay exact."
            )
        if len(self.metrics):
            return
        chosen: dict[str, Any] = dict(self.new_metrics())
        for split in ("val", "test"):
            by_task = {f"task_{task}": MetricCollection(chosen).clone() for task in self.schema.tasks}
            self.metrics[split] = nn.ModuleDict(by_task)

    def new_metrics(self) -> dict[str, RankingMetric]:
        """Return new metrics of one task by name, in the order in which they were asked for.

        Raises:
            ValueError: When two have one name, or one needs groups that the schema does not have.
        """
        return build_metrics(self._chosen_metrics, has_groups=bool(self.schema.group_column))

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **kwargs: Any) -> Ranker:
        """Load a model as Lightning does, from a file that holds weights and options and no code.

        Raises:
            CheckpointError: For a file that is damaged, or no checkpoint.
            UntrustedCodeError: For a file whose options name functions, or classes that fill no slot.
        """
        options = dict(read_checkpoint(checkpoint_path).get("hyper_parameters", {}))
        path = options.pop("_class_path", f"{cls.__module__}.{cls.__qualname__}")
        refuse_code(Ranker, {"class_path": path, "init_args": options}, f"{checkpoint_path}: model")
        loaded: Ranker = super().load_from_checkpoint(checkpoint_path, *args, **kwargs)
        return loaded

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return the logits by task, ``{task: (B,)}``."""
        logits: dict[str, Tensor] = self.network(batch)
        return logits

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return the loss, and the scores that the progress bar's AUC is computed from."""
        logits, loss, parts, said = self._compare("train", batch)
        self.log("train/loss", loss.detach(), prog_bar=True, batch_size=batch.num_samples)
        if len(parts) > 1:
            for task, part in parts.items():
                self.log(f"train/{task}/loss", part.detach(), batch_size=batch.num_samples)
        return {"loss": loss if said is None else loss + said, "logits": logits[self.primary_task].detach()}

    def compute_loss(self, logits: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a batch and its parts."""
        together = {"request_of": batch.grouped()} if self.loss.compares_samples else {}
        loss, parts = self.loss(logits, batch.labels, batch.weights, **together)
        return loss, parts

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect validation scores."""
        self._update_metrics("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Collect test scores; return the predicted probability of every task, ``{task: (B,)}``."""
        return self._update_metrics("test", batch)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return the predicted probability of every task in float64, ``{task: (B,)}``."""
        return {task: probability(logit) for task, logit in self(batch).items()}

    def logged_names(self) -> list[str]:
        """Return the names that training and validation log."""
        losses = [f"train/{task}/loss" for task in self.schema.tasks if len(self.schema.tasks) > 1]
        tasks = {task: "val" if task == self.primary_task else f"val/{task}" for task in self.schema.tasks}
        measured = [f"{path}/{name}" for task, path in tasks.items() for name in self._metrics_of("val", task)]
        names = sorted({f"/{name}" for part in components_of(self) for name in part.figures})
        said = [split + name for split in ("train", "val") for name in names]
        return [*measured, "val/loss", "train/loss", *losses, *said, "train/auc", "train/samples_per_s"]

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of all validation rows."""
        self._log_metrics("val")

    def on_test_epoch_end(self) -> None:
        """Log the metrics of all test rows."""
        self._log_metrics("test")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return one optimizer for tables and layers, each with its schedule."""
        parts, epochs = self.optimizers_by_kind(), planned_epochs(self.trainer)
        optimizer = CombinedOptimizer(parts)
        schedules = {"dense": self.schedule, "sparse": self.sparse_schedule}
        factors = [schedules[kind].over(epochs) for kind, part in parts.items() for _ in part.param_groups]
        scheduler = LambdaLR(optimizer, factors)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def optimizers_by_kind(self) -> dict[str, Optimizer]:
        """Return new optimizers of the layers, ``dense``, and of the tables, ``sparse``, where there are any.

        Raises:
            UnbuildableError: For options that an optimizer does not take.
            ValueError: For one that does not accept the tables' gradients.
        """
        parameters = [*self.network.dense_parameters(), *self.loss.parameters()]
        with building("model.dense_optimizer"):
            optimizers: dict[str, Optimizer] = {"dense": self.dense_optimizer(decay_groups(self, parameters))}
        if tables := self.network.sparse_parameters():
            with building("model.sparse_optimizer"):
                optimizers["sparse"] = self.sparse_optimizer(tables)
            if self.tables_are_sparse:
                refuse_dense_only(optimizers["sparse"])
        return optimizers

    def on_fit_start(self) -> None:
        """Begin with the tables and the seed of the first process: DDP sends the layers, and leaves out these."""
        average_weights_only(getattr(self._trainer, "callbacks", ()))
        for line in self.network.limits:
            rank_zero_info(line)
        if self.trainer.world_size == 1:
            return
        self.random_seed = int(self.trainer.strategy.broadcast(self.random_seed))
        if self.tables_are_sparse and torch.distributed.is_initialized():
            for table in self.network.sparse_parameters():
                torch.distributed.broadcast(table.data, src=0)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Average the tables' gradients over processes; let components adapt."""
        for part in components_of(self):
            part.adapt()
        if self.tables_are_sparse and self.trainer.world_size > 1:
            average_sparse_gradients(self.network.sparse_parameters())

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip sparse and dense gradients together."""
        if gradient_clip_val:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            clip_gradients(parameters, float(gradient_clip_val), gradient_clip_algorithm or "norm")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the schema and the seed, so that a resumed run continues exactly."""
        checkpoint["hyrec_schema"] = self.schema.to_dict()
        checkpoint["hyrec_seed"] = self.random_seed

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of another schema or model; continue with its seed.

        Outside training, a callback that averages weights would put the last step's in place of those of the file.
        """
        if "current_model_state" in checkpoint and self._trainer is not None and self.trainer.state.fn != "fit":
            checkpoint["current_model_state"] = checkpoint["state_dict"]
        refuse_other_schema(checkpoint.get("hyrec_schema") or {}, self.schema.to_dict(), self.schema.fingerprint)
        refuse_other_weights(checkpoint["state_dict"], self.state_dict())
        self.random_seed = checkpoint.get("hyrec_seed", self.random_seed)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Draw the random numbers of a step from the seed, the process, the epoch and the batch alone.

        A run that continues from a checkpoint then draws what the undisturbed run drew, whatever was drawn between.
        """
        place = [self.random_seed, self.global_rank, self.current_epoch, batch_idx]
        torch.manual_seed(int(np.random.SeedSequence(place).generate_state(1)[0]))

    def _update_metrics(self, prefix: Prefix, batch: Batch) -> dict[str, Tensor]:
        logits, loss, _, _ = self._compare(prefix, batch)
        self.log(f"{prefix}/loss", loss, batch_size=batch.num_samples, sync_dist=True)
        scores = {task: probability(logit.detach()) for task, logit in logits.items()}
        for task, score in scores.items():
            metrics = self._metrics_of(prefix, task)
            metrics.update(score, batch.labels[task], group=batch.group, weights=batch.weights)
        return scores

    def _compare(self, split: str, batch: Batch) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor], Tensor | None]:
        """Return logits, loss, its parts, and what components add to it, of which nothing is in the logged losses."""
        with recorded() as said:
            logits = self(batch)
        for name, figure in said.figures().items():
            self.log(f"{split}/{name}", figure, batch_size=batch.num_samples, sync_dist=split != "train")
        return logits, *self.compute_loss(logits, batch), said.loss

    def _log_metrics(self, prefix: Prefix) -> None:
        for task in self.schema.tasks:
            metrics = self._metrics_of(prefix, task)
            path = prefix if task == self.primary_task else f"{prefix}/{task}"
            values = {f"{path}/{name}": value for name, value in metrics.compute().items()}
            shown = {f"{prefix}/auc", f"{prefix}/query_auc"}
            for name, value in values.items():
                self.log(name, value.to(torch.float32), prog_bar=name in shown, rank_zero_only=False)
            metrics.reset()

    def _metrics_of(self, prefix: Prefix, task: str) -> MetricCollection:
        return cast(MetricCollection, self.metrics.get_submodule(f"{prefix}.task_{task}"))

"""Logs a run to Weights & Biases, with what makes runs comparable."""

from __future__ import annotations

import dataclasses
import os
import time
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn

from hyrec.files import read_yaml
from hyrec.inspection import model_costs
from hyrec.loggers.wandb_run import DEFAULT_PROJECT, FINISH_SECONDS, INIT_SECONDS, require_wandb, start_run
from hyrec.metrics import RankingMetric, default_metrics, facts_of
from hyrec.ranker import Ranker

STEP = "trainer/global_step"
"""The x axis of all curves."""
_Method = TypeVar("_Method", bound=Callable[..., None])


def _survives(method: _Method) -> _Method:
    """Let training continue when W&B fails: warn once, then log no more to it."""

    @wraps(method)
    def guarded(self: RankingWandbLogger, *args: Any, **kwargs: Any) -> None:
        if self.failure is not None:
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # whatever W&B raises: logging must not decide whether a model is trained
            self.failure = error
            warnings.warn(f"W&B has failed and gets nothing more of this run: {error!r}", stacklevel=2)

    return cast("_Method", guarded)


class RankingWandbLogger(WandbLogger):
    """Log to Weights & Biases: the resolved config, curves, best and test metrics, costs, config and predictions.

    Beyond Lightning's ``WandbLogger``: the config is all of ``config.yaml`` with the schema; the summary holds dense
    and sparse parameters, FLOPs per sample, seconds, and of each validation metric the best value beside the last;
    config and predictions are artifacts. A server that cannot be reached never stops a run: it is then kept on disk,
    for a later ``wandb sync``. Nobody is asked for a key. ``WANDB_MODE=offline`` keeps every run on disk.

    Args:
        project: Project. Default: ``WANDB_PROJECT``, or ``hyrec``.
        name: Name of the run. Default: ``WANDB_NAME``, or the last two parts of the run's folder.
        save_dir: Folder for W&B's files. Default: the run's folder.
        entity: User or team. Default: ``WANDB_ENTITY``, or that of the key.
        group: Runs of one group are shown together. Default: ``WANDB_RUN_GROUP``.
        job_type: What the run does. Default: ``WANDB_JOB_TYPE``, or ``fit``.
        tags: Tags. Default: ``WANDB_TAGS`` (separated by commas), or the backbone and the data.
        notes: Notes. Default: ``WANDB_NOTES``.
        id: Id of the run; a run with a known id continues. Default: ``WANDB_RUN_ID``, or a new one.
        offline: Keep the run on disk. Default: ``WANDB_MODE``, or online.
        log_model: Whether checkpoints are artifacts too: ``false``, ``true`` (the best, at the end) or ``all``.
        log_files: Whether ``config.yaml`` and predictions are artifacts.
        init_seconds: How long the server has to start a run, in seconds.
        finish_seconds: How long the end of a run waits for what is still to be sent, in seconds.

    Raises:
        WandbMissingError: When W&B is not installed.
    """

    def __init__(
        self,
        *,
        project: str | None = None,
        name: str | None = None,
        save_dir: str | None = None,
        entity: str | None = None,
        group: str | None = None,
        job_type: str | None = None,
        tags: list[str] | None = None,
        notes: str | None = None,
        id: str | None = None,
        offline: bool = False,
        log_model: Literal["all"] | bool = False,
        log_files: bool = True,
        init_seconds: float = INIT_SECONDS,
        finish_seconds: float = FINISH_SECONDS,
    ) -> None:
        require_wandb()
        folder = Path(save_dir or ".").resolve()
        super().__init__(
            project=project or os.environ.get("WANDB_PROJECT") or DEFAULT_PROJECT,
            name=name or os.environ.get("WANDB_NAME") or ("/".join(folder.parts[-2:]) if save_dir else None),
            save_dir=save_dir or ".",
            id=id or os.environ.get("WANDB_RUN_ID"),
            offline=offline,
            log_model=log_model,
            entity=entity,
            group=group,
            job_type=job_type or os.environ.get("WANDB_JOB_TYPE") or "fit",
            tags=tags,
            notes=notes,
        )
        self.failure: Exception | None = None
        self.log_files = log_files
        self.init_seconds, self.finish_seconds = init_seconds, finish_seconds
        self._has_tags = bool(tags or os.environ.get("WANDB_TAGS"))
        self._started = time.perf_counter()
        self._known: Mapping[str, RankingMetric] = default_metrics()
        self._defined: set[str] = set()
        self._uploaded: set[str] = set()
        self._has_costs = False

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The ``wandb.Run``; started when it is first asked for."""
        if self._experiment is None and getattr(self, "_attach_id", None) is None:
            import wandb

            if wandb.run is None:
                init = {key: value for key, value in self._wandb_init.items() if key != "anonymous"}
                init |= {"init_seconds": self.init_seconds, "finish_seconds": self.finish_seconds}
                self._experiment = start_run(mode="offline" if self._offline else None, **init)
                self._experiment.define_metric(STEP)
                self._experiment.define_metric("*", step_metric=STEP, step_sync=True)
        return super().experiment

    @rank_zero_only
    @_survives
    def log_hyperparams(self, params: Any) -> None:
        """Log the run's ``config.yaml``; the hyper-parameters when the run has none."""
        path = Path(self.save_dir or ".") / "config.yaml"
        if not path.is_file():
            super().log_hyperparams(params)
            return
        config = read_yaml(path.read_text(encoding="utf-8"))
        self.experiment.config.update(config, allow_val_change=True)
        if not self._has_tags:
            self.experiment.tags = tuple(dict.fromkeys([*(self.experiment.tags or ()), *config_tags(config)]))
            self._has_tags = True

    @rank_zero_only
    @_survives
    def log_graph(self, model: nn.Module, input_array: Tensor | None = None) -> None:
        """Note parameters and FLOPs in the summary, and which end of each metric is better."""
        if not isinstance(model, Ranker) or self._has_costs:
            return
        self._known, self._has_costs = model.new_metrics(), True
        try:
            costs = model_costs(model)
        except (RuntimeError, ValueError, TypeError) as error:  # an operation that does not run on shapes alone
            warnings.warn(f"FLOPs are not logged: {str(error).splitlines()[0]}", stacklevel=2)
            return
        self.experiment.summary.update(dataclasses.asdict(costs))

    @rank_zero_only
    @_survives
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log metrics at a step; of validation metrics the summary keeps the best value beside the last."""
        for name in metrics:
            mode = facts_of(name, self._known).mode
            if mode and name.startswith("val/") and name not in self._defined:
                self.experiment.define_metric(name, step_metric=STEP, step_sync=True, summary=f"{mode},last")
            self._defined.add(name)
        super().log_metrics(metrics, step)

    @rank_zero_only
    @_survives
    def finalize(self, status: str) -> None:
        """Note the seconds; add config and predictions as artifacts when the run has come to its end."""
        if self._experiment is None:
            return
        super().finalize(status)
        self.experiment.summary["seconds"] = time.perf_counter() - self._started
        folder = Path(self.save_dir or ".")
        if status == "success":
            self._upload("config", [folder / "config.yaml"])
            self._upload("predictions", sorted((folder / "predictions").glob("*.parquet")))

    def _upload(self, kind: str, files: list[Path]) -> None:
        """Add files as one artifact, once a run."""
        import wandb

        files = [path for path in files if path.is_file()]
        if not self.log_files or not files or kind in self._uploaded:
            return
        self._uploaded.add(kind)
        artifact = wandb.Artifact(f"{kind}-{self.experiment.id}", type=kind)
        for path in files:
            # A finished run's files stay as they are, so that a second copy for the upload is not needed.
            artifact.add_file(str(path.resolve()), name=path.name, policy="immutable")
        try:
            self.experiment.log_artifact(artifact)
        except Exception as error:  # it asks the server, unlike metrics, which are kept on disk while it is away
            self.log_files = False
            warnings.warn(f"W&B gets no files of this run, which are in {files[0].parent}: {error}", stacklevel=2)


def config_tags(config: Mapping[str, Any]) -> list[str]:
    """Return the class names of backbone and data in a resolved config.

    Example:
        >>> config_tags({"data": {"class_path": "hyrec.data.simulated.SimulatedData"}})
        ['SimulatedData']
    """
    model = (config.get("model") or {}).get("init_args") or {}
    named = [model.get("backbone"), config.get("data")]
    paths = [part.get("class_path") if isinstance(part, Mapping) else None for part in named]
    return [str(path).rpartition(".")[2] for path in paths if path]

"""Metrics that callbacks watch: whether they are logged at all, and which end of them is better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.utilities import rank_zero_info

from hyrec.messages import suggest, unknown
from hyrec.metrics import MetricFacts, RankingMetric, base_name, build_metrics, facts_of
from hyrec.ranker import Ranker


def metrics_of(model: LightningModule) -> dict[str, RankingMetric]:
    """Return the metrics of a model by name."""
    return model.new_metrics() if isinstance(model, Ranker) else build_metrics(has_groups=False)


def mode_of(monitor: str, metrics: Mapping[str, RankingMetric], where: str) -> Literal["max", "min"]:
    """Return which end of a logged metric is better.

    Args:
        monitor: Its name, such as ``val/auc``.
        metrics: The metrics of the run by name.
        where: Whose options name it, such as ``checkpoint``.

    Raises:
        ValueError: When neither end is, or nothing is known about the metric.
    """
    facts: MetricFacts = facts_of(monitor, metrics)
    if facts.mode is not None:
        return facts.mode
    if facts.name:
        what = f"of which neither end is better: set {where}.mode to max or min, or monitor another metric."
    else:
        hint = suggest(base_name(monitor), metrics)
        what = f"which is no metric of the model.{hint} If a callback logs it, set {where}.mode to max or min."
    raise ValueError(f"{where}.monitor is {monitor!r}, {what}")


def refuse_unlogged(monitor: str | None, trainer: Trainer, model: LightningModule, where: str) -> None:
    """Refuse a metric that nothing will log, before the first step; callbacks of others may log anything.

    Raises:
        ValueError: Naming what is logged.
    """
    foreign = [
        callback
        for callback in getattr(trainer, "callbacks", [])
        if type(callback).__module__.split(".")[0] not in ("hyrec", "lightning")
    ]
    known = getattr(model, "logged_names", None)
    if monitor is None or known is None or foreign or monitor in (names := known()):
        return
    raise ValueError(unknown(f"{where}.monitor is", monitor, names, allowed="Logged"))


def prepare_early_stopping(trainer: Trainer, model: LightningModule) -> None:
    """Refuse an early stopping that would end a run as its metric gets better: Lightning's default mode is ``min``.

    Metrics of validation are looked at when they are measured. At the end of the epoch, which is Lightning's choice,
    ``last.ckpt`` is written already, and a run that resumes there has no metric to look at.

    Raises:
        ValueError: Naming the mode that the metric needs.
    """
    metrics = metrics_of(model)
    for callback in getattr(trainer, "callbacks", []):
        if isinstance(callback, EarlyStopping):
            better = facts_of(callback.monitor, metrics).mode
            if better not in (None, callback.mode):
                word = "larger" if better == "max" else "smaller"
                raise ValueError(
                    f"EarlyStopping watches {callback.monitor} with mode {callback.mode!r}, but a {word} one is "
                    f"better: it would stop as the model learns. Set mode: {better}."
                )
            if callback.monitor.startswith("val/"):
                callback._check_on_train_epoch_end = False


def tell_early_stop(trainer: Trainer) -> None:
    """Say why a run has ended before its time."""
    for callback in getattr(trainer, "callbacks", []):
        if isinstance(callback, EarlyStopping) and callback.stopping_reason_message and not callback.verbose:
            rank_zero_info(callback.stopping_reason_message)

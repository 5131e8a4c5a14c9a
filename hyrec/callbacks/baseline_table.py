"""The table that ends a test or a validation: every task's metrics, beside counting and what is attainable."""

from __future__ import annotations

import math
from collections.abc import Sequence

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn

from hyrec.baselines.baseline import measure
from hyrec.baselines.counting import CountingBaseline
from hyrec.data.base import RankingData, Split
from hyrec.ranker import Ranker


class BaselineTable(L.Callback):
    """Print the metrics of all tasks after testing, and after ``hyrec validate``.

    The primary task's stand beside those of counting and the data's known figures. Counting is fitted on the training
    rows and read on the same rows with the same metric code. A model that does not beat it has not learned.

    Args:
        counting: Whether to fit and print the counting baseline. It reads the training rows once more, without
            their sequences.
        features: Id features to count. None: the best one of each role.
    """

    def __init__(self, counting: bool = True, features: list[str] | None = None) -> None:
        self.counting, self.features = counting, features

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the table."""
        self._report(trainer, pl_module, "test", "test")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the table, unless training goes on."""
        if trainer.state.fn == "validate":
            self._report(trainer, pl_module, "validate", "val")

    @rank_zero_only
    def _report(self, trainer: L.Trainer, model: L.LightningModule, split: Split, prefix: str) -> None:
        if not isinstance(model, Ranker):
            return
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        tasks = {task: f"{prefix}/{task}/" for task in model.schema.tasks} | {model.primary_task: f"{prefix}/"}
        names = [name for name in model.new_metrics() if f"{prefix}/{name}" in logged]
        measured = {task: {name: logged[path + name] for name in names} for task, path in tasks.items()}
        rows = {"model": measured.pop(model.primary_task)}
        data = getattr(trainer, "datamodule", None)
        if isinstance(data, RankingData) and not getattr(trainer, "fast_dev_run", False):
            rows |= self._others(data, model, split)
        print(baseline_table(f"{split} ({model.primary_task})", rows, names))
        for task, figures in measured.items():
            print(baseline_table(f"{split} ({task})", {"model": figures}, names))
        ranks = [name for name, metric in model.new_metrics().items() if metric.mode == "max"]
        if told := what_counting_wins(rows["model"], rows.get("counting", {}), ranks):
            rank_zero_warn(f"{split}: {told}")

    def _others(self, data: RankingData, model: Ranker, split: Split) -> dict[str, dict[str, float]]:
        """Return the figures that the model's stand beside."""
        rows = {}
        if self.counting:
            try:
                with torch.inference_mode(False):  # the baseline fits a few weights, inside Lightning's test loop
                    rows["counting"] = self._count(data, model, split)
            except (ValueError, FileNotFoundError) as error:
                print(f"The counting baseline is not shown: {error}")
        return rows | data.references(split)

    def _count(self, data: RankingData, model: Ranker, split: Split) -> dict[str, float]:
        counting = CountingBaseline(data.schema, model.primary_task, features=self.features)
        counting.fit(data.scan("train", counting.columns))
        metrics, task = model.new_metrics(), model.primary_task
        return measure(data, split, task, counting.predict, metrics, columns=counting.columns)


def what_counting_wins(model: dict[str, float], counting: dict[str, float], names: Sequence[str]) -> str:
    """Return a warning where counting by id ranks no worse than the model; empty where the model is better by all.

    Args:
        model: The model's figures by name; NaN is not known, and of two perfect ones neither wins.
        counting: Those of counting.
        names: Metrics of which more is better.
    """
    won = [name for name in names if counting.get(name, math.nan) >= model.get(name, math.nan) and model[name] < 1]
    if not won:
        return ""
    figures = ", ".join(f"{name} {counting[name]:.4f} against {model[name]:.4f}" for name in won)
    told = f"Counting by id ranks no worse than the model: {figures}. "
    if "auc" in won:
        return told + "It has not learned: try more steps or another learning rate."
    return told + "Over all rows the model is ahead, within groups it tells less than rates do."


def baseline_table(title: str, rows: dict[str, dict[str, float]], columns: list[str]) -> str:
    """Lay out figures by row and column, ``title`` above the names of rows; one that is not known is left empty."""
    width = max(len(title), *(len(name) for name in rows)) + 2
    lines = [title.ljust(width) + "".join(name.rjust(11) for name in columns)]
    for name, figures in rows.items():
        cells = [figures.get(column, math.nan) for column in columns]
        lines.append(name.ljust(width) + "".join(("" if math.isnan(c) else f"{c:.4f}").rjust(11) for c in cells))
    return "\n".join(lines)

"""The model's test metrics beside those of counting, and beside what is attainable."""

from __future__ import annotations

import math

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_only, rank_zero_warn

from hyrec.baselines.baseline import measure
from hyrec.baselines.counting import CountingBaseline
from hyrec.data.base import RankingData
from hyrec.ranker import Ranker


class BaselineTable(L.Callback):
    """Print a table after testing: the model, the counting baseline, and the data's known figures.

    Counting is fitted on the training rows and read on the same test rows with the same metric code. A model that does
    not beat it has not learned.

    Args:
        counting: Whether to fit and print the counting baseline. It reads the training rows once more, without
            their sequences.
        features: Id features to count. None: the best one of each role.
    """

    def __init__(self, counting: bool = True, features: list[str] | None = None) -> None:
        self.counting, self.features = counting, features

    def on_test_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Print the table."""
        data = getattr(trainer, "datamodule", None)
        tries_out = trainer.sanity_checking or getattr(trainer, "fast_dev_run", False)
        if isinstance(data, RankingData) and isinstance(pl_module, Ranker) and not tries_out:
            self._report(trainer, data, pl_module)

    @rank_zero_only
    def _report(self, trainer: L.Trainer, data: RankingData, model: Ranker) -> None:
        measured = {k.split("/", 1)[1]: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("test/")}
        task, names = model.primary_task, [name for name in model.new_metrics() if name in measured]
        rows = {"model": measured}
        if self.counting:
            try:
                with torch.inference_mode(False):  # the baseline fits a few weights, inside Lightning's test loop
                    rows["counting"] = self._count(data, model)
            except (ValueError, FileNotFoundError) as error:
                print(f"The counting baseline is not shown: {error}")
        rows |= data.references("test")
        print(baseline_table(f"test ({task})", rows, names))
        known = {name: figures.get("auc", math.nan) for name, figures in rows.items()}
        if counting_wins(known["model"], known.get("counting", math.nan)):
            rank_zero_warn(
                f"Counting by id ranks the test rows no worse than the model (AUC {known['counting']:.4f} against "
                f"{known['model']:.4f}): the model has not learned. Try more steps or another learning rate."
            )

    def _count(self, data: RankingData, model: Ranker) -> dict[str, float]:
        counting = CountingBaseline(data.schema, model.primary_task, features=self.features)
        counting.fit(data.scan("train", counting.columns))
        metrics, task = model.new_metrics(), model.primary_task
        return measure(data, "test", task, counting.predict, metrics, columns=counting.columns)


def counting_wins(model: float, counting: float) -> bool:
    """Whether AUCs say that the model has not learned; NaN is not known, and of two perfect ones neither wins."""
    return counting >= model and model < 1


def baseline_table(title: str, rows: dict[str, dict[str, float]], columns: list[str]) -> str:
    """Lay out figures by row and column, ``title`` above the names of rows; one that is not known is left empty."""
    width = max(len(title), *(len(name) for name in rows)) + 2
    lines = [title.ljust(width) + "".join(name.rjust(11) for name in columns)]
    for name, figures in rows.items():
        cells = [figures.get(column, math.nan) for column in columns]
        lines.append(name.ljust(width) + "".join(("" if math.isnan(c) else f"{c:.4f}").rjust(11) for c in cells))
    return "\n".join(lines)

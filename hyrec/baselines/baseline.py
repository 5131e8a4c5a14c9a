"""What all baselines of ``hyrec baseline`` share, and how they are measured: on the rows and metrics of any model."""

from __future__ import annotations

import importlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from hyrec.batch import Batch
from hyrec.data.base import RankingData, Split
from hyrec.metrics.base import RankingMetric

Report = Callable[[str], None]
"""Takes a line on how a fit goes."""


class NotOfferedError(Exception):
    """A baseline that the data or the environment has no place for; the message says why."""


class Baseline(ABC):
    """Predicts one task of a data set: fitted on ``train``, chosen on ``validate``.

    Attributes:
        columns: Features that ``predict`` reads. None: all.
        sequences: Sequences that ``predict`` reads.
        note: What was chosen in ``fit``, in a few words.
    """

    columns: Sequence[str] | None = None
    sequences: Sequence[str] = ()
    note: str = ""

    @abstractmethod
    def fit(self, data: RankingData, task: str, report: Report) -> None:
        """Learn from the training rows; what is chosen is chosen on the validation rows.

        Raises:
            NotOfferedError: When it cannot be had for this data.
        """

    @abstractmethod
    def predict(self, batch: Batch) -> Tensor:
        """Return the probability of each sample, ``(B,)`` float64 on the CPU."""


def required(module: str) -> Any:
    """Return a module of the extra ``baselines``.

    Raises:
        NotOfferedError: When it is not installed.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        why = f" ({error})" if importlib.util.find_spec(module.partition(".")[0]) else ""
        raise NotOfferedError(f"it needs {module.partition('.')[0]}: pip install 'hyrec[baselines]'{why}") from error


def measure(
    data: RankingData,
    split: Split,
    task: str,
    predict: Callable[[Batch], Tensor],
    metrics: Mapping[str, RankingMetric],
    *,
    columns: Sequence[str] | None = None,
    sequences: Sequence[str] = (),
    keep: Callable[[Batch, Tensor], None] | None = None,
) -> dict[str, float]:
    """Return what new metrics say of predictions of all rows of a split; this process reads them all, alone.

    Args:
        data: The data.
        split: What to read.
        task: The task that is predicted.
        predict: Returns probabilities of a batch.
        metrics: Metrics by name.
        columns: Features that ``predict`` reads. None: all.
        sequences: Sequences that it reads.
        keep: Takes every batch with its predictions.
    """
    for metric in metrics.values():
        metric.distributed_available_fn = _alone
    for batch in data.scan(split, columns, sequences=sequences):
        scores = predict(batch)
        for metric in metrics.values():
            metric.update(scores, batch.labels[task], group=batch.group, weights=batch.weights)
        if keep is not None:
            keep(batch, scores)
    return {name: float(metric.compute()) for name, metric in metrics.items()}


def _alone() -> bool:
    return False

"""Counting as a baseline of ``hyrec baseline``: rates as training left them, and rates that go on moving."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hyrec.baselines.baseline import Baseline, NotOfferedError, Report
from hyrec.baselines.counting import CountingBaseline
from hyrec.batch import Batch, expand_requests
from hyrec.data.base import RankingData


class FrozenRates(Baseline):
    """Count the training rows; validation and test see the rates of the end of training."""

    def fit(self, data: RankingData, task: str, report: Report) -> None:
        """Count."""
        try:
            self.counting = CountingBaseline(data.schema, task)
            self.counting.fit(data.scan("train", self.counting.columns))
        except ValueError as error:  # no feature to count, or nothing to tell apart
            raise NotOfferedError(str(error)) from error
        self.columns = self.counting.columns
        self.note = "rates of " + ", ".join(self.columns)

    def predict(self, batch: Batch) -> Tensor:
        """Return the probability of each sample."""
        return self.counting.predict(batch)


class MovingRates(FrozenRates):
    """Count on after training: a test row sees every earlier row, of validation and of the test as well.

    What is weighed, and how, is that of :class:`FrozenRates`. Rows of one moment do not see each other. Where several
    rows of a user or item are tested together, such rates can rank them worse than frozen ones: a user's own rate
    is higher after a click.
    """

    def fit(self, data: RankingData, task: str, report: Report) -> None:
        """Count, and look up what was known at the time of every test row.

        Raises:
            NotOfferedError: When the rows have no time.
        """
        if not data.schema.time_column:
            raise NotOfferedError("its rates move in the order of time, and the schema has no time_column.")
        super().fit(data, task, report)
        later = _Later(self.counting)
        for split in ("validate", "test"):
            for batch in data.scan(split, self.columns):
                later.add(batch, task, split)
        self._scores = self.counting.probability(later.counts())[later.is_test()]

    def predict(self, batch: Batch) -> Tensor:
        """Return the probability of each test row."""
        assert batch.row is not None
        return self._scores[batch.row]


class _Later:
    """Ids, labels and times of the rows after training; 24 bytes a row and 8 for each counted feature."""

    def __init__(self, counting: CountingBaseline) -> None:
        self._counting = counting
        self._ids: dict[str, list[Tensor]] = {name: [] for name in counting.columns}
        self._time: list[Tensor] = []
        self._shown: list[Tensor] = []
        self._is_test: list[Tensor] = []

    def add(self, batch: Batch, task: str, split: Literal["validate", "test"]) -> None:
        """Keep a batch."""
        assert batch.time is not None
        for name, ids in self._ids.items():
            ids.append(self._counting.ids(batch, name))
        label = batch.labels[task].double()
        weight = torch.ones_like(label) if batch.weights is None else batch.weights.double()
        weight = weight.where(~label.isnan(), 0.0)
        self._shown.append(torch.stack([weight, weight * label.nan_to_num()], 1))
        self._time.append(expand_requests(batch.time, batch.request_of))
        self._is_test.append(torch.full((batch.num_samples,), split == "test"))

    def is_test(self) -> Tensor:
        """Return which rows are of the test."""
        return torch.cat(self._is_test)

    def counts(self) -> dict[str, Tensor]:
        """Return how often the id of every row had been shown and clicked before that row, by feature."""
        time, shown = torch.cat(self._time).numpy(), torch.cat(self._shown).numpy()
        found = {}
        for name, parts in self._ids.items():
            ids = torch.cat(parts)
            found[name] = self._counting.counts_of(name, ids) + torch.from_numpy(earlier_sums(ids.numpy(), time, shown))
        return found


def earlier_sums(
    ids: np.ndarray[tuple[int], np.dtype[np.int64]],
    time: np.ndarray[tuple[int], np.dtype[np.float64]],
    values: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Sum the values of the rows that have the same id and a strictly earlier time.

    Shape:
        ids, time: ``(B,)``; values: ``(B, K)``. Returns ``(B, K)``.

    Example:
        >>> ids, time = np.array([7, 7, 8, 7]), np.array([1.0, 3.0, 2.0, 3.0])
        >>> earlier_sums(ids, time, np.array([[1.0], [10.0], [100.0], [1000.0]])).ravel().tolist()
        [0.0, 1.0, 0.0, 1.0]
    """
    order = np.lexsort((time, ids))
    ids, time, values = ids[order], time[order], values[order]
    before = np.concatenate([np.zeros((1, values.shape[1])), values.cumsum(0)])[:-1]
    new_id = np.r_[True, ids[1:] != ids[:-1]][: len(ids)]
    new_moment = new_id | np.r_[True, time[1:] != time[:-1]][: len(ids)]
    place = np.arange(len(ids))
    first_of_id = np.maximum.accumulate(np.where(new_id, place, 0))
    first_of_moment = np.maximum.accumulate(np.where(new_moment, place, 0))
    sums = np.empty_like(values)
    sums[order] = before[first_of_moment] - before[first_of_id]
    return sums

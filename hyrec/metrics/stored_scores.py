"""The shared state of metrics that need every score: stored once for all of them."""

from __future__ import annotations

import torch
from torch import Tensor

from hyrec.metrics.base import RankingMetric
from hyrec.metrics.functional.rows import check_rows

_UNKNOWN, _REFUSED = -1, 2


def _encode(target: Tensor) -> Tensor:
    """Store a label in one byte, NaN too: with NaN in it torchmetrics would not find two states equal."""
    code = torch.where(target == 1, 1, torch.where(target == 0, 0, _REFUSED))
    return torch.where(target.isnan(), _UNKNOWN, code).to(torch.int8)


def _decode(code: Tensor) -> Tensor:
    return code.float().masked_fill(code == _UNKNOWN, float("nan"))


class StoredScoresMetric(RankingMetric):
    """Base of metrics that need all scores at once; keeps 9 bytes a row, 17 with groups, 25 with weights too.

    The states are the same for every subclass, so the metrics of one ``MetricCollection`` store them once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.add_rows("preds", torch.float64)
        self.add_rows("target", torch.int8)
        self.add_rows("group", torch.int64)
        self.add_rows("weights", torch.float64)

    def update(self, preds: Tensor, target: Tensor, group: Tensor | None = None, weights: Tensor | None = None) -> None:
        """Store one batch; arguments as in ``RankingMetric.update``."""
        check_rows(preds, target, group, weights)
        self.append_rows("preds", self.exact(preds))
        self.append_rows("target", _encode(target.detach()))
        if group is not None:
            self.append_rows("group", group.detach().long())
        if weights is not None:
            self.append_rows("weights", self.exact(weights))

    def stored(self) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Return predictions, targets (float32), groups and weights of all rows; None for what no update had."""
        preds, target = self.rows("preds"), _decode(self.rows("target"))
        optional: list[Tensor | None] = []
        for name in ("group", "weights"):
            rows = self.rows(name)
            if len(rows) not in (0, len(preds)):
                raise ValueError(
                    f"{type(self).__name__} got {name} for {len(rows)} of {len(preds)} rows: "
                    f"pass {name} in every update or in none."
                )
            optional.append(rows if len(rows) or not len(preds) else None)
        return preds, target, optional[0], optional[1]

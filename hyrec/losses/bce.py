"""Binary cross-entropy over one or several tasks."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from hyrec.batch import RequestMap
from hyrec.context import BuildContext
from hyrec.messages import unknown
from hyrec.slots import Loss


class BCELoss(Loss):
    """Weighted binary cross-entropy, averaged over the known labels of each task and summed over tasks.

    ``sum_t a_t * sum_i w_i * bce(logit_ti, label_ti) / sum_i w_i``. A label that is NaN counts for nothing.

    Args:
        task_weights: a_t by task name; tasks that are not named weigh one.
        positive_weights: Factor on the positive samples of a task, by task name.

    Shape:
        logits, labels: ``{task: (B,)}``; weights: ``(B,)`` or None. Returns a scalar and a scalar by task.

    Raises:
        ValueError: When a task is named that the schema does not have.
    """

    paper: ClassVar[str] = "arXiv 2601.12681 3.1"

    def __init__(
        self,
        ctx: BuildContext,
        *,
        task_weights: dict[str, float] | None = None,
        positive_weights: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        tasks = ctx.schema.tasks
        for option, given in (("task_weights", task_weights), ("positive_weights", positive_weights)):
            for task in given or {}:
                if task not in tasks:
                    raise ValueError(unknown(f"{option} names the task", task, tasks, allowed="Tasks"))
        self.task_weights = task_weights or {}
        self.positive_weights = positive_weights or {}

    def forward(
        self,
        logits: dict[str, Tensor],
        labels: dict[str, Tensor],
        weights: Tensor | None = None,
        request_of: RequestMap | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the total and the loss of each task."""
        parts = {task: self.task_loss(task, logit, labels[task], weights, request_of) for task, logit in logits.items()}
        total = torch.stack([self.task_weights.get(task, 1.0) * part for task, part in parts.items()]).sum()
        return total, parts

    def task_loss(
        self, task: str, logit: Tensor, label: Tensor, weights: Tensor | None, request_of: RequestMap | None
    ) -> Tensor:
        """Return the loss of one task, a scalar; ``request_of`` is for losses that compare samples."""
        wide = torch.promote_types(logit.dtype, torch.float32)
        known = ~label.isnan()
        weight = known.to(wide) if weights is None else torch.where(known, weights.to(wide), 0.0)
        target = torch.where(known, label, 0.0).to(wide)
        positive = self.positive_weights.get(task)
        pos_weight = None if positive is None else logit.new_tensor(positive, dtype=wide)
        losses = F.binary_cross_entropy_with_logits(
            logit.to(wide), target, weight=weight, pos_weight=pos_weight, reduction="sum"
        )
        # A batch without any known label has loss zero, not NaN.
        return losses / weight.sum().clamp(min=torch.finfo(wide).tiny)

"""Cross-entropy of every sample, and of the order of the candidates of a request."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from hyrec.batch import RequestMap
from hyrec.context import BuildContext
from hyrec.losses.bce import BCELoss


class JRCLoss(BCELoss):
    r"""Rank the candidates of a request and stay calibrated (JRC, eq. 6): ``a BCE + (1 - a) rank``.

    .. math::
        \mathrm{rank}_i = -\log \frac{e^{f_{y_i}(i)}}{\sum_{j \in \mathrm{request}(i)} e^{f_{y_i}(j)}}

    averaged over the known samples like the cross-entropy: a clicked candidate competes with the others of its request
    for the logit of a click, one that was passed over for that of none. A request of one sample adds nothing.

    Deviation: the paper's model has two logits a sample; here ``f_1 = s / 2`` and ``f_0 = -s / 2`` of the one logit s,
    whose difference is s and whose softmax is its sigmoid. Pinned by test_jrc_equals_its_reference.

    Args:
        alpha: a, the share of the cross-entropy; 1 is BCELoss.
        task_weights: As for BCELoss.
        positive_weights: As for BCELoss; they leave the ranking part alone.

    Shape:
        logits, labels: ``{task: (B,)}``; weights: ``(B,)`` or None. Returns a scalar and a scalar by task.

    Raises:
        ValueError: When ``alpha`` is outside 0 to 1, or a task is named that the schema does not have.
    """

    paper: ClassVar[str] = "arXiv 2208.06164 3"
    compares_samples: ClassVar[bool] = True

    def __init__(
        self,
        ctx: BuildContext,
        *,
        alpha: float = 0.8,
        task_weights: dict[str, float] | None = None,
        positive_weights: dict[str, float] | None = None,
    ) -> None:
        super().__init__(ctx, task_weights=task_weights, positive_weights=positive_weights)
        if not 0 <= alpha <= 1:
            raise ValueError(f"JRCLoss needs alpha from 0 to 1, got {alpha}.")
        self.alpha = alpha

    def task_loss(
        self, task: str, logit: Tensor, label: Tensor, weights: Tensor | None, request_of: RequestMap | None
    ) -> Tensor:
        """Return the loss of one task."""
        bce = super().task_loss(task, logit, label, weights, request_of)
        if request_of is None:
            return self.alpha * bce
        wide = logit.to(torch.promote_types(logit.dtype, torch.float32))
        known = ~label.isnan()
        weight = known.to(wide.dtype) if weights is None else torch.where(known, weights.to(wide), 0.0)
        of_click, of_none = (_log_softmax(sign * wide / 2, known, request_of) for sign in (1, -1))
        losses = -torch.where(label > 0.5, of_click, of_none).masked_fill(~known, 0.0)
        rank = (weight * losses).sum() / weight.sum().clamp(min=torch.finfo(wide.dtype).tiny)
        return self.alpha * bce + (1 - self.alpha) * rank


def _log_softmax(logit: Tensor, known: Tensor, request_of: RequestMap) -> Tensor:
    """Normalise the logits ``(B,)`` of the known samples of every request."""
    lowest = torch.finfo(logit.dtype).min
    logit_RC = request_of.group(logit)
    present_RC = request_of.group(known)
    return request_of.ungroup(logit_RC.masked_fill(~present_RC, lowest).log_softmax(dim=1))

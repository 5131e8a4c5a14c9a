"""DIN's data-adaptive activation."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dice(nn.Module):
    r"""Switch between two slopes at the mean of the data: ``f(s) = p s + (1 - p) alpha s`` (DIN 5.3).

    ``p(s) = sigmoid((s - E[s]) / sqrt(Var[s] + eps))`` with the statistics of the batch in training and their moving
    averages otherwise, one mean, variance and alpha a channel. Rows that the mask leaves out change no statistic.
    Each process keeps its own batch statistics, as batch normalisation does.

    Args:
        width: Channels.
        momentum: Weight of the newest batch in the moving averages; the paper names none, 0.01 is that of the public
            implementations.
        eps: Added to the variance.

    Shape:
        ``(..., width)`` and a mask ``(...)``, True where a row counts. Returns ``(..., width)``.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int, *, momentum: float = 0.01, eps: float = 1e-8) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.alpha = nn.Parameter(torch.empty(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with alpha = 0 and the statistics of a standard normal distribution."""
        nn.init.zeros_(self.alpha)
        self.running_mean.zero_()
        self.running_var.fill_(1.0)

    def forward(self, s: Tensor, mask: Tensor) -> Tensor:
        """Activate every row."""
        mean, var = (self._batch_statistics(s, mask)) if self.training else (self.running_mean, self.running_var)
        p = torch.sigmoid((s.to(mean.dtype) - mean) * torch.rsqrt(var + self.eps)).to(s.dtype)
        return s * (p + (1 - p) * self.alpha.to(s.dtype))

    def _batch_statistics(self, s: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance over the rows that count, and move the averages; without rows keep the averages."""
        rows = s.flatten(0, -2).to(self.running_mean.dtype)
        weight = mask.flatten().to(rows.dtype).unsqueeze(1)
        count = weight.sum()
        mean = (weight * rows).sum(0) / count.clamp(min=1)
        var = (weight * (rows - mean).square()).sum(0) / count.clamp(min=1)
        with torch.no_grad():
            step = self.momentum * (count > 0)
            self.running_mean.lerp_(mean.detach(), step)
            self.running_var.lerp_(var.detach(), step)
        some = count > 0
        return torch.where(some, mean, self.running_mean), torch.where(some, var, self.running_var)

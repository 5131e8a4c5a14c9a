"""The weight of an L1 term, adapted until a set share of gates is above zero."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hyrec.functional import sum_over_processes

_FIRST, _LEAST, _MOST = 1e-6, 1e-10, 1.0
_RATE, _NEW, _STEPS_AHEAD = math.log(1.2), 0.1, 100.0


class ActivationControl(nn.Module):
    """Adapt the weight of the gates' L1 term in every step, so that a set share of the gates stays above zero.

    ``weight <- weight * 1.2^e`` with ``e = clamp((a' - a*) / a*, -1, 1)``: a* is the set share, and a' the measured
    one, a moving average, as it will be in 100 steps if it goes on as it does (after ReMoE, arXiv 2412.14711, which
    RankMixer 3.3 follows). Weight and average are saved, so that a run that resumes goes on as it would have.

    The share cannot be held above what the task wants: below it, the weight only vanishes.

    Args:
        activation: The share of gates that is to be above zero, a*.

    Raises:
        ValueError: When it is not in (0, 1].
    """

    weight: Tensor
    measured: Tensor

    def __init__(self, activation: float) -> None:
        super().__init__()
        if not 0 < activation <= 1:
            raise ValueError(
                f"activation is the share of active experts, above 0 and up to 1: got {activation}. 0.25 works."
            )
        self.activation = activation
        self.register_buffer("weight", torch.tensor(_FIRST))
        self.register_buffer("measured", torch.tensor(-1.0))  # below zero: nothing yet
        self._counted: Tensor | None = None  # no buffer: DDP would overwrite those of the other processes

    def count(self, gates: Tensor) -> None:
        """Count the gates of a batch, of which a step may have several."""
        active = (gates > 0).sum()
        counted = torch.stack([active, torch.full_like(active, gates.numel())])
        self._counted = counted if self._counted is None else self._counted + counted

    @torch.no_grad()
    def adapt(self) -> None:
        """Change the weight once, by all gates that all processes have counted since the last call."""
        if self._counted is None:
            return
        active, every = sum_over_processes(self._counted)
        self._counted, share = None, active / every
        before = torch.where(self.measured < 0, share, self.measured)
        self.measured.copy_(before.lerp(share, _NEW))
        # Deviation: ReMoE multiplies by 1.2 or divides by it, as the share of this step is too large or too small. The
        # weight then goes on growing while the first gates fall to zero, and takes nearly all others along, which a
        # ReLU does not bring back. Looking ahead and small steps near the goal prevent it. Pinned by
        # test_the_set_share_of_experts_is_reached_and_held.
        ahead = self.measured + _STEPS_AHEAD * (self.measured - before)
        error = ((ahead - self.activation) / self.activation).clamp(-1.0, 1.0)
        self.weight.mul_(torch.exp(_RATE * error)).clamp_(_LEAST, _MOST)

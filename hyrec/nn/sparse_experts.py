"""Per-token experts of which few compute: a router of each token says which, and how much each counts."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyrec.nn.activation_control import ActivationControl
from hyrec.nn.feedforward import PerTokenLinear
from hyrec.recording import Recording, recording


class ReLURouter(PerTokenLinear):
    """Gates of the experts of each token, ``G_ij = ReLU(h(s_i))_j`` (RankMixer 3.3).

    Args:
        num_tokens: T.
        d_model: D.
        num_experts: Experts of each token.

    Shape:
        tokens: ``(B, T, D)``; returns ``(B, T, X)`` for X experts, none below zero.
    """

    def __init__(self, num_tokens: int, d_model: int, num_experts: int) -> None:
        # Deviation: the paper does not say whether tokens share h. Experts are a token's own, so expert j of one token
        # has nothing to do with expert j of another, and a router is its own too. Pinned by
        # test_every_token_has_a_router_of_its_own.
        super().__init__(num_tokens, d_model, num_experts)

    def reset_parameters(self) -> None:
        """Begin with gates around one: nearly all experts are active, and together they are a dense network."""
        super().reset_parameters()
        nn.init.ones_(self.b_TK)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the gates."""
        return super().forward(tokens).relu()


FIGURES = tuple(f"experts/{name}" for name in ("active", "balance", "idle", "load", "penalty", "penalty_weight"))
"""Names of what is recorded of experts."""


class SparseExperts(nn.Module):
    """``v_i = sum_j G_ij e_ij(s_i)``: the experts of token i, weighed by the gates of its router (RankMixer 3.3).

    Each expert is ``e(s) = W2 GELU(W1 s + b1) + b2``. Training computes all of them. Inference computes an expert only
    for the samples whose gate is above zero, and gives the same. In training ``L_reg = sum_i sum_j G_ij``, averaged
    over samples, is added to the loss with a weight that is adapted until the set share of gates is above zero.

    Args:
        num_tokens: T.
        d_model: D.
        d_hidden: Hidden width of all experts of a token together.
        num_experts: Experts of each token; ``d_hidden`` must be divisible by it.
        activation: Share of the gates that are to be above zero.
        training: ``dense``: two routers (DTSI), of which L_reg holds the second only, and inference uses the second
            only. ``sparse``: one router does everything.
        dropout: Probability to drop a hidden unit.

    Shape:
        tokens: ``(B, T, D)``; returns the same shape.

    Raises:
        ValueError: For experts that cannot share the hidden width, or an activation outside (0, 1].
    """

    def __init__(
        self,
        num_tokens: int,
        d_model: int,
        d_hidden: int,
        *,
        num_experts: int,
        activation: float,
        training: Literal["dense", "sparse"] = "dense",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if num_experts < 1 or d_hidden % num_experts:
            fit = [n for n in range(1, d_hidden + 1) if d_hidden % n == 0 and n <= max(16, num_experts)]
            raise ValueError(
                f"The experts of a token share its hidden width: got num_experts={num_experts} and width {d_hidden}. "
                f"num_experts of {', '.join(map(str, fit))} works."
            )
        # Deviation: the paper says neither how many experts there are nor how wide each is. Here they share the width
        # of the dense network, so that both have the same parameters but for the routers. Pinned by
        # test_experts_have_the_parameters_of_the_dense_network_and_of_their_routers.
        d_expert = d_hidden // num_experts
        self.num_experts, self.dropout = num_experts, nn.Dropout(dropout)
        self.w1_TXKD = nn.Parameter(torch.empty(num_tokens, num_experts, d_expert, d_model))
        self.b1_TXK = nn.Parameter(torch.empty(num_tokens, num_experts, d_expert))
        self.w2_TXKD = nn.Parameter(torch.empty(num_tokens, num_experts, d_expert, d_model))
        self.b2_TXD = nn.Parameter(torch.empty(num_tokens, num_experts, d_model))
        self.router = ReLURouter(num_tokens, d_model, num_experts)
        self.training_router = ReLURouter(num_tokens, d_model, num_experts) if training == "dense" else None
        self.control = ActivationControl(activation)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the two layers of each expert as ``nn.Linear`` does."""
        d_expert, d_model = self.w1_TXKD.shape[2:]
        for d_in, parameters in ((d_model, (self.w1_TXKD, self.b1_TXK)), (d_expert, (self.w2_TXKD, self.b2_TXD))):
            for parameter in parameters:
                nn.init.uniform_(parameter, -1 / math.sqrt(d_in), 1 / math.sqrt(d_in))

    def forward(self, tokens: Tensor) -> Tensor:
        """Route each token to its experts."""
        gates_BTX = self.router(tokens)
        if said := recording():
            self._note(said, gates_BTX)
        if self.training:
            return self.all_experts(tokens, self._in_training(tokens, gates_BTX))
        # Shapes that follow from values can be neither exported nor counted; the result is the same.
        if tokens.is_meta or torch.compiler.is_compiling():
            return self.all_experts(tokens, gates_BTX)
        return self.active_experts(tokens, gates_BTX)

    def all_experts(self, x_BTD: Tensor, g_BTX: Tensor) -> Tensor:
        """Compute every expert for every sample: two batched matrix products, one slice a token."""
        w1_TDE, w2_TED = self.w1_TXKD.flatten(1, 2).mT, self.w2_TXKD.flatten(1, 2)
        g_TBX = g_BTX.transpose(0, 1)
        hidden_TBE = F.gelu(torch.baddbmm(self.b1_TXK.flatten(1).unsqueeze(1), x_BTD.transpose(0, 1), w1_TDE))
        weighed_TBXK = self.dropout(hidden_TBE).unflatten(2, (self.num_experts, -1)) * g_TBX.unsqueeze(3)
        out_TBD = torch.baddbmm(torch.bmm(g_TBX, self.b2_TXD), weighed_TBXK.flatten(2), w2_TED)
        return out_TBD.transpose(0, 1)

    def active_experts(self, x_BTD: Tensor, g_BTX: Tensor) -> Tensor:
        """Gather the samples of each expert whose gate is above zero, and compute no others.

        Asks the device once how many samples each expert has.
        """
        g_EB = g_BTX.permute(1, 2, 0).flatten(0, 1)  # E: the experts of all tokens
        expert_N, sample_N = (g_EB > 0).nonzero(as_tuple=True)  # grouped by expert
        sizes = torch.bincount(expert_N, minlength=len(g_EB)).tolist()
        groups = zip(sample_N.split(sizes), g_EB[expert_N, sample_N].split(sizes), strict=True)
        layers = zip(*(p.flatten(0, 1) for p in (self.w1_TXKD, self.b1_TXK, self.w2_TXKD, self.b2_TXD)), strict=True)
        out_TBD = x_BTD.new_zeros(x_BTD.shape[1], len(x_BTD), x_BTD.shape[2])
        for expert, ((rows_N, g_N), (w1_KD, b1_K, w2_KD, b2_D)) in enumerate(zip(groups, layers, strict=True)):
            token = expert // self.num_experts
            hidden_NK = F.gelu(F.linear(x_BTD[:, token][rows_N], w1_KD, b1_K))
            value_ND = torch.addmm(b2_D, hidden_NK, w2_KD) * g_N.unsqueeze(1)
            out_TBD[token].index_add_(0, rows_N, value_ND.to(out_TBD.dtype))
        return out_TBD.transpose(0, 1)

    def adapt(self) -> None:
        """Adapt the weight of L_reg to the gates since the last call."""
        self.control.adapt()

    def idle_flops(self) -> float:
        """Return the FLOPs a sample that training computes forward and inference leaves out, at the set activation."""
        num_tokens, _, _, d_model = self.w1_TXKD.shape
        experts = 4.0 * self.w1_TXKD.numel() * (1 - self.control.activation)
        return experts + (0 if self.training_router is None else 2.0 * num_tokens * d_model * self.num_experts)

    def _in_training(self, x_BTD: Tensor, g_BTX: Tensor) -> Tensor:
        """Return the gates that training computes with."""
        if self.training_router is None:
            return g_BTX
        # Deviation: the paper does not say how both routers get the gradient of the task. Each routes one half of the
        # samples, drawn anew in every step. Averaged outputs would train what follows on a mixture that inference never
        # sees, with gates of the second router as small as L_reg likes. Pinned by
        # test_each_router_routes_one_half_of_the_samples_in_training.
        second_B11 = (torch.randperm(len(g_BTX), device=g_BTX.device) % 2 == 0).view(-1, 1, 1)
        return torch.where(second_B11, g_BTX, self.training_router(x_BTD))

    def _note(self, said: Recording, g_BTX: Tensor) -> None:
        """Say how many experts are active, and how evenly; in training also what that costs."""
        share_TX = (g_BTX > 0).float().mean(0)
        penalty = g_BTX.float().sum((1, 2)).mean()
        if self.training:
            said.add_loss(self.control.weight * penalty)
            self.control.count(g_BTX)
        idle, load = (share_TX == 0).float().mean(), share_TX.amax(1).mean()
        values = (share_TX.mean(), balance(share_TX).mean(), idle, load, penalty, self.control.weight)
        for name, value in zip(FIGURES, values, strict=True):
            said.add_figure(name, value)


def balance(share_TX: Tensor) -> Tensor:
    """Return how evenly the experts of each token are used: one over X when one does everything, 1 when all do as much.

    ``(sum_j f_j)^2 / (X sum_j f_j^2)`` with f_j the share of samples that expert j is active for; 1 where none is.

    Example:
        >>> balance(torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.2, 0.2, 0.2, 0.2]])).tolist()
        [0.5, 1.0]
    """
    squares_T = share_TX.shape[1] * share_TX.square().sum(1)
    return torch.where(squares_T > 0, share_TX.sum(1).square() / squares_T.clamp(min=1e-12), 1.0)

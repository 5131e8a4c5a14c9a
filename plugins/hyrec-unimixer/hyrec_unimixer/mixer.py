"""UniMixer: RankMixer's permutation, learned."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from hyrec.context import BuildContext
from hyrec.nn.feedforward import PerTokenFeedForward
from hyrec.slots import TokenMixer
from hyrec_unimixer.sinkhorn import symmetric_sinkhorn


class UniMixer(TokenMixer):
    r"""Mix blocks of all tokens by a learned symmetric doubly stochastic matrix, then refine each token.

    The T tokens of width D are cut into n = T D / b blocks of b numbers. RankMixer's mixing of the flattened tokens
    is :math:`G \otimes I` with a symmetric permutation G of the blocks; here both factors are learned:

    .. math::
        \mathrm{mix}(X)_i = \sum_j (W_G)_{ij}\; x_j W_B^{(j)}, \qquad W_G = \mathrm{Sinkhorn}(A / \tau)

    :math:`W_G` is symmetric and doubly stochastic, :math:`W_B^{(j)}` is a ``b x b`` matrix of block j. The temperature
    falls from ``temperature`` to ``final_temperature`` over the first ``anneal_steps`` training forwards, so that
    :math:`W_G` starts soft and ends sharp; it is a buffer of the module and part of its checkpoint. With W_G = G and
    W_B = I this is RankMixer. The number of blocks of a token is free: D need not be divisible by T. Around the
    mixing stand the residuals, norms and per-token networks of ``RankMixer(residual="double")``.

    Written after summaries of the paper, not its text. Confirmed by them: the Kronecker form, the constraint on W_G,
    the block-local W_B, the two temperatures and that b is free. Choices made here, not confirmed: annealing is
    geometric and counts forwards; W_B starts as the identity and A as noise around RankMixer's permutation where that
    exists (b = D / T); W_B acts before W_G; post-norm and the per-token network. The Lite form (low-rank W_G, W_B
    from shared bases) and SiameseNorm are not part of this class.

    Args:
        block: b, the width of a block; it must divide D. 0: D / T where T divides D, else the largest width up to
            D / T that divides D.
        temperature: Temperature of the first step.
        final_temperature: Temperature after ``anneal_steps`` steps.
        anneal_steps: Training forwards until the final temperature; gradient accumulation counts each micro-batch.
            0: the final temperature from the start.
        sinkhorn_iterations: Iterations towards row sums of one.
        expansion: Hidden width of each token's network, in multiples of D.
        norm: Where LayerNorm stands.
        dropout: Probability to drop a hidden unit.

    Shape:
        tokens: ``(B, T, D)``; returns the same shape.

    Raises:
        ValueError: When ``block`` does not divide D, or a temperature or count is out of range.
    """

    paper: ClassVar[str] = "arXiv 2604.00590"
    tags: ClassVar[tuple[str, ...]] = ("unimixer", "rankmixer")
    status: ClassVar[str] = "experimental"
    steps: Tensor

    def __init__(
        self,
        ctx: BuildContext,
        *,
        block: int = 0,
        temperature: float = 1.0,
        final_temperature: float = 0.05,
        anneal_steps: int = 1000,
        sinkhorn_iterations: int = 20,
        expansion: int = 4,
        norm: Literal["pre", "post"] = "post",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.block = block or _default_block(ctx.d_model, ctx.num_tokens)
        _check(ctx.d_model, self.block, temperature, final_temperature, anneal_steps, sinkhorn_iterations)
        self.temperatures, self.anneal_steps = (temperature, final_temperature), anneal_steps
        self.sinkhorn_iterations, self.norm, self.num_tokens = sinkhorn_iterations, norm, ctx.num_tokens
        num_blocks = ctx.num_tokens * ctx.d_model // self.block
        self.logits_NN = nn.Parameter(torch.empty(num_blocks, num_blocks))
        self.local_NEE = nn.Parameter(torch.empty(num_blocks, self.block, self.block))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.feedforward = PerTokenFeedForward(ctx.num_tokens, ctx.d_model, expansion * ctx.d_model, dropout=dropout)
        self.norm_mix = nn.LayerNorm(ctx.d_model)
        self.norm_feedforward = nn.LayerNorm(ctx.d_model)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start near RankMixer's permutation where it exists, with local matrices that change nothing."""
        nn.init.normal_(self.logits_NN, std=0.1)
        blocks, tokens = len(self.logits_NN), self.num_tokens
        if blocks == tokens * tokens:
            source = torch.arange(blocks).view(tokens, tokens).T.flatten()
            with torch.no_grad():
                self.logits_NN[torch.arange(blocks), source] += 1.0
        with torch.no_grad():
            self.local_NEE.copy_(torch.eye(self.block).expand_as(self.local_NEE))

    def temperature(self) -> Tensor:
        """Return the present temperature, a float32 scalar."""
        first, last = self.temperatures
        done = (self.steps / self.anneal_steps).clamp(max=1.0) if self.anneal_steps else torch.ones_like(self.steps)
        return first * (last / first) ** done.to(torch.float32)

    def global_weights(self) -> Tensor:
        """Return W_G, ``(n, n)``, at the present temperature."""
        return symmetric_sinkhorn(self.logits_NN, self.temperature(), self.sinkhorn_iterations)

    def mix(self, tokens: Tensor) -> Tensor:
        """Exchange blocks between tokens, ``(B, T, D)`` to the same shape."""
        x_NBE = rearrange(tokens, "b t (c e) -> (t c) b e", e=self.block)
        local_NBE = torch.bmm(x_NBE, self.local_NEE)
        mixed = torch.einsum("ij,jbe->bie", self.global_weights().to(local_NBE.dtype), local_NBE)
        return rearrange(mixed, "b (t c) e -> b t (c e)", t=self.num_tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        """Mix, then refine each token."""
        x_BTD = tokens
        if self.norm == "post":
            s_BTD = self.norm_mix(x_BTD + self.mix(x_BTD))
            out: Tensor = self.norm_feedforward(s_BTD + self.feedforward(s_BTD))
        else:
            s_BTD = x_BTD + self.mix(self.norm_mix(x_BTD))
            out = s_BTD + self.feedforward(self.norm_feedforward(s_BTD))
        if self.training:
            self.steps += 1
        return out


def _default_block(d_model: int, num_tokens: int) -> int:
    """Return the largest divisor of D that is at most D / T."""
    return next(b for b in range(max(1, d_model // num_tokens), 0, -1) if d_model % b == 0)


def _check(
    d_model: int, block: int, temperature: float, final_temperature: float, anneal_steps: int, iterations: int
) -> None:
    if block < 1 or d_model % block:
        fitting = ", ".join(str(b) for b in range(1, d_model + 1) if d_model % b == 0)
        raise ValueError(
            f"UniMixer needs d_model divisible by block: got d_model={d_model} and block={block}. "
            f"block of {fitting} works."
        )
    if not 0 < final_temperature <= temperature:
        raise ValueError(
            "UniMixer needs 0 < final_temperature <= temperature: got "
            f"final_temperature={final_temperature} and temperature={temperature}; 0.05 and 1.0 work."
        )
    for name, value, least in (("anneal_steps", anneal_steps, 0), ("sinkhorn_iterations", iterations, 1)):
        if value < least:
            raise ValueError(f"UniMixer needs {name} of at least {least}, got {value}.")

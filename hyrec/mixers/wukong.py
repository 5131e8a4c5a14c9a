"""Stacked factorization machines."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from hyrec.context import BuildContext
from hyrec.nn.feedforward import FeedForward
from hyrec.slots import TokenMixer


class Wukong(TokenMixer):
    """Mix tokens with one layer of Wukong: ``LN(concat(FMB(X), LCB(X)) + X)`` (Wukong 3.2-3.6).

    The factorization machine block (FMB) makes n_F new tokens of the products of tokens, the linear compression block
    (LCB) makes n_L weighted sums of them: ``LCB(X) = W_L X``. Each layer doubles the order of interactions.

    Args:
        num_linear: Tokens that the LCB makes; n_L in the paper. The FMB makes the other T - n_L. 0: half of them.
        rank: Columns of Y, with which products of tokens are compressed; k in the paper.
        expansion: Hidden width of the FMB's network, in multiples of D.
        dropout: Probability to drop a hidden unit.

    Shape:
        tokens: ``(B, T, D)`` with T at least 2; returns the same shape.

    Raises:
        ValueError: When the tokens cannot be shared out between the blocks, or ``rank`` is below one.
    """

    paper: ClassVar[str] = "arXiv 2403.02545 3.2-3.6"
    tags: ClassVar[tuple[str, ...]] = ("wukong", "factorization machine")

    def __init__(
        self, ctx: BuildContext, *, num_linear: int = 0, rank: int = 8, expansion: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        tokens, width = ctx.num_tokens, ctx.d_model
        num_linear = num_linear or tokens // 2
        if tokens < 2 or not 0 < num_linear < tokens:
            works = f"num_linear of 1 to {tokens - 1} works" if tokens > 1 else "Use IdentityMixer for one token"
            raise ValueError(
                f"Wukong makes num_linear tokens in one block and the others in another, one at least in each: got "
                f"num_linear={num_linear} and {tokens} tokens. {works}."
            )
        if rank < 1:
            raise ValueError(f"Wukong needs rank >= 1, got rank={rank}. rank=8 works.")
        # Deviation: a layer of the paper may change the number of tokens, and then compresses the residual; here they
        # stay as many, so that n_F follows from n_L. Pinned by test_wukong_shares_its_tokens_between_two_blocks.
        self.fmb = FactorizationMachineBlock(tokens, width, tokens - num_linear, rank, expansion * width, dropout)
        self.lcb = nn.Linear(tokens, num_linear, bias=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Multiply tokens in one block, add them in the other."""
        added_BTD = self.lcb(tokens.mT).mT
        out: Tensor = self.norm(torch.cat([self.fmb(tokens), added_BTD], dim=1) + tokens)
        return out


class FactorizationMachineBlock(nn.Module):
    """``reshape(FFN(LN(flatten(X (X^T Y)))))``: products of tokens, compressed by a learned Y (Wukong 3.4-3.5).

    Args:
        num_tokens: T.
        d_model: D.
        num_out: Tokens that it makes; n_F in the paper.
        rank: Columns of Y; k in the paper.
        d_hidden: Hidden width of the network.
        dropout: Probability to drop a hidden unit.

    Shape:
        tokens: ``(B, T, D)``; returns ``(B, num_out, D)``.
    """

    def __init__(self, num_tokens: int, d_model: int, num_out: int, rank: int, d_hidden: int, dropout: float) -> None:
        super().__init__()
        self.num_out = num_out
        self.y = nn.Linear(num_tokens, rank, bias=False)
        self.norm = nn.LayerNorm(num_tokens * rank)
        # Deviation: the paper prints an MLP without its activation. GELU as everywhere here, and none on the output,
        # where a ReLU would keep tokens of one sign. Pinned by test_wukong_equals_its_reference.
        self.feedforward = FeedForward(num_tokens * rank, d_hidden, num_out * d_model, dropout=dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Multiply the tokens with one another, and make new ones of the products."""
        products_BTk = tokens @ self.y(tokens.mT)
        out_BE = self.feedforward(self.norm(products_BTk.flatten(1)))
        out: Tensor = out_BE.unflatten(1, (self.num_out, tokens.shape[2]))
        return out

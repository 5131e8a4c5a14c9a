"""Equal pieces of the concatenated features."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyrec.context import BuildContext
from hyrec.slots import Tokenizer


class AutoSplitTokens(Tokenizer):
    """Concatenate all features in group order, cut into equal pieces, project each piece on its own.

    ``x_i = LN(W_i e[(i-1) w : i w] + b_i)`` with w the width of a piece (RankMixer 3.1). The projections are not
    shared (public copies share one). The last piece is filled up with zeros.

    Args:
        num_tokens: Number of pieces.

    Shape:
        features: ``{name: (B, width)}``; returns ``(B, num_tokens, D)``.

    Raises:
        ValueError: When there are more tokens than numbers to split.
    """

    paper: ClassVar[str] = "arXiv 2507.15551 3.1"
    tags: ClassVar[tuple[str, ...]] = ("rankmixer",)

    def __init__(self, ctx: BuildContext, *, num_tokens: int = 8) -> None:
        super().__init__()
        self.names = list(ctx.feature_widths)
        total = sum(ctx.feature_widths.values())
        if not 1 <= num_tokens <= total:
            raise ValueError(
                f"AutoSplitTokens cannot cut {total} embedded numbers into num_tokens={num_tokens} pieces; "
                f"1 to {total} works."
            )
        self.num_tokens = num_tokens
        self.piece = -(-total // num_tokens)
        self.fill = self.piece * num_tokens - total
        self.widths = ctx.feature_widths
        self.weight_MWD = nn.Parameter(torch.empty(num_tokens, self.piece, ctx.d_model))
        self.bias_MD = nn.Parameter(torch.empty(num_tokens, ctx.d_model))
        # Deviation: RankMixer prints no norm, and its pieces fill the width; here zeros fill the last one.
        # Pinned by test_auto_split_tokens_equal_their_reference.
        self.norm = nn.LayerNorm(ctx.d_model)
        self.reset_parameters()

    @property
    def token_features(self) -> list[list[str]]:
        """Names of the features that each piece touches."""
        tokens: list[list[str]] = [[] for _ in range(self.num_tokens)]
        start = 0
        for name in self.names:
            stop = start + self.widths[name]
            for token in range(start // self.piece, -(-stop // self.piece)):
                tokens[token].append(name)
            start = stop
        return tokens

    def reset_parameters(self) -> None:
        """Initialise each projection as ``nn.Linear`` does."""
        bound = 1 / math.sqrt(self.piece)
        nn.init.uniform_(self.weight_MWD, -bound, bound)
        nn.init.uniform_(self.bias_MD, -bound, bound)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Cut and project."""
        flat = torch.cat([features[name] for name in self.names], dim=-1)
        pieces_BMW = F.pad(flat, (0, self.fill)).unflatten(-1, (self.num_tokens, self.piece))
        tokens_MBD = torch.baddbmm(self.bias_MD.unsqueeze(1), pieces_BMW.transpose(0, 1), self.weight_MWD)
        out: Tensor = self.norm(tokens_MBD.transpose(0, 1))
        return out

"""One tower a task over the tokens of the last layer."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyrec.batch import Tokens
from hyrec.context import BuildContext
from hyrec.nn.activations import Activation, activation_of
from hyrec.nn.named import NamedModules
from hyrec.slots import Head


class MLPHead(Head):
    """Score each task with a multi-layer perceptron over chosen tokens.

    HyFormer does not say what feeds the head; the concatenated queries are the default.
    RankMixer averages all tokens (``tokens: all``, ``pool: mean``). The last layer runs in float32 under autocast.

    Args:
        tokens: The ``queries`` or ``all`` tokens.
        pool: Whether tokens are concatenated or averaged.
        hidden: Widths of the hidden layers.
        projection: Width to which the pooled tokens are projected before they are normalised. 0: they are not.
        activation: Activation of the hidden layers.
        norm: Where LayerNorm stands: before the towers (``pre``), there and before the activation of every hidden layer
            (``both``), or nowhere.
        dropout: Probability to drop a hidden unit.
        features: Whether the towers also read the embedded features as they are, beside the tokens: the deep part of
            Wide & Deep (arXiv 1606.07792). Rare ids reach the logit without passing through a group's token.

    Shape:
        tokens: ``Tokens``. Returns ``{task: (B,)}``, float32 or wider.

    Raises:
        ValueError: When ``tokens`` is ``queries`` and the schema has no sequence, hence no query.
    """

    paper: ClassVar[str] = "arXiv 2601.12681 3.6; arXiv 2507.15551 3.2"
    tags: ClassVar[tuple[str, ...]] = ("hyformer", "rankmixer")

    def __init__(
        self,
        ctx: BuildContext,
        *,
        tokens: Literal["queries", "all"] = "queries",
        pool: Literal["concat", "mean"] = "concat",
        hidden: list[int] | None = None,
        projection: int = 0,
        activation: Literal["gelu", "silu", "relu"] = "gelu",
        norm: Literal["pre", "both", "none"] = "pre",
        dropout: float = 0.0,
        features: bool = False,
    ) -> None:
        super().__init__()
        if tokens == "queries" and not ctx.num_queries:
            raise ValueError("MLPHead reads the queries, but the schema has no sequence. Use tokens='all'.")
        self.tokens, self.pool = tokens, pool
        count = ctx.num_tokens if tokens == "all" else sum(ctx.num_queries.values())
        width = ctx.d_model * (count if pool == "concat" else 1)
        self.project = nn.Linear(width, projection) if projection else nn.Identity()
        width = projection or width
        # Deviation: neither paper prints a norm before the towers. Pinned by test_mlp_head_equals_its_reference.
        self.norm = nn.LayerNorm(width) if norm != "none" else nn.Identity()
        self.features = features
        width += sum(ctx.feature_widths.values()) if features else 0
        self.towers = NamedModules(
            {
                task: Tower(width, hidden or [128], dropout, activation=activation, norms=norm == "both")
                for task in ctx.schema.tasks
            }
        )

    def forward(self, tokens: Tokens) -> dict[str, Tensor]:
        """Return the logits by task."""
        x_BTD = tokens.all() if self.tokens == "all" else torch.cat(list(tokens.queries.values()), dim=1)
        x_BE = self.norm(self.project(x_BTD.flatten(1) if self.pool == "concat" else x_BTD.mean(dim=1)))
        if self.features:
            x_BE = torch.cat([x_BE, *(feature.to(x_BE.dtype) for feature in tokens.features.values())], dim=1)
        return {task: self.towers[task](x_BE) for task in self.towers}


class Tower(nn.Module):
    """Hidden layers, then one logit in float32 or wider.

    Args:
        d_in: Width of the input.
        hidden: Widths of the hidden layers.
        dropout: Probability to drop a hidden unit.
        activation: Activation of the hidden layers.
        norms: Whether LayerNorm stands before each activation.

    Shape:
        ``(B, d_in)`` to ``(B,)``.
    """

    def __init__(
        self, d_in: int, hidden: list[int], dropout: float, *, activation: Activation = "gelu", norms: bool = False
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden:
            layers.append(nn.Linear(d_in, width))
            if norms:
                layers.append(nn.LayerNorm(width))
            layers += [activation_of(activation), nn.Dropout(dropout)]
            d_in = width
        self.hidden = nn.Sequential(*layers)
        self.out = nn.Linear(d_in, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        x = self.hidden(x)
        with torch.autocast(x.device.type, enabled=False):
            wide = torch.promote_types(x.dtype, torch.float32)
            return F.linear(x.to(wide), self.out.weight.to(wide), self.out.bias.to(wide)).squeeze(-1)

"""One token per semantic group of features."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from hyrec.context import BuildContext
from hyrec.messages import unknown
from hyrec.nn.activations import activation_of
from hyrec.nn.named import NamedModules
from hyrec.nn.norms import token_norm_of
from hyrec.slots import Tokenizer


class GroupedTokens(Tokenizer):
    """Turn each semantic group of features into a token: ``F_g = LN(W_g concat(group g) + b_g)``.

    The groups are the schema's; HyFormer uses this form (section 3.1, "semantic grouping").

    Args:
        tokens_per_group: Tokens for groups that deserve more than one, by group name.
        norm: Whether tokens are normalised.
        norm_weights: Whether all tokens share the norm's scale and shift, or each has its ``own``.
        activation: Activation behind the norm.

    Shape:
        features: ``{name: (B, width)}``; returns ``(B, M, D)``, tokens in group order.

    Raises:
        ValueError: When ``tokens_per_group`` names a group that the schema does not have, or asks for no token.
    """

    paper: ClassVar[str] = "arXiv 2601.12681 3.1; arXiv 2507.15551 3.1"
    tags: ClassVar[tuple[str, ...]] = ("hyformer", "rankmixer")

    def __init__(
        self,
        ctx: BuildContext,
        *,
        tokens_per_group: dict[str, int] | None = None,
        norm: bool = True,
        norm_weights: Literal["shared", "own"] = "shared",
        activation: Literal["none", "gelu", "silu", "relu"] = "none",
    ) -> None:
        super().__init__()
        schema, counts = ctx.schema, tokens_per_group or {}
        for group, count in counts.items():
            if group not in schema.group_names:
                raise ValueError(
                    unknown("tokens_per_group names the group", group, schema.group_names, allowed="Groups")
                )
            if count < 1:
                raise ValueError(f"tokens_per_group gives {group!r} {count} tokens; a group has at least one.")
        self.d_model = ctx.d_model
        self.groups = {group: schema.features_of_group(group) for group in schema.group_names}
        self.counts = {group: counts.get(group, 1) for group in self.groups}
        self.num_tokens = sum(self.counts.values())
        self.project = NamedModules(
            {
                group: nn.Linear(sum(ctx.feature_widths[n] for n in names), self.counts[group] * ctx.d_model)
                for group, names in self.groups.items()
            }
        )
        # Deviation: the papers print no norm. Pinned by test_grouped_tokens_equal_their_reference.
        self.norm = token_norm_of(norm_weights, self.num_tokens, ctx.d_model) if norm else nn.Identity()
        self.activation = activation_of(activation)

    @property
    def token_features(self) -> list[list[str]]:
        """Names of the features that make each token."""
        return [names for group, names in self.groups.items() for _ in range(self.counts[group])]

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Project each group."""
        tokens = [
            self.project[group](torch.cat([features[n] for n in names], dim=-1)) for group, names in self.groups.items()
        ]
        tokens_BMD = torch.cat(tokens, dim=-1).unflatten(-1, (self.num_tokens, self.d_model))
        out: Tensor = self.activation(self.norm(tokens_BMD))
        return out

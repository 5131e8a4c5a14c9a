"""Pieces of the concatenated features."""

from __future__ import annotations

import math
import re
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from hyrec.context import BuildContext
from hyrec.feature import Role
from hyrec.messages import listed, suggest
from hyrec.nn.activations import activation_of
from hyrec.nn.norms import token_norm_of
from hyrec.slots import Tokenizer
from hyrec.tokenizers.cuts import narrow_ends


class AutoSplitTokens(Tokenizer):
    """Concatenate features, cut them into pieces, project each piece on its own.

    ``x_i = LN(W_i e_i + b_i)`` with e_i the numbers of piece i (RankMixer 3.1). The projections are not shared (public
    copies share one). With one ``num_tokens``, all features in the order of the schema are cut into pieces whose widths
    differ by one at most. With numbers by role, no token mixes roles; the features of a role are taken in natural order
    (``f_3`` before ``f_15``) and cut between features, so that the widest piece is as narrow as it can be, and the
    others as even. Only a role of fewer features than tokens has features that are cut, the widest first.

    Args:
        num_tokens: Number of pieces, or numbers by role, as ``{user: 5, item: 2}``. A semantic group of the schema may
            be named too and is then taken out of its role: ``{user: 5, user_dense: 1, item: 2}``.
        norm_weights: Whether all tokens share the norm's scale and shift, or each has its ``own``.
        activation: Activation behind the norm.

    Shape:
        features: ``{name: (B, width)}``; returns ``(B, M, D)``: roles in the order user, item, context, cross, each
        followed by its groups.

    Raises:
        ValueError: When there are more tokens than numbers to split, and for names that are no role or group of the
            schema, or roles of features that get no token.
    """

    paper: ClassVar[str] = "arXiv 2507.15551 3.1"
    tags: ClassVar[tuple[str, ...]] = ("rankmixer",)

    def __init__(
        self,
        ctx: BuildContext,
        *,
        num_tokens: int | dict[str, int] = 8,
        norm_weights: Literal["shared", "own"] = "shared",
        activation: Literal["none", "gelu", "silu", "relu"] = "none",
    ) -> None:
        super().__init__()
        if isinstance(num_tokens, int):
            parts = {"num_tokens": (list(ctx.feature_widths), num_tokens)}
        else:
            parts = _parts_by_role(ctx, num_tokens)
        self.names = [name for names, _ in parts.values() for name in names]
        self.widths = ctx.feature_widths
        self.ends: list[int] = []
        start = 0
        for part, (names, count) in parts.items():
            widths = [ctx.feature_widths[name] for name in names]
            total = sum(widths)
            if not 1 <= count <= total:
                raise ValueError(
                    f"AutoSplitTokens cannot cut {total} embedded numbers into {part}={count} pieces; "
                    f"1 to {total} works."
                )
            by_role = not isinstance(num_tokens, int)
            ends = narrow_ends(widths, count) if by_role else [total * (i + 1) // count for i in range(count)]
            self.ends += [start + end for end in ends]
            start += total
        self.num_tokens = len(self.ends)
        self.weight_WD = nn.Parameter(torch.empty(start, ctx.d_model))
        self.bias_MD = nn.Parameter(torch.empty(self.num_tokens, ctx.d_model))
        # Deviation: RankMixer prints no norm, and its pieces are equally wide.
        # Pinned by test_auto_split_tokens_equal_their_reference.
        self.norm = token_norm_of(norm_weights, self.num_tokens, ctx.d_model)
        self.activation = activation_of(activation)
        self.reset_parameters()

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """First number of each piece, and the one after its last."""
        return list(zip([0, *self.ends[:-1]], self.ends, strict=True))

    @property
    def token_features(self) -> list[list[str]]:
        """Names of the features that each piece touches."""
        tokens: list[list[str]] = [[] for _ in self.ends]
        start = 0
        for name in self.names:
            stop = start + self.widths[name]
            for token, (first, last) in zip(tokens, self.pieces, strict=True):
                if first < stop and start < last:
                    token.append(name)
            start = stop
        return tokens

    def reset_parameters(self) -> None:
        """Initialise each projection as ``nn.Linear`` does."""
        for token, (first, last) in enumerate(self.pieces):
            bound = 1 / math.sqrt(last - first)
            nn.init.uniform_(self.weight_WD[first:last], -bound, bound)
            nn.init.uniform_(self.bias_MD[token], -bound, bound)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Cut and project."""
        flat = torch.cat([features[name] for name in self.names], dim=-1)
        tokens = [flat[:, first:last] @ self.weight_WD[first:last] for first, last in self.pieces]
        out: Tensor = self.activation(self.norm(torch.stack(tokens, dim=1) + self.bias_MD))
        return out


def _parts_by_role(ctx: BuildContext, num_tokens: dict[str, int]) -> dict[str, tuple[list[str], int]]:
    """Return the features and the number of tokens of each role or group, in the order of the tokens."""
    schema = ctx.schema
    roles = [role for role in get_args(Role) if any(f.role == role for f in schema.features.values())]
    groups = [group for group in schema.group_names if group not in get_args(Role)]
    for name in num_tokens:
        if name not in (*roles, *groups):
            raise ValueError(
                f"num_tokens names {name!r}, which is no role and no group of the schema's features."
                f"{suggest(name, [*roles, *groups])} {listed(roles, 'Roles')} {listed(groups, 'Groups')}"
            )
    own = {
        name: group if (group := schema.group_of(name)) in num_tokens and group in groups else feature.role
        for name, feature in schema.features.items()
    }
    missing = sorted({part for part in own.values() if part not in num_tokens})
    if missing:
        names = [name for name, part in own.items() if part == missing[0]]
        raise ValueError(
            f"num_tokens gives no token to the role {missing[0]!r}, which has features ({', '.join(names[:4])}"
            f"{', ...' if len(names) > 4 else ''}). Add {missing[0]}: 1."
        )
    first = {
        part: min(roles.index(schema.features[name].role) for name in own if own[name] == part) for part in own.values()
    }
    for name in num_tokens:
        if name not in first:
            raise ValueError(
                f"num_tokens names the role {name!r}, whose features all have groups that it names as well."
            )
    ordered = sorted(num_tokens, key=lambda part: (first[part], part in groups, part))
    return {
        part: (sorted((name for name in own if own[name] == part), key=_natural), num_tokens[part]) for part in ordered
    }


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key by which names are sorted with their numbers as numbers."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name)]

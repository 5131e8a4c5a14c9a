"""The structure of the official HyFormer baseline of TAAC-2026, in its own layout.

Unlike the other references this one is a module with weights of its own, which are copied into hyrec's, and it works on
padded batches: events newest first, padding behind them, one mask a sequence. What public code resolved how is numbered
A1 to A12 in the comments.

Its LONGER encoder is left out. There the mask does not follow the gather: of a user with fewer events than are kept,
the first ``top_k - length`` slots are hidden, which hold events, and the empty ones are shown.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def turn(x_BHLd: Tensor) -> Tensor:
    """Rotate by the position, which is the place in the padded, newest-first sequence (A10)."""
    length, half = x_BHLd.shape[2], x_BHLd.shape[3] // 2
    angle = torch.outer(torch.arange(length).double(), 10_000.0 ** (-torch.arange(half).double() / half))
    rotated = torch.view_as_complex(torch.stack(x_BHLd.chunk(2, dim=-1), dim=-1)) * torch.polar(
        torch.ones_like(angle), angle
    )
    return torch.cat([rotated.real, rotated.imag], dim=-1)


class GatedAttention(nn.Module):
    """Attention whose output a gate of the query multiplies; keys are rotated, queries only among events."""

    def __init__(self, d: int, heads: int, rope: bool, rope_on_queries: bool) -> None:
        super().__init__()
        self.heads, self.rope, self.rope_on_queries = heads, rope, rope_on_queries
        self.q, self.k, self.v, self.g, self.o = (nn.Linear(d, d) for _ in range(5))

    def forward(self, x: Tensor, events: Tensor, padding: Tensor) -> Tensor:
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (self.q(x), self.k(events), self.v(events))
        )
        if self.rope:
            k, q = turn(k), turn(q) if self.rope_on_queries else q
        scores = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(padding[:, None, None, :], float("-inf"))
        read = (scores.softmax(-1).nan_to_num(0.0) @ v).transpose(1, 2).flatten(2)  # A11; nothing read of nothing
        return cast("Tensor", self.o(read * self.g(x).sigmoid()))


class TransformerEncoder(nn.Module):
    """Pre-norm self-attention, then a pre-norm network."""

    def __init__(self, d: int, heads: int, expansion: int, rope: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attention = GatedAttention(d, heads, rope, rope_on_queries=True)
        self.up, self.down = nn.Linear(d, expansion * d), nn.Linear(expansion * d, d)

    def forward(self, events: Tensor, padding: Tensor) -> Tensor:
        normed = self.norm1(events)
        events = events + self.attention(normed, normed, padding)
        return cast("Tensor", events + self.down(F.gelu(self.up(self.norm2(events)))))


class SwiGLUEncoder(nn.Module):
    """A gated network with biases; the first half is the value, the second the gate."""

    def __init__(self, d: int, heads: int, expansion: int, rope: bool) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(d), nn.Linear(d, 2 * expansion * d), nn.Linear(expansion * d, d)

    def forward(self, events: Tensor, padding: Tensor) -> Tensor:
        value, gate = self.up(self.norm(events)).chunk(2, dim=-1)
        return cast("Tensor", events + self.down(value * F.silu(gate)))


class Block(nn.Module):
    """Encode every sequence, decode its queries, mix all queries and NS tokens."""

    def __init__(self, num_sequences: int, d: int, heads: int, expansion: int, encoder: type, rope: bool) -> None:
        super().__init__()
        several = range(num_sequences)
        self.encoders = nn.ModuleList(encoder(d, heads, expansion, rope) for _ in several)
        self.norms_q, self.norms_kv = (nn.ModuleList(nn.LayerNorm(d) for _ in several) for _ in range(2))
        self.attentions = nn.ModuleList(GatedAttention(d, heads, rope, rope_on_queries=False) for _ in several)
        self.norm, self.post_norm = nn.LayerNorm(d), nn.LayerNorm(d)
        self.up, self.down = nn.Linear(d, expansion * d), nn.Linear(expansion * d, d)

    def forward(
        self, queries: list[Tensor], ns: Tensor, sequences: list[Tensor], paddings: list[Tensor]
    ) -> tuple[list[Tensor], Tensor, list[Tensor]]:
        sequences = [  # A7: the next layer sees what this one encoded
            encode(events, padding) for encode, events, padding in zip(self.encoders, sequences, paddings, strict=True)
        ]
        decoded = [  # A1: norms of its own for queries and events, and the query added
            q + attend(norm_q(q), norm_kv(events), padding)
            for q, attend, norm_q, norm_kv, events, padding in zip(
                queries, self.attentions, self.norms_q, self.norms_kv, sequences, paddings, strict=True
            )
        ]
        x = torch.cat([*decoded, ns], dim=1)
        batch, tokens, d = x.shape
        mixed = x.view(batch, tokens, tokens, d // tokens).transpose(1, 2).reshape(batch, tokens, d)
        x = self.post_norm(x + self.down(F.gelu(self.up(self.norm(mixed)))))  # A2, A3: one network for all tokens
        sizes = [q.shape[1] for q in queries]
        *queries, ns = x.split([*sizes, tokens - sum(sizes)], dim=1)  # A4: NS tokens go on as they were mixed
        return queries, ns, sequences


class OfficialHyFormer(nn.Module):
    """From the embedded pieces of features and the embedded side information of events to one logit a sample.

    Args:
        pieces: Width of the piece of features that makes each NS token.
        events: Width of the embedded side information of an event, for each sequence.
        d: Width of the model.
        num_queries: Queries of each sequence.
        num_layers: Blocks.
        encoder: Class of the encoders.
        rope: Whether positions rotate keys, and queries among events.
        heads: Attention heads.
        expansion: Hidden width of all networks in multiples of ``d``.
        num_buckets: Buckets of ages.
    """

    def __init__(
        self,
        pieces: list[int],
        events: list[int],
        *,
        encoder: type,
        rope: bool,
        d: int = 64,
        num_queries: int = 2,
        num_layers: int = 2,
        heads: int = 4,
        expansion: int = 4,
        num_buckets: int = 65,
    ) -> None:
        super().__init__()
        several = len(events)
        self.tokens = nn.ModuleList(nn.Sequential(nn.Linear(width, d), nn.LayerNorm(d), nn.SiLU()) for width in pieces)
        self.events = nn.ModuleList(nn.Sequential(nn.Linear(width, d), nn.LayerNorm(d), nn.GELU()) for width in events)
        self.ages = nn.Embedding(num_buckets, d)
        info = (len(pieces) + 1) * d
        self.info_norm = nn.LayerNorm(info)
        self.queries = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(nn.Linear(info, expansion * d), nn.SiLU(), nn.Linear(expansion * d, d), nn.LayerNorm(d))
                for _ in range(num_queries)
            )
            for _ in range(several)
        )
        self.blocks = nn.ModuleList(Block(several, d, heads, expansion, encoder, rope) for _ in range(num_layers))
        self.output = nn.Sequential(nn.Linear(num_queries * several * d, d), nn.LayerNorm(d))
        self.classifier = nn.Sequential(nn.Linear(d, d), nn.LayerNorm(d), nn.SiLU(), nn.Linear(d, 1))

    def forward(self, pieces: list[Tensor], events: list[Tensor], ages: list[Tensor], lengths: list[Tensor]) -> Tensor:
        """Score; ``events`` are ``(B, L, width)``, ``ages`` the bucket of each, ``lengths`` ``(B,)``."""
        ns = torch.stack([make(piece) for make, piece in zip(self.tokens, pieces, strict=True)], dim=1)
        sequences = [
            embed(x) + self.ages(age) for embed, x, age in zip(self.events, events, ages, strict=True)
        ]  # A10: one table of ages, added behind the activation
        paddings = [
            torch.arange(x.shape[1]) >= length.unsqueeze(1) for x, length in zip(sequences, lengths, strict=True)
        ]
        queries = []
        for networks, x, padding in zip(cast("Any", self.queries), sequences, paddings, strict=True):
            valid = (~padding).unsqueeze(-1).to(x.dtype)
            pooled = (x * valid).sum(1) / valid.sum(1).clamp(min=1)
            info = self.info_norm(torch.cat([ns.flatten(1), pooled], dim=-1))  # A5: the sequence's own pool, one norm
            queries.append(torch.stack([network(info) for network in networks], dim=1))  # A6
        for block in self.blocks:
            queries, ns, sequences = block(queries, ns, sequences, paddings)
        read = self.output(torch.cat(queries, dim=1).flatten(1))  # A9: all queries side by side
        return cast("Tensor", self.classifier(read).squeeze(-1))

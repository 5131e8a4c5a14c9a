"""Multi-head attention over packed sequences, with the masks that follow from their offsets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor, nn

from hyrec.batch import RequestMap, Sequence
from hyrec.functional import attention, merge_heads, split_heads


def check_heads(name: str, width: int, num_heads: int) -> None:
    """Refuse a head count that does not divide the width, with both numbers and head counts that work."""
    if num_heads < 1 or width % num_heads:
        fitting = ", ".join(str(h) for h in (1, 2, 4, 8, 16, 32) if width % h == 0)
        raise ValueError(
            f"{name} needs a width divisible by num_heads: got width {width} and num_heads={num_heads}. "
            f"num_heads of {fitting} works."
        )


class SequenceAttention(nn.Module):
    """The most recent events of a sequence attend to all of its events.

    Projections run on packed rows; only the attention itself is padded.

    Args:
        d_model: Width of queries, keys and values.
        num_heads: H.
        causal: An event attends only to events that are not newer.
        dropout: Probability to drop an attention weight.

    Shape:
        queries: packed, the last events of ``events`` in every request; events: packed. Returns packed rows
        aligned with ``queries``.
    """

    def __init__(self, d_model: int, num_heads: int, *, causal: bool, dropout: float = 0.0) -> None:
        super().__init__()
        check_heads(type(self).__name__, d_model, num_heads)
        self.num_heads, self.causal, self.dropout = num_heads, causal, dropout
        self.query = nn.Linear(d_model, d_model)
        self.key_value = nn.Linear(d_model, 2 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, queries: Sequence, events: Sequence) -> Tensor:
        """Attend within each request."""
        q_RHQd = split_heads(queries.padded(self.query(queries.values)), self.num_heads)
        kv_RLD = events.padded(self.key_value(events.values))
        k_RHKd, v_RHKd = (split_heads(x, self.num_heads) for x in kv_RLD.chunk(2, dim=-1))
        visible = events.mask()[:, None, None, :]
        if self.causal:
            steps = torch.arange(queries.max_length, device=visible.device)
            position_RQ = (events.lengths - queries.lengths).unsqueeze(1) + steps
            keys = torch.arange(events.max_length, device=visible.device)
            visible = visible & (keys <= position_RQ.unsqueeze(-1)).unsqueeze(1)
        dropout = self.dropout if self.training else 0.0
        read = merge_heads(attention(q_RHQd, k_RHKd, v_RHKd, visible, dropout=dropout))
        out: Tensor = self.out(queries.pack(read))
        return out


@dataclass
class KeysValues:
    """What queries read of R requests.

    Shape:
        keys, values: ``(R, H, L, D / H)``. visible: ``(R, 1, 1, L)``, True where there is an event.
    """

    keys: Tensor
    values: Tensor
    visible: Tensor


class CrossAttention(nn.Module):
    """The queries of every sample attend to the memory of its request.

    Keys and values are computed once a request and never copied per sample: the candidates of a request become
    further queries of the same attention.

    Args:
        d_model: Width of the queries.
        d_memory: Width of the memory.
        num_heads: H.
        dropout: Probability to drop an attention weight.

    Shape:
        queries: ``(B, Q, D)``; memory: packed, R requests, or what ``project`` made of it. Returns ``(B, Q, D)``.
    """

    def __init__(self, d_model: int, d_memory: int, num_heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        check_heads(type(self).__name__, d_model, num_heads)
        self.num_heads, self.dropout = num_heads, dropout
        self.query = nn.Linear(d_model, d_model)
        self.key_value = nn.Linear(d_memory, 2 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def project(self, memory: Sequence) -> KeysValues:
        """Return keys and values, once for all queries."""
        kv_RLD = memory.padded(self.key_value(memory.values))
        k_RHKd, v_RHKd = (split_heads(x, self.num_heads) for x in kv_RLD.chunk(2, dim=-1))
        return KeysValues(k_RHKd, v_RHKd, memory.mask()[:, None, None, :])

    def forward(self, queries: Tensor, memory: Sequence | KeysValues, request_of: RequestMap | None = None) -> Tensor:
        """Read the memory."""
        q_BQD = self.query(queries)
        if request_of is not None:
            q_BQD = rearrange(request_of.group(q_BQD), "r c q d -> r (c q) d")
        kv = memory if isinstance(memory, KeysValues) else self.project(memory)
        q_BHQd = split_heads(q_BQD, self.num_heads)
        dropout = self.dropout if self.training else 0.0
        read = merge_heads(attention(q_BHQd, kv.keys, kv.values, kv.visible, dropout=dropout))
        if request_of is not None:
            read = request_of.ungroup(rearrange(read, "r (c q) d -> r c q d", q=queries.shape[1]))
        out: Tensor = self.out(read)
        return out

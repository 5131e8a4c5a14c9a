"""Multi-head attention over packed sequences, with the masks that follow from their offsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from torch import Tensor, nn

from hyrec.batch import RequestMap, Sequence
from hyrec.functional import attention, merge_heads, rotate, split_heads


def check_heads(name: str, width: int, num_heads: int) -> None:
    """Refuse a head count that does not divide the width, with both numbers and head counts that work."""
    if num_heads < 1 or width % num_heads:
        fitting = ", ".join(str(h) for h in (1, 2, 4, 8, 16, 32) if width % h == 0)
        raise ValueError(
            f"{name} needs a width divisible by num_heads: got width {width} and num_heads={num_heads}. "
            f"num_heads of {fitting} works."
        )


def _check_rotary(name: str, width: int, num_heads: int) -> None:
    """Refuse heads whose numbers cannot be turned in pairs."""
    if width % (2 * num_heads):
        fitting = ", ".join(str(h) for h in (1, 2, 4, 8, 16, 32) if width % (2 * h) == 0)
        works = f"num_heads of {fitting} works" if fitting else "An even width works"
        raise ValueError(
            f"{name} with position='rope' turns pairs of numbers and needs heads of an even width: got width {width} "
            f"and num_heads={num_heads}. {works}."
        )


class OutputGate(nn.Module):
    """A gate on what attention read: ``sigmoid(x W_g + b_g) * read``, with x the input of the attention.

    It starts with ``W_g = 0`` and ``b_g = 1``: open, and the same for every input.

    Args:
        d_in: Width of x.
        d_out: Width of what was read.

    Shape:
        x: ``(..., d_in)``; read: ``(..., d_out)``. Returns the shape of ``read``.
    """

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(d_in, d_out)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start open, whatever the input."""
        nn.init.zeros_(self.linear.weight)
        nn.init.ones_(self.linear.bias)

    def forward(self, x: Tensor, read: Tensor) -> Tensor:
        """Let through what the gate admits."""
        out: Tensor = read * self.linear(x).sigmoid()
        return out


class SequenceAttention(nn.Module):
    """Some events of a sequence attend to all of its events.

    Projections run on packed rows; only the attention itself is padded.

    Args:
        d_model: Width of queries, keys and values.
        num_heads: H.
        causal: An event attends only to events that are not newer.
        gate: ``sigmoid`` gates what is read by the input of the attention.
        position: ``rope`` rotates queries and keys by how many newer events there are, so that a weight depends on how
            far apart two events are.
        dropout: Probability to drop an attention weight.

    Shape:
        queries: packed; events: packed. recency: ``(N,)``, how many newer events each query has; None: the queries are
        the last events of every request. Returns packed rows aligned with ``queries``.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        *,
        causal: bool,
        gate: Literal["none", "sigmoid"] = "none",
        position: Literal["none", "rope"] = "none",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_heads(type(self).__name__, d_model, num_heads)
        if position == "rope":
            _check_rotary(type(self).__name__, d_model, num_heads)
        self.num_heads, self.causal, self.position, self.dropout = num_heads, causal, position, dropout
        self.query = nn.Linear(d_model, d_model)
        self.key_value = nn.Linear(d_model, 2 * d_model)
        self.gate = OutputGate(d_model, d_model) if gate == "sigmoid" else _ungated
        self.out = nn.Linear(d_model, d_model)

    def forward(self, queries: Sequence, events: Sequence, recency: Tensor | None = None) -> Tensor:
        """Attend within each request."""
        q_ND, kv_NE = self.query(queries.values), self.key_value(events.values)
        if self.position == "rope":
            q_ND = rotate(q_ND, queries.recency() if recency is None else recency, self.num_heads)
            kv_NE = _rotate_keys(kv_NE, events, self.num_heads)
        q_RHQd = split_heads(queries.padded(q_ND), self.num_heads)
        kv_RLD = events.padded(kv_NE)
        k_RHKd, v_RHKd = (split_heads(x, self.num_heads) for x in kv_RLD.chunk(2, dim=-1))
        visible = events.mask()[:, None, None, :]
        if self.causal:
            if recency is None:
                steps = torch.arange(queries.max_length, device=visible.device)
                position_RQ = (events.lengths - queries.lengths).unsqueeze(1) + steps
            else:
                position_RQ = events.lengths.unsqueeze(1) - 1 - queries.padded(recency)
            keys = torch.arange(events.max_length, device=visible.device)
            visible = visible & (keys <= position_RQ.unsqueeze(-1)).unsqueeze(1)
        dropout = self.dropout if self.training else 0.0
        read = merge_heads(attention(q_RHQd, k_RHKd, v_RHKd, visible, dropout=dropout))
        out: Tensor = self.out(self.gate(queries.values, queries.pack(read)))
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
        gate: ``sigmoid`` gates what a query read by that query.
        position: ``rope`` rotates the keys by how many newer events there are. Queries have no place in the sequence
            and stay as they are, as at the newest event.
        dropout: Probability to drop an attention weight.

    Shape:
        queries: ``(B, Q, D)``; memory: packed, R requests, or what ``project`` made of it. Returns ``(B, Q, D)``.
    """

    def __init__(
        self,
        d_model: int,
        d_memory: int,
        num_heads: int,
        *,
        gate: Literal["none", "sigmoid"] = "none",
        position: Literal["none", "rope"] = "none",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_heads(type(self).__name__, d_model, num_heads)
        if position == "rope":
            _check_rotary(type(self).__name__, d_model, num_heads)
        self.num_heads, self.position, self.dropout = num_heads, position, dropout
        self.query = nn.Linear(d_model, d_model)
        self.key_value = nn.Linear(d_memory, 2 * d_model)
        self.gate = OutputGate(d_model, d_model) if gate == "sigmoid" else _ungated
        self.out = nn.Linear(d_model, d_model)

    def project(self, memory: Sequence) -> KeysValues:
        """Return keys and values, once for all queries."""
        kv_NE = self.key_value(memory.values)
        if self.position == "rope":
            kv_NE = _rotate_keys(kv_NE, memory, self.num_heads)
        k_RHKd, v_RHKd = (split_heads(x, self.num_heads) for x in memory.padded(kv_NE).chunk(2, dim=-1))
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
        out: Tensor = self.out(self.gate(queries, read))
        return out


def _ungated(x: Tensor, read: Tensor) -> Tensor:
    """Return what was read."""
    return read


def _rotate_keys(kv_NE: Tensor, events: Sequence, num_heads: int) -> Tensor:
    """Rotate the keys, the first half of each row, by the recency of their events."""
    k_ND, v_ND = kv_NE.chunk(2, dim=-1)
    return torch.cat([rotate(k_ND, events.recency(), num_heads), v_ND], dim=-1)

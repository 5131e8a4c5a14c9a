"""DIN's local activation unit as a decoder."""

from __future__ import annotations

import itertools
from typing import ClassVar, Literal

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from hyrec.batch import RequestMap, Sequence
from hyrec.context import BuildContext
from hyrec.slots import QueryDecoder
from hyrec_din.dice import Dice


class TargetAttentionDecoder(QueryDecoder):
    r"""Pool a sequence with weights that a small network reads off every pair of query and event (DIN 4.3, eq. 3).

    .. math::
        q' = q + W_O \sum_j a(q, k_j)\, h_j, \qquad k_j = W_K h_j, \qquad
        a(q, k) = \mathrm{MLP}([q;\, k;\, q - k;\, q \odot k])

    The weights are not normalised, so that their sum says how strong the interest is; ``normalize: softmax`` makes
    them add up to one. The first layer of the network is split into its query, event and product parts: the first
    two are computed once a sample and once an event, only the third for every pair.

    Deviation: the paper feeds the outer product of both vectors; the difference and the element-wise product take
    its place in all public code. Deviation: the paper's query is an embedding as wide as an event, and the pooled
    vector is an input of the head; here W_K and W_O bring both to the width of the queries, and the residual hands
    the candidate on.

    Args:
        hidden: Widths of the hidden layers of the activation unit.
        activation: Activation of the hidden layers.
        normalize: ``none`` keeps the raw weights, ``softmax`` normalises them over the events of a request.

    Shape:
        queries: ``(B, Q, D)``; memory: packed, R requests, width ``ctx.d_memory``. Returns ``(B, Q, D)``. A request
        without events returns its queries unchanged.

    Raises:
        ValueError: When ``hidden`` is empty or holds a width below one.
    """

    paper: ClassVar[str] = "arXiv 1706.06978 4.3, 5.3"
    tags: ClassVar[tuple[str, ...]] = ("din", "attention")

    def __init__(
        self,
        ctx: BuildContext,
        *,
        hidden: tuple[int, ...] = (64,),
        activation: Literal["dice", "prelu", "relu"] = "dice",
        normalize: Literal["none", "softmax"] = "none",
    ) -> None:
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise ValueError(
                "TargetAttentionDecoder needs one or more hidden widths of at least 1, as in hidden: [64]; got "
                f"{list(hidden)}."
            )
        self.normalize = normalize
        self.key = nn.Linear(ctx.d_memory, ctx.d_model, bias=False)
        # A constant that all weights share cancels in the softmax.
        self.unit = ActivationUnit(ctx.d_model, list(hidden), activation, bias=normalize == "none")
        self.out = nn.Linear(ctx.d_memory, ctx.d_model, bias=False)

    def forward(self, queries: Tensor, memory: Sequence, request_of: RequestMap | None = None) -> Tensor:
        """Add what the queries found in the memory."""
        requests, row = memory.num_requests, memory.row_index()
        is_event_N = row < requests
        values_ND = memory.values.masked_fill(~is_event_N.unsqueeze(1), 0.0)
        q_RQD, is_query_RQ = _by_request(queries, request_of)
        row = row.clamp(max=requests - 1)
        is_pair_NQ = is_event_N.unsqueeze(1) & is_query_RQ.index_select(0, row)
        weight_NQ = self.unit(q_RQD, self.key(values_ND), row, is_pair_NQ)
        weight_RLQ = self._normalized(memory.padded(weight_NQ), memory.mask().unsqueeze(-1))
        read_RQD = torch.einsum("rlq,rld->rqd", weight_RLQ, memory.padded(values_ND).to(weight_RLQ.dtype))
        if request_of is not None:
            read_RQD = rearrange(read_RQD, "r (c q) d -> r c q d", q=queries.shape[1])
            read_RQD = request_of.ungroup(read_RQD)
        out: Tensor = queries + self.out(read_RQD)
        return out

    def _normalized(self, weight_RLQ: Tensor, visible_RL1: Tensor) -> Tensor:
        """Clear the weights of padding, and normalise them when asked to."""
        if self.normalize == "softmax":
            wide = weight_RLQ.to(torch.promote_types(weight_RLQ.dtype, torch.float32))
            lowest = torch.finfo(wide.dtype).min
            weight_RLQ = wide.masked_fill(~visible_RL1, lowest).softmax(dim=1)
        return weight_RLQ.masked_fill(~visible_RL1, 0.0)


class ActivationUnit(nn.Module):
    """Score pairs of query and event: a network on ``[q; k; q - k; q * k]``.

    Args:
        d_model: Width of queries and keys.
        hidden: Widths of the hidden layers.
        activation: Activation of the hidden layers.
        bias: Whether the score has a bias.

    Shape:
        queries: ``(R, Q, D)``; keys: packed ``(N, D)``; row: ``(N,)``, the request of each event; is_pair: ``(N, Q)``,
        True where both exist. Returns ``(N, Q)``.
    """

    def __init__(self, d_model: int, hidden: list[int], activation: str, *, bias: bool = True) -> None:
        super().__init__()
        widths = [4 * d_model, *hidden]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.activations = nn.ModuleList(_activation(activation, width) for width in hidden)
        self.score = nn.Linear(hidden[-1], 1, bias=bias)

    def forward(self, queries: Tensor, keys: Tensor, row: Tensor, is_pair: Tensor) -> Tensor:
        """Return the raw weights."""
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        of_q, of_k, of_difference, of_product = first.weight.chunk(4, dim=1)
        query_part = F.linear(queries, of_q + of_difference, first.bias).index_select(0, row)
        key_part = F.linear(keys, of_k - of_difference).unsqueeze(1)
        product = queries.index_select(0, row) * keys.unsqueeze(1)
        s_NQK = query_part + key_part + F.linear(product, of_product)
        s_NQK = self._activate(0, s_NQK, is_pair)
        for i, layer in enumerate(self.layers):
            if i:
                s_NQK = self._activate(i, layer(s_NQK), is_pair)
        out: Tensor = self.score(s_NQK).squeeze(-1)
        return out

    def _activate(self, layer: int, s: Tensor, is_pair: Tensor) -> Tensor:
        activation = self.activations[layer]
        out: Tensor = activation(s, is_pair) if isinstance(activation, Dice) else activation(s)
        return out


class _ChannelPReLU(nn.Module):
    """PReLU with one slope a channel of the last dimension."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with the usual slope."""
        nn.init.constant_(self.slope, 0.25)

    def forward(self, s: Tensor) -> Tensor:
        """Activate."""
        return torch.where(s >= 0, s, self.slope.to(s.dtype) * s)


def _activation(name: str, width: int) -> nn.Module:
    made: dict[str, type[nn.Module]] = {"dice": Dice, "prelu": _ChannelPReLU, "relu": nn.ReLU}
    return made[name]() if name == "relu" else made[name](width)


def _by_request(queries: Tensor, request_of: RequestMap | None) -> tuple[Tensor, Tensor]:
    """Return the queries of each request's candidates side by side, ``(R, C * Q, D)``, and which of them exist."""
    if request_of is None:
        return queries, torch.ones(queries.shape[:2], dtype=torch.bool, device=queries.device)
    exists = request_of.group(queries.new_ones(queries.shape[:2])) > 0
    return rearrange(request_of.group(queries), "r c q d -> r (c q) d"), rearrange(exists, "r c q -> r (c q)")

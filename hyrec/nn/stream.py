"""A transformer layer over one stream: the events of a request and the tokens of its samples."""

from __future__ import annotations

from collections.abc import Sequence as Listed

import torch
from einops import rearrange
from torch import Tensor, nn

from hyrec.batch import RequestMap, Sequence
from hyrec.functional import attention, merge_heads, split_heads
from hyrec.nn.attention import check_heads
from hyrec.nn.feedforward import FeedForward, PerTokenFeedForward, PerTokenLinear


class StreamAttention(nn.Module):
    """Tokens attend to the events of their request and to the tokens of their sample; events attend to events.

    Keys and values of events are computed once a request: the tokens of all of its candidates are queries of one
    attention, in which the tokens of other candidates are hidden. With ``candidate_dependent``, events attend to the
    other tokens too, which are the same in all samples of a request and are taken from one of them. Such a token
    attends to events and to its like, so that nothing of a candidate reaches an event through it.

    Args:
        d_model: D.
        num_heads: H.
        own_tokens: T, when every token has projections of its own; 0: those of the events.
        events_query: Whether events attend too.
        causal_events: Whether an event sees only events up to itself.
        causal_tokens: Whether a token sees only tokens up to itself.
        candidate_dependent: Of each token, whether no event may see it. None: events see none.
        dropout: Probability to drop an attention weight.

    Shape:
        tokens: ``(B, T, D)``; recent: packed, the last of ``events`` in every request, or None when no event attends;
        events: packed, R requests, width D. Returns what tokens read, ``(B, T, D)``, and packed rows of ``recent``.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        *,
        own_tokens: int = 0,
        events_query: bool = True,
        causal_events: bool = False,
        causal_tokens: bool = False,
        candidate_dependent: Listed[bool] | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_heads(type(self).__name__, d_model, num_heads)
        self.num_heads, self.dropout = num_heads, dropout
        self.causal_events, self.causal_tokens = causal_events, causal_tokens
        self.query = nn.Linear(d_model, d_model) if events_query or not own_tokens else None
        self.key_value = nn.Linear(d_model, 2 * d_model)
        self.own = PerTokenLinear(own_tokens, d_model, 3 * d_model) if own_tokens else None
        # Deviation: OneTrans does not say whether the output projection is shared; it is here, as in public copies.
        # Pinned by test_blocks_equal_their_reference.
        self.out = nn.Linear(d_model, d_model)
        dependent_T = user_side_U = None
        if candidate_dependent is not None:
            dependent_T = torch.tensor(candidate_dependent)
            user_side_U = torch.tensor([t for t, dependent in enumerate(candidate_dependent) if not dependent])
        self.register_buffer("dependent_T", dependent_T, persistent=False)
        self.register_buffer("user_side_U", user_side_U, persistent=False)
        self.dependent_T: Tensor | None
        self.user_side_U: Tensor | None

    def forward(
        self, tokens: Tensor, recent: Sequence | None, events: Sequence, request_of: RequestMap | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Attend within each request."""
        k_RLD, v_RLD = events.padded(self.key_value(events.values)).chunk(2, dim=-1)
        q, k, v = self._project(tokens).chunk(3, dim=-1)
        if request_of is not None:  # the tokens of all candidates of a request, one candidate after the other
            q, k, v = (rearrange(request_of.group(x), "r c t d -> r (c t) d") for x in (q, k, v))
        of_events = events.mask()[:, None, None, :].expand(-1, -1, q.shape[1], -1)
        of_tokens = self._visible_tokens(q.shape[1], tokens.shape[1], q.device).expand(q.shape[0], 1, -1, -1)
        visible = torch.cat([of_events, of_tokens], dim=-1)
        read = self._attend(q, torch.cat([k_RLD, k], dim=1), torch.cat([v_RLD, v], dim=1), visible)
        if request_of is not None:
            read = request_of.ungroup(rearrange(read, "r (c t) d -> r c t d", t=tokens.shape[1]))
        if recent is None:
            return read, None
        if self.user_side_U is not None:  # those of a request's first sample, which stand for all
            k_RUD, v_RUD = (x.index_select(1, self.user_side_U) for x in (k, v))
            k_RLD, v_RLD = torch.cat([k_RLD, k_RUD], dim=1), torch.cat([v_RLD, v_RUD], dim=1)
        return read, self._read_from_events(recent, events, k_RLD, v_RLD)

    def _read_from_events(self, recent: Sequence, events: Sequence, k_RKD: Tensor, v_RKD: Tensor) -> Tensor:
        """Let events attend to events, the first keys, and to all keys behind them."""
        assert self.query is not None
        q_RQD = recent.padded(self.query(recent.values))
        visible = events.mask()[:, None, None, :]
        if self.causal_events:
            position_RQ = (events.lengths - recent.lengths).unsqueeze(1) + _count(recent.max_length, visible)
            visible = visible & (_count(events.max_length, visible) <= position_RQ.unsqueeze(-1)).unsqueeze(1)
        visible = nn.functional.pad(visible, (0, k_RKD.shape[1] - events.max_length), value=True)
        return recent.pack(self._attend(q_RQD, k_RKD, v_RKD, visible))

    def _visible_tokens(self, places: int, num_tokens: int, device: torch.device) -> Tensor:
        """Return which tokens of all candidates of a request see which, ``(places, places)``."""
        place_S = torch.arange(places, device=device)
        sample_S = place_S // num_tokens
        visible_SS = sample_S.unsqueeze(1) == sample_S
        if self.causal_tokens:
            visible_SS = visible_SS & (place_S <= place_S.unsqueeze(1))
        if self.dependent_T is not None:
            dependent_S = self.dependent_T[place_S % num_tokens]
            visible_SS = visible_SS & (dependent_S.unsqueeze(1) | ~dependent_S)
        return visible_SS

    def _project(self, tokens: Tensor) -> Tensor:
        """Return queries, keys and values of tokens, side by side."""
        if self.own is not None:
            own: Tensor = self.own(tokens)
            return own
        assert self.query is not None
        return torch.cat([self.query(tokens), self.key_value(tokens)], dim=-1)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
        q, k, v = (split_heads(x, self.num_heads) for x in (q, k, v))
        read = attention(q, k, v, visible, dropout=self.dropout if self.training else 0.0)
        out: Tensor = self.out(merge_heads(read))
        return out


class StreamLayer(nn.Module):
    """One pre-norm transformer layer over a stream: ``Z = X + Attn(LN(X))``, ``Z + FFN(LN(Z))``.

    Subclasses say in ``forward`` which events attend and stay.

    Args:
        num_tokens: T.
        d_model: D, divisible by ``num_heads``.
        num_heads: Attention heads.
        expansion: Hidden width of the feed-forward network, in multiples of D.
        own_weights: Whether every token has projections and a network of its own.
        events_query: Whether events attend and are refined.
        causal_events: Whether an event sees only events up to itself.
        causal_tokens: Whether a token sees only tokens up to itself.
        candidate_dependent: As of ``StreamAttention``.
        dropout: Dropout of attention weights and hidden units.
    """

    def __init__(
        self,
        num_tokens: int,
        d_model: int,
        num_heads: int,
        expansion: int,
        *,
        own_weights: bool,
        events_query: bool,
        causal_events: bool,
        causal_tokens: bool,
        candidate_dependent: Listed[bool] | None = None,
        dropout: float,
    ) -> None:
        super().__init__()
        hidden, own = expansion * d_model, num_tokens if own_weights else 0
        self.norm_attention = nn.LayerNorm(d_model)
        self.attention = StreamAttention(
            d_model,
            num_heads,
            own_tokens=own,
            events_query=events_query,
            causal_events=causal_events,
            causal_tokens=causal_tokens,
            candidate_dependent=candidate_dependent,
            dropout=dropout,
        )
        self.norm_feedforward = nn.LayerNorm(d_model)
        self.feedforward = FeedForward(d_model, hidden, dropout=dropout) if events_query or not own else None
        self.own_feedforward = PerTokenFeedForward(num_tokens, d_model, hidden, dropout=dropout) if own else None

    def transform(
        self, tokens: Tensor, recent: Sequence | None, events: Sequence, request_of: RequestMap | None
    ) -> tuple[Tensor, Sequence | None]:
        """Attend, then refine tokens and ``recent`` events; as of ``StreamAttention``."""
        normed = self._normed(events)
        queries = normed if recent is events else None if recent is None else self._normed(recent)
        of_tokens, of_events = self.attention(self.norm_attention(tokens), queries, normed, request_of)
        tokens = self._refine(tokens + of_tokens, self.own_feedforward or self.feedforward)
        if recent is None:
            return tokens, None
        return tokens, recent.replace(self._refine(recent.values + of_events, self.feedforward))

    def _normed(self, events: Sequence) -> Sequence:
        return events.replace(self.norm_attention(events.values))

    def _refine(self, x: Tensor, network: nn.Module | None) -> Tensor:
        assert network is not None
        out: Tensor = x + network(self.norm_feedforward(x))
        return out


def _count(stop: int, like: Tensor) -> Tensor:
    return torch.arange(stop, device=like.device)

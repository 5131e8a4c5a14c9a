"""Queries generated from everything that is known before decoding."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from hyrec.batch import RequestMap, Sequence, expand_requests
from hyrec.context import MERGED, BuildContext
from hyrec.nn.feedforward import FeedForward
from hyrec.nn.named import NamedModules
from hyrec.slots import QueryGenerator


class GlobalQueries(QueryGenerator):
    """Generate each sequence's queries from the NS tokens and the pooled sequences (HyFormer 3.2).

    ``GlobalInfo = LN(concat(F_1 .. F_M, MeanPool(S_1) ..))``, ``q_i = FFN_i(GlobalInfo)``, one independent network
    a query. The switches are the paper's ablations (its table 2).

    Args:
        num_queries: Queries of every sequence, or a number for each sequence name (others get one). Merged sequences
            have together the queries that they would have apart, so that the number of tokens is the same;
            ``{merged: n}`` is another number.
        pooling: Pooled sequences in GlobalInfo: of ``all`` sequences, the query's ``own``, or ``none``.
        ns: NS tokens in GlobalInfo: ``all``, only those made of candidate features (``target``), or ``none``.
        expansion: Hidden width of each network, in multiples of D.
        activation: Activation of each network.
        norm: Where LayerNorm stands: before the networks (``pre``), behind each (``post``), ``both``, or nowhere.

    Shape:
        ns: ``(B, M, D)``; sequences: R requests. Returns ``{sequence: (B, Q, D)}``.

    Raises:
        ValueError: When nothing is left to generate queries from, an unknown sequence is named, or ``target`` is
            asked of a tokenizer whose tokens mix candidate features with others.
    """

    paper: ClassVar[str] = "arXiv 2601.12681 3.2"
    tags: ClassVar[tuple[str, ...]] = ("hyformer",)

    def __init__(
        self,
        ctx: BuildContext,
        *,
        num_queries: int | dict[str, int] = 1,
        pooling: Literal["all", "own", "none"] = "all",
        ns: Literal["all", "target", "none"] = "all",
        expansion: int = 2,
        activation: Literal["gelu", "silu", "relu"] = "gelu",
        norm: Literal["pre", "post", "both", "none"] = "pre",
    ) -> None:
        super().__init__()
        self.pooling = pooling
        self.num_queries = _count_queries(ctx, num_queries)
        index = _target_tokens(ctx) if ns == "target" else list(range(ctx.num_ns_tokens if ns == "all" else 0))
        self.register_buffer("ns_index", torch.tensor(index, dtype=torch.int64), persistent=False)
        self.ns_index: Tensor
        networks, norms = {}, {}
        for name, count in self.num_queries.items():
            # Deviation: HyFormer prints one MeanPool(Seq) and no norm; its ablations speak of pooling tokens of several
            # sequences, so all is the default. Pinned by test_global_queries_equal_their_reference.
            pooled = {"all": ctx.sequence_names, "own": [name], "none": []}[pooling]
            width = len(index) * ctx.d_model + sum(ctx.sequence_widths[s] for s in pooled)
            if width == 0:
                raise ValueError(
                    f"GlobalQueries has nothing to generate queries from: ns={ns!r} and pooling={pooling!r}. "
                    "Use ns='target' for queries from the candidate alone."
                )
            norms[name] = nn.LayerNorm(width) if norm in ("pre", "both") else nn.Identity()
            parts = [
                FeedForward(width, expansion * ctx.d_model, ctx.d_model, activation=activation) for _ in range(count)
            ]
            if norm in ("post", "both"):
                parts = [part.append(nn.LayerNorm(ctx.d_model)) for part in parts]
            networks[name] = nn.ModuleList(parts)
        self.norms, self.networks = NamedModules(norms), NamedModules(networks)

    def forward(
        self, ns: Tensor, sequences: dict[str, Sequence], request_of: RequestMap | None = None
    ) -> dict[str, Tensor]:
        """Generate the queries of every sequence."""
        tokens = ns.index_select(1, self.ns_index).flatten(1)
        pooled = {
            name: expand_requests(sequence.mean(), request_of)
            for name, sequence in sequences.items()
            if self.pooling != "none"
        }
        queries = {}
        for name in self.num_queries:
            pools = [pooled[name]] if self.pooling == "own" else list(pooled.values())
            info = self.norms[name](torch.cat([tokens, *pools], dim=-1))
            networks = self.networks[name]
            assert isinstance(networks, nn.ModuleList)
            queries[name] = torch.stack([network(info) for network in networks], dim=1)
        return queries


def _count_queries(ctx: BuildContext, num_queries: int | dict[str, int]) -> dict[str, int]:
    default, named = (num_queries, {}) if isinstance(num_queries, int) else (1, num_queries)
    ctx.check_sequence_names(named, "num_queries", sources=True)
    counts = {name: named.get(name, default) for name in ctx.schema.sequences}
    for name, count in {**counts, **named}.items():
        if count < 1:
            raise ValueError(f"The sequence {name!r} needs at least one query, got num_queries={count}.")
    if not ctx.merge_sequences:
        return counts
    if MERGED in named and len(named) > 1:
        raise ValueError(
            f"num_queries names {MERGED!r} and sequences that it is made of, got {named}. Give the number of the "
            "merged sequence, or those of its parts."
        )
    # Deviation: HyFormer does not say how many queries merged sequences have; with these the tokens stay as many.
    # Pinned by test_merged_sequences_have_as_many_queries_and_tokens_as_apart.
    return {MERGED: named.get(MERGED, sum(counts.values()))}


def _target_tokens(ctx: BuildContext) -> list[int]:
    """Return the NS tokens that are made of candidate features only."""
    index = [i for i, names in enumerate(ctx.token_features) if names and all(map(ctx.schema.is_per_candidate, names))]
    if not index:
        raise ValueError(
            "ns='target' needs NS tokens made of candidate features only (roles item and cross), and this tokenizer "
            "has none. Use GroupedTokens, with candidate features in groups of their own."
        )
    return index

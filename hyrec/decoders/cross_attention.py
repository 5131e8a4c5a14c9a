"""Queries read a sequence by cross-attention."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from hyrec.batch import RequestMap, Sequence
from hyrec.context import BuildContext
from hyrec.nn.attention import CrossAttention, KeysValues
from hyrec.nn.norms import norm_of
from hyrec.slots import QueryDecoder


class CrossAttentionDecoder(QueryDecoder):
    """Decode one sequence: ``Q + MultiHead(LN(Q) W_Q, LN(H) W_K, LN(H) W_V) W_O`` (HyFormer 3.4).

    Each layer has keys and values of its own, computed once a request.

    Args:
        num_heads: Attention heads; D must be divisible by it.
        gate: ``sigmoid`` multiplies what a query read by ``sigmoid(LN(Q) W_g + b_g)``, from W_g = 0 and b_g = 1 on.
        position: ``rope`` rotates the keys by their place in the sequence (arXiv 2104.09864), counted from the newest
            event; queries have no place and are not rotated.
        norm_type: LayerNorm or RMSNorm.
        dropout: Probability to drop an attention weight.

    Shape:
        queries: ``(B, Q, D)``; memory: packed, R requests, width ``ctx.d_memory``. Returns ``(B, Q, D)``. A request
        without events adds only the output bias.

    Raises:
        ValueError: When D is not divisible by ``num_heads``.
    """

    paper: ClassVar[str] = "arXiv 2601.12681 3.4"
    tags: ClassVar[tuple[str, ...]] = ("hyformer", "attention")

    def __init__(
        self,
        ctx: BuildContext,
        *,
        num_heads: int = 4,
        gate: Literal["none", "sigmoid"] = "none",
        position: Literal["none", "rope"] = "none",
        norm_type: Literal["layer", "rms"] = "layer",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        # Deviation: HyFormer prints neither norm nor residual; pre-norm with a residual is what public implementations
        # agree on. Pinned by test_cross_attention_equals_its_reference.
        self.norm_queries = norm_of(norm_type, ctx.d_model)
        self.norm_memory = norm_of(norm_type, ctx.d_memory)
        self.attention = CrossAttention(
            ctx.d_model, ctx.d_memory, num_heads, gate=gate, position=position, dropout=dropout
        )

    def project(self, memory: Sequence) -> KeysValues:
        """Return the keys and values of this layer."""
        return self.attention.project(memory.replace(self.norm_memory(memory.values)))

    def forward(self, queries: Tensor, memory: Sequence | KeysValues, request_of: RequestMap | None = None) -> Tensor:
        """Read the memory and add what was read."""
        kv = memory if isinstance(memory, KeysValues) else self.project(memory)
        out: Tensor = queries + self.attention(self.norm_queries(queries), kv, request_of)
        return out

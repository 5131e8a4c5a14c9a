"""Full self-attention over the events of one sequence."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import nn

from hyrec.batch import Sequence, SequenceStates
from hyrec.context import BuildContext
from hyrec.nn.attention import SequenceAttention
from hyrec.nn.feedforward import FeedForward, SwiGLU
from hyrec.nn.norms import norm_of
from hyrec.slots import SequenceEncoder


class TransformerEncoder(SequenceEncoder):
    """Encode a sequence with one pre-norm transformer layer: ``H = TransformerEnc(S)`` (HyFormer 3.3).

    ``S' = S + Attn(LN(S))``, ``H = S' + FFN(LN(S'))``. Costs O(L^2 D) for the attention.

    Args:
        num_heads: Attention heads; the sequence's width must be divisible by it.
        expansion: Hidden width of the feed-forward network, in multiples of the sequence's width.
        causal: Whether an event sees only events that are not newer.
        gate: ``sigmoid`` multiplies what an event read by ``sigmoid(LN(S) W_g + b_g)``, from W_g = 0 and b_g = 1 on.
        position: ``rope`` rotates queries and keys by their place in the sequence (arXiv 2104.09864), counted from the
            newest event.
        norm_type: LayerNorm or RMSNorm.
        activation: Activation of the feed-forward network, or ``swiglu`` for the gated network, with biases.
        dropout: Dropout of attention weights and hidden units.

    Shape:
        sequence: packed, width ``ctx.d_sequence``. Sequence and memory returned are the same, of that width.
    """

    paper: ClassVar[str] = "arXiv 2601.12681 3.3 (full transformer)"
    tags: ClassVar[tuple[str, ...]] = ("hyformer", "attention")

    def __init__(
        self,
        ctx: BuildContext,
        *,
        num_heads: int = 4,
        expansion: int = 4,
        causal: bool = False,
        gate: Literal["none", "sigmoid"] = "none",
        position: Literal["none", "rope"] = "none",
        norm_type: Literal["layer", "rms"] = "layer",
        activation: Literal["gelu", "silu", "relu", "swiglu"] = "gelu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        width, hidden = ctx.d_sequence, expansion * ctx.d_sequence
        self.d_sequence = self.d_memory = width
        self.norm_attention = norm_of(norm_type, width)
        self.attention = SequenceAttention(
            width, num_heads, causal=causal, gate=gate, position=position, dropout=dropout
        )
        self.norm_feedforward = norm_of(norm_type, width)
        self.feedforward: nn.Module = (
            SwiGLU(width, hidden, bias=True, dropout=dropout)
            if activation == "swiglu"
            else FeedForward(width, hidden, activation=activation, dropout=dropout)
        )

    def forward(self, sequence: Sequence) -> SequenceStates:
        """Attend, then refine each event."""
        normed = sequence.replace(self.norm_attention(sequence.values))
        x_ND = sequence.values + self.attention(normed, normed)
        x_ND = x_ND + self.feedforward(self.norm_feedforward(x_ND))
        encoded = sequence.replace(x_ND)
        return SequenceStates(sequence=encoded, memory=encoded)

"""Dense self-attention: every token of a row reads every other one."""

from __future__ import annotations

from torch import Tensor, nn

from hyrec.functional import attention, merge_heads, split_heads
from hyrec.nn.attention import check_heads
from hyrec.nn.feedforward import FeedForward


class TransformerLayer(nn.Module):
    """One pre-norm transformer layer whose weights all tokens share: ``S = X + Attn(LN(X))``, ``S + FFN(LN(S))``.

    Subclasses say in ``forward`` which tokens see each other.

    Args:
        width: D, the width of a token.
        num_heads: Attention heads; the width must be divisible by it.
        expansion: Hidden width of the feed-forward network, in multiples of D.
        dropout: Dropout of attention weights and hidden units.

    Raises:
        ValueError: When the width is not divisible by ``num_heads``.
    """

    def __init__(self, width: int, num_heads: int, expansion: int, dropout: float) -> None:
        super().__init__()
        check_heads(type(self).__name__, width, num_heads)
        self.num_heads, self.dropout = num_heads, dropout
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm_feedforward = nn.LayerNorm(width)
        self.feedforward: nn.Module = FeedForward(width, expansion * width, dropout=dropout)

    def transform(self, tokens: Tensor, visible: Tensor | None = None) -> Tensor:
        """Attend, then refine each token: ``(B, T, D)`` to the same shape; ``visible`` as in ``attention``."""
        qkv_BTE = self.query_key_value(self.norm_attention(tokens)).chunk(3, dim=-1)
        q_BHTd, k_BHTd, v_BHTd = (split_heads(x, self.num_heads) for x in qkv_BTE)
        read = attention(q_BHTd, k_BHTd, v_BHTd, visible, dropout=self.dropout if self.training else 0.0)
        tokens = tokens + self.out(merge_heads(read))
        out: Tensor = tokens + self.feedforward(self.norm_feedforward(tokens))
        return out

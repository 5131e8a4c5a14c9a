"""One layer over one stream of events and tokens."""

from hyrec.blocks.longer import LongerBlock
from hyrec.blocks.self_attention import SelfAttentionBlock

__all__ = ["LongerBlock", "SelfAttentionBlock"]

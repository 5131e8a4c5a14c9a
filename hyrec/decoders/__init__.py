"""One layer in which queries read a sequence."""

from hyrec.decoders.cross_attention import CrossAttentionDecoder
from hyrec.decoders.none import NoDecode

__all__ = ["CrossAttentionDecoder", "NoDecode"]

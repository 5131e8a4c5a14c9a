"""DIN for hyrec: target attention as a query decoder."""

from hyrec_din.decoder import TargetAttentionDecoder
from hyrec_din.dice import Dice

__all__ = ["Dice", "TargetAttentionDecoder"]
__version__ = "0.1.0"

"""One layer over the events of one sequence."""

from hyrec.encoders.identity import IdentityEncoder
from hyrec.encoders.longer import LongerEncoder
from hyrec.encoders.swiglu import SwiGLUEncoder
from hyrec.encoders.transformer import TransformerEncoder

__all__ = ["IdentityEncoder", "LongerEncoder", "SwiGLUEncoder", "TransformerEncoder"]

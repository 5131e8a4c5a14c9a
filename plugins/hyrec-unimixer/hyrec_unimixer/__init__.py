"""UniMixer for hyrec: token mixing that is learned instead of fixed."""

from hyrec_unimixer.mixer import UniMixer
from hyrec_unimixer.sinkhorn import symmetric_sinkhorn

__all__ = ["UniMixer", "symmetric_sinkhorn"]
__version__ = "0.1.0"

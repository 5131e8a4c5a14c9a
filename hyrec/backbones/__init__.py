"""The loop over layers."""

from hyrec.backbones.alternating import AlternatingBackbone
from hyrec.backbones.two_stage import TwoStageBackbone
from hyrec.backbones.unified import UnifiedBackbone

__all__ = ["AlternatingBackbone", "TwoStageBackbone", "UnifiedBackbone"]

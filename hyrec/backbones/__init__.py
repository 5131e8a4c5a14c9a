"""The loop over layers."""

from hyrec.backbones.alternating import AlternatingBackbone
from hyrec.backbones.two_stage import TwoStageBackbone

__all__ = ["AlternatingBackbone", "TwoStageBackbone"]

"""Logits and labels to a loss."""

from hyrec.losses.bce import BCELoss
from hyrec.losses.jrc import JRCLoss

__all__ = ["BCELoss", "JRCLoss"]

"""Logits and labels to a loss."""

from hyrec.losses.bce import BCELoss

__all__ = ["BCELoss"]

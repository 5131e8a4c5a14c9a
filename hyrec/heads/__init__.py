"""Tokens to logits."""

from hyrec.heads.mlp import MLPHead

__all__ = ["MLPHead"]

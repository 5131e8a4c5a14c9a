"""Embedded features to NS tokens."""

from hyrec.tokenizers.auto_split import AutoSplitTokens
from hyrec.tokenizers.grouped import GroupedTokens

__all__ = ["AutoSplitTokens", "GroupedTokens"]

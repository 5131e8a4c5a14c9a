"""Imports every component that hyrec brings, so that YAML finds each by its bare name."""

from hyrec import backbones, decoders, encoders, heads, losses, mixers, queries, tokenizers

__all__ = ["backbones", "decoders", "encoders", "heads", "losses", "mixers", "queries", "tokenizers"]

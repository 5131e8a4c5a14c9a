"""The smallest surroundings in which a component of each slot can be built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch

from hyrec.blocks import SelfAttentionBlock
from hyrec.context import BuildContext, Layers
from hyrec.decoders import CrossAttentionDecoder
from hyrec.embeddings import EmbeddingOptions, FeatureEmbeddings
from hyrec.encoders import TransformerEncoder
from hyrec.messages import unknown
from hyrec.mixers import SelfAttentionMixer
from hyrec.schema import Schema
from hyrec.slots import Component, QueryDecoder, SequenceEncoder, TokenMixer, UnifiedBlock
from hyrec.testing.batches import tiny_schema

plain_encoder = partial(TransformerEncoder, num_heads=2, expansion=1)
plain_decoder = partial(CrossAttentionDecoder, num_heads=2)
plain_mixer = partial(SelfAttentionMixer, num_heads=2, expansion=1)
plain_block = partial(SelfAttentionBlock, num_heads=2, expansion=1)
"""Build the parts that a tested backbone loops over."""


@dataclass(frozen=True)
class Setting:
    """What surrounds a component while it is checked: the data, the widths and the parts beside it.

    Args:
        schema: The data; it needs at least one sequence for the slots that read sequences.
        d_model: D. With the tiny schema there are T = 8 tokens, so that D is divisible by T.
        d_sequence: Width of events.
        d_memory: Width of the memory that a decoder attends to.
        sequence: Sequence that an encoder or decoder belongs to. Empty: the schema's first.
        layer: Layer that an encoder, decoder, mixer or block belongs to.
        encoder: Encoder inside a checked backbone.
        decoder: Decoder inside a checked backbone.
        mixer: Mixer inside a checked backbone.
        block: Joint block inside a checked backbone.
        bf16_tolerance: Relative error that bf16 autocast may make.
    """

    schema: Schema = field(default_factory=tiny_schema)
    d_model: int = 32
    d_sequence: int = 16
    d_memory: int = 24
    sequence: str = ""
    layer: int = 0
    encoder: Callable[[BuildContext], SequenceEncoder] = plain_encoder
    decoder: Callable[[BuildContext], QueryDecoder] = plain_decoder
    mixer: Callable[[BuildContext], TokenMixer] = plain_mixer
    block: Callable[[BuildContext], UnifiedBlock] = plain_block
    bf16_tolerance: float = 0.08

    @cached_property
    def feature_widths(self) -> Mapping[str, int]:
        """Width of each embedded feature."""
        with torch.random.fork_rng(devices=[]):
            return dict(FeatureEmbeddings(self.schema, EmbeddingOptions(dim=6).tables(self.schema)).widths)

    @property
    def num_queries(self) -> dict[str, int]:
        """Queries of each sequence: two of the first, one of the others."""
        return {name: 2 if i == 0 else 1 for i, name in enumerate(self.schema.sequences)}

    def context(self, slot: str) -> BuildContext:
        """Return what a network tells a component of a slot."""
        schema = self.schema
        first = self.sequence or next(iter(schema.sequences), "")
        if slot in ("encoder", "decoder") and first not in schema.sequences:
            what = f"Checking a component of the slot {slot!r} needs a sequence of the schema, got"
            raise ValueError(unknown(what, first, schema.sequences, allowed="Sequences"))
        ctx = BuildContext(
            schema,
            self.d_model,
            feature_widths=self.feature_widths,
            sequence_widths=dict.fromkeys(schema.sequences, self.d_sequence),
            layers=Layers(self.encoder, self.decoder, self.mixer, block=self.block),
        )
        if slot == "tokenizer":
            return ctx
        tokens = [schema.features_of_group(group) for group in schema.group_names]
        ctx = ctx.replace(num_ns_tokens=len(tokens), token_features=tokens)
        if slot == "queries":
            return ctx
        ctx = ctx.replace(num_queries=self.num_queries)
        if slot == "encoder":
            return ctx.replace(sequence=first, layer=self.layer, d_sequence=self.d_sequence)
        if slot == "decoder":
            return ctx.replace(sequence=first, layer=self.layer, d_memory=self.d_memory)
        return ctx.replace(layer=self.layer) if slot in ("mixer", "block") else ctx

    def build(self, cls: type[Component], init_args: Mapping[str, object], *, seed: int = 0) -> Component:
        """Build a component with initial values that follow from a seed, in evaluation mode."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            component: Component = cls(self.context(cls.slot), **init_args)
        return component.eval()

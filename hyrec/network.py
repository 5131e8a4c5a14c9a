"""The model as a pure module: embeddings, tokenizer, queries, backbone and head, composed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from hyrec.batch import Batch, Sequence, Tokens
from hyrec.context import MERGED, BuildContext, Layers
from hyrec.embeddings import EmbeddingOptions, FeatureEmbeddings, SequenceEmbedding, SequenceMerging, SequenceOptions
from hyrec.functional import next_divisor
from hyrec.nn.named import NamedModules
from hyrec.schema import Schema
from hyrec.slots import (
    Backbone,
    Head,
    QueryDecoder,
    QueryGenerator,
    SequenceEncoder,
    Tokenizer,
    TokenMixer,
    UnifiedBlock,
)


@dataclass(frozen=True)
class Parts:
    """Factories of all components; ``encoders`` and ``decoders`` are those of single sequences, by name."""

    tokenizer: Callable[[BuildContext], Tokenizer]
    queries: Callable[[BuildContext], QueryGenerator]
    encoder: Callable[[BuildContext], SequenceEncoder]
    decoder: Callable[[BuildContext], QueryDecoder]
    mixer: Callable[[BuildContext], TokenMixer]
    backbone: Callable[[BuildContext], Backbone]
    head: Callable[[BuildContext], Head]
    encoders: Mapping[str, Callable[[BuildContext], SequenceEncoder]] = field(default_factory=dict)
    decoders: Mapping[str, Callable[[BuildContext], QueryDecoder]] = field(default_factory=dict)
    block: Callable[[BuildContext], UnifiedBlock] | None = None


@dataclass
class EncodedSequences:
    """What a network needs of the sequences of R requests, made once for all candidates.

    Args:
        embedded: The events as vectors, by sequence; query generators pool them.
        encoded: What the backbone's ``encode`` returned.
    """

    embedded: dict[str, Sequence]
    encoded: Any


class Network(nn.Module):
    """Score samples: embed, make NS tokens and queries, run the backbone, read the logits.

    Args:
        schema: The data.
        d_model: D.
        parts: One factory a slot.
        embedding: How ids become vectors.
        sequence: How events become vectors.
        pad_tokens: Add learned tokens until D is divisible by the number of mixed tokens.
        merge_sequences: Merge all sequences into one in order of time, named ``merged``: one encoder and one decoder
            a layer.

    Shape:
        Returns ``{task: (B,)}`` logits.

    Raises:
        ValueError: From a part whose options do not fit the schema or the widths.
    """

    def __init__(
        self,
        schema: Schema,
        d_model: int,
        parts: Parts,
        *,
        embedding: EmbeddingOptions | None = None,
        sequence: SequenceOptions | None = None,
        pad_tokens: bool = False,
        merge_sequences: bool = False,
    ) -> None:
        super().__init__()
        options = sequence or SequenceOptions()
        lookup = embedding or EmbeddingOptions()
        self.limits = lookup.limits(schema)
        schema = lookup.limited(schema)
        self.tables = lookup.tables(schema)
        self.features = FeatureEmbeddings(schema, self.tables, lookup.dropout)
        widths = {name: options.width_of(name, d_model) for name in schema.sequences}
        layers = Layers(parts.encoder, parts.decoder, parts.mixer, parts.encoders, parts.decoders, parts.block)
        ctx = BuildContext(
            schema,
            d_model,
            feature_widths=self.features.widths,
            sequence_widths={MERGED: options.width_of(MERGED, d_model)} if merge_sequences else widths,
            layers=layers,
            merge_sequences=merge_sequences,
        )
        ctx.check_sequence_names(parts.encoders, "encoders")
        ctx.check_sequence_names(parts.decoders, "decoders")
        ctx.check_sequence_names(options.widths, "sequence.widths", sources=True)
        self.sequences = NamedModules(
            {name: SequenceEmbedding(schema, name, self.tables, widths[name], options) for name in schema.sequences}
        )
        self.merging = SequenceMerging(schema, widths, ctx.sequence_widths[MERGED]) if merge_sequences else None
        self.tokenizer = parts.tokenizer(ctx)
        ctx = ctx.replace(num_ns_tokens=self.tokenizer.num_tokens, token_features=self.tokenizer.token_features)
        self.queries = parts.queries(ctx)
        ctx = ctx.replace(num_queries=self.queries.num_queries)
        # Deviation: the papers choose widths that T divides; learned tokens fill up others, since slices that are mixed
        # into a dropped token would be lost. Pinned by test_padding_tokens_are_trained_and_reach_the_logits.
        num_padding = next_divisor(d_model, ctx.num_tokens) - ctx.num_tokens if pad_tokens else 0
        self.padding_MD = nn.Parameter(torch.empty(num_padding, d_model)) if num_padding else None
        self.ctx = ctx.replace(num_ns_tokens=ctx.num_ns_tokens + num_padding)
        self.backbone = parts.backbone(self.ctx)
        if parts.block is not None and not any(isinstance(part, UnifiedBlock) for part in self.backbone.modules()):
            raise ValueError(
                f"model.block is set, and {type(self.backbone).__name__} is not made of joint blocks. "
                "Use backbone UnifiedBackbone, or block null."
            )
        self.head = parts.head(self.ctx)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the padding tokens."""
        if self.padding_MD is not None:
            nn.init.normal_(self.padding_MD, std=0.02)

    def forward(self, batch: Batch, encoded: EncodedSequences | None = None) -> dict[str, Tensor]:
        """Return the logits by task; with what ``encode`` made, the sequences of the batch are not looked at."""
        features = self.features(batch, self.tables)
        ns = self.tokenizer(features)
        sequences = self.embed_sequences(batch) if encoded is None else encoded.embedded
        queries = self.queries(ns, sequences, batch.request_of)
        if self.padding_MD is not None:
            ns = torch.cat([ns, self.padding_MD.to(ns.dtype).expand(ns.shape[0], -1, -1)], dim=1)
        seen = sequences if encoded is None else encoded.encoded
        tokens: Tokens = self.backbone(queries, ns, seen, batch.request_of)
        tokens.features = features
        logits: dict[str, Tensor] = self.head(tokens)
        return logits

    def encode(self, requests: Batch) -> EncodedSequences:
        """Do once a request what its candidates share: embed its events, encode them and project keys and values."""
        embedded = self.embed_sequences(requests)
        return EncodedSequences(embedded, self.backbone.encode(embedded))

    def embed_sequences(self, batch: Batch) -> dict[str, Sequence]:
        """Embed the events of every sequence; depends on nothing of the candidate."""
        embedded = {name: self.sequences[name](batch, self.tables) for name in self.sequences}
        return embedded if self.merging is None else {MERGED: self.merging(embedded)}

    def sparse_parameters(self) -> list[nn.Parameter]:
        """Return the embedding tables: the parameters with sparse gradients."""
        return list(self.tables.parameters())

    def dense_parameters(self) -> list[nn.Parameter]:
        """Return every other parameter."""
        tables = {id(p) for p in self.tables.parameters()}
        return [p for p in self.parameters() if id(p) not in tables]

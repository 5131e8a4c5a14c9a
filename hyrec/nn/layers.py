"""Stacks of the per-layer components that backbones loop over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn

from hyrec.batch import RequestMap, Sequence, Tokens
from hyrec.context import BuildContext
from hyrec.nn.named import NamedModules
from hyrec.slots import QueryDecoder, SequenceEncoder


def _check_num_layers(num_layers: int) -> None:
    if num_layers < 1:
        raise ValueError(
            f"num_layers must be at least 1, got {num_layers}. To switch a step off, use IdentityEncoder, NoDecode or "
            "IdentityMixer."
        )


@dataclass
class EncodedLayers:
    """What the decoders of the layers read, first layer first: kept while candidates come and go."""

    memories: list[dict[str, Any]]


Sequences: TypeAlias = dict[str, Sequence] | EncodedLayers
"""The sequences that a layer sees, or what this layer and those above made of them before."""


class SequenceLayer(nn.Module):
    """Encoder and decoder of every sequence at one layer, by name; nothing is shared between sequences."""

    def __init__(self, encoders: dict[str, SequenceEncoder], decoders: dict[str, QueryDecoder]) -> None:
        super().__init__()
        self.encoders = NamedModules(encoders)
        self.decoders = NamedModules(decoders)

    def encode(self, sequences: Sequences) -> tuple[Sequences, dict[str, Any]]:
        """Encode every sequence: what the next layer sees, and what this layer's decoders attend to."""
        if isinstance(sequences, EncodedLayers):
            return EncodedLayers(sequences.memories[1:]), sequences.memories[0]
        states = {name: self.encoders[name](sequence) for name, sequence in sequences.items()}
        return {n: s.sequence for n, s in states.items()}, {n: s.memory for n, s in states.items()}

    def project(self, memories: dict[str, Any]) -> dict[str, Any]:
        """Do what the decoders can do before there is a query."""
        return {n: cast(QueryDecoder, self.decoders[n]).project(memory) for n, memory in memories.items()}

    def decode(
        self, queries: dict[str, Tensor], memories: dict[str, Any], request_of: RequestMap | None
    ) -> dict[str, Tensor]:
        """Let the queries of every sequence read its memory."""
        return {name: self.decoders[name](query, memories[name], request_of) for name, query in queries.items()}


class SequenceStack(nn.Module):
    """The sequence layers of a backbone, each built for the widths that the layer below hands on."""

    def __init__(self, ctx: BuildContext, num_layers: int) -> None:
        super().__init__()
        _check_num_layers(num_layers)
        widths, ctx = dict(ctx.sequence_widths), ctx.replace(num_layers=num_layers)
        self.layers = nn.ModuleList()
        for layer in range(num_layers):
            encoders = {name: ctx.encoder(name, layer, widths[name]) for name in ctx.sequence_names}
            decoders = {name: ctx.decoder(name, layer, encoders[name].d_memory) for name in ctx.sequence_names}
            widths = {name: encoder.d_sequence for name, encoder in encoders.items()}
            self.layers.append(SequenceLayer(encoders, decoders))

    def encode(self, sequences: dict[str, Sequence]) -> EncodedLayers:
        """Run the encoders of all layers, and what their decoders can do before there is a query."""
        memories, states = [], cast(Sequences, sequences)
        for layer in self:
            states, read = layer.encode(states)
            memories.append(layer.project(read))
        return EncodedLayers(memories)

    def __iter__(self) -> Iterator[SequenceLayer]:
        return cast("Iterator[SequenceLayer]", iter(self.layers))


class TokenLayer(nn.Module):
    """One mixing layer over all queries and NS tokens of a sample."""

    def __init__(self, ctx: BuildContext, layer: int) -> None:
        super().__init__()
        self.mixer = ctx.mixer(layer)
        self.sizes = [*ctx.num_queries.values(), ctx.num_ns_tokens]

    def forward(self, tokens: Tokens) -> Tokens:
        """Mix ``[queries; ns]`` and part the result again."""
        return _parted(self.mixer(tokens.all()), tokens, self.sizes)


class MixerStack(nn.Module):
    """The mixing layers of a backbone."""

    def __init__(self, ctx: BuildContext, num_layers: int) -> None:
        super().__init__()
        _check_num_layers(num_layers)
        self.layers = nn.ModuleList(TokenLayer(ctx, layer) for layer in range(num_layers))

    def __iter__(self) -> Iterator[TokenLayer]:
        return cast("Iterator[TokenLayer]", iter(self.layers))


class BlockLayer(nn.Module):
    """One joint block over the events of every request and all queries and NS tokens of its samples."""

    def __init__(self, ctx: BuildContext, layer: int) -> None:
        super().__init__()
        self.block = ctx.block(layer)
        self.sizes = [*ctx.num_queries.values(), ctx.num_ns_tokens]

    def forward(self, tokens: Tokens, events: Sequence, request_of: RequestMap | None) -> tuple[Tokens, Sequence]:
        """Run the block on ``[events; queries; ns]`` and part the tokens again."""
        joined, events = self.block(tokens.all(), events, request_of)
        return _parted(joined, tokens, self.sizes), events


class BlockStack(nn.Module):
    """The joint blocks of a backbone."""

    def __init__(self, ctx: BuildContext, num_layers: int) -> None:
        super().__init__()
        _check_num_layers(num_layers)
        ctx = ctx.replace(num_layers=num_layers)
        self.layers = nn.ModuleList(BlockLayer(ctx, layer) for layer in range(num_layers))

    def __iter__(self) -> Iterator[BlockLayer]:
        return cast("Iterator[BlockLayer]", iter(self.layers))


def _parted(joined: Tensor, tokens: Tokens, sizes: list[int]) -> Tokens:
    """Part ``[queries; ns]`` into tokens named as ``tokens`` are."""
    *queries, ns = torch.split(joined, sizes, dim=1)
    return Tokens(dict(zip(tokens.queries, queries, strict=True)), ns)

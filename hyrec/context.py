"""What a component is told when it is built: everything that YAML should not have to repeat."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hyrec.messages import unknown
from hyrec.schema import Schema

if TYPE_CHECKING:
    from hyrec.slots import QueryDecoder, SequenceEncoder, TokenMixer, UnifiedBlock

MERGED = "merged"
"""Name of the one sequence that ``merge_sequences`` leaves."""

_NO_QUERIES: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Layers:
    """Factories of per-layer components that a backbone may ask for; ``encoders`` and ``decoders`` by sequence name."""

    encoder: Callable[[BuildContext], SequenceEncoder]
    decoder: Callable[[BuildContext], QueryDecoder]
    mixer: Callable[[BuildContext], TokenMixer]
    encoders: Mapping[str, Callable[[BuildContext], SequenceEncoder]] = field(default_factory=dict)
    decoders: Mapping[str, Callable[[BuildContext], QueryDecoder]] = field(default_factory=dict)
    block: Callable[[BuildContext], UnifiedBlock] | None = None


@dataclass(frozen=True)
class BuildContext:
    """Widths, counts and names that a component cannot know from its own options.

    A field is filled once it is known: a tokenizer sees the feature widths but not yet ``num_ns_tokens``.

    Args:
        schema: The data.
        d_model: D, the width of tokens, queries and events.
        feature_widths: Width of each embedded non-sequential feature, in schema order.
        num_ns_tokens: M, padding tokens included.
        num_queries: Queries of each sequence.
        layer: Index of the layer that a per-layer component belongs to, from 0.
        num_layers: Layers of the stack that ``layer`` counts in, or 0 outside a stack.
        sequence: Name of the sequence that an encoder or decoder belongs to.
        d_sequence: Width of the events that an encoder receives.
        d_memory: Width of the memory that a decoder attends to.
        sequence_widths: Width of the embedded events of each sequence.
        token_features: Names of the features that make each NS token.
        layers: Factories for the per-layer components; only a backbone needs them.
        merge_sequences: Whether the sequences of the schema are merged into one, named ``merged``.
    """

    schema: Schema
    d_model: int
    feature_widths: Mapping[str, int] = field(default_factory=dict)
    num_ns_tokens: int = 0
    num_queries: Mapping[str, int] = field(default_factory=lambda: _NO_QUERIES)
    layer: int = 0
    num_layers: int = 0
    sequence: str = ""
    d_sequence: int = 0
    d_memory: int = 0
    sequence_widths: Mapping[str, int] = field(default_factory=dict)
    token_features: Sequence[Sequence[str]] = ()
    layers: Layers | None = None
    merge_sequences: bool = False

    @property
    def num_tokens(self) -> int:
        """T: the queries of all sequences and the NS tokens."""
        return sum(self.num_queries.values()) + self.num_ns_tokens

    @property
    def candidate_dependent(self) -> list[bool]:
        """Whether each of the T tokens may differ between the samples of a request, queries first.

        Those that may not are made of user features alone, or learned (``pad_tokens``). Features of the context count
        as different: rows that share a request only because they see the same events need not agree in them.
        """
        features = self.schema.features
        queries = [True] * sum(self.num_queries.values())
        named = [not (names and all(features[n].role == "user" for n in names)) for names in self.token_features]
        padding = self.num_ns_tokens - len(named)
        return [*queries, *named, *[not named] * padding]

    @property
    def is_last_layer(self) -> bool:
        """Whether no layer of the stack follows, so that nothing reads the sequence that an encoder hands on."""
        return self.layer + 1 == self.num_layers

    @property
    def sequence_names(self) -> list[str]:
        """Sequences that components see: those of the schema, in its order, or the merged one."""
        return [MERGED] if self.merge_sequences else list(self.schema.sequences)

    def replace(self, **changes: Any) -> BuildContext:
        """Return a context with some fields changed."""
        return dataclasses.replace(self, **changes)

    def encoder(self, sequence: str, layer: int, d_sequence: int) -> SequenceEncoder:
        """Build the encoder of one sequence at one layer, for events of width ``d_sequence``."""
        layers = self._layers()
        factory = layers.encoders.get(sequence, layers.encoder)
        return factory(self.replace(sequence=sequence, layer=layer, d_sequence=d_sequence))

    def decoder(self, sequence: str, layer: int, d_memory: int) -> QueryDecoder:
        """Build the decoder of one sequence's queries at one layer."""
        layers = self._layers()
        factory = layers.decoders.get(sequence, layers.decoder)
        return factory(self.replace(sequence=sequence, layer=layer, d_memory=d_memory))

    def mixer(self, layer: int) -> TokenMixer:
        """Build the token mixer of one layer."""
        return self._layers().mixer(self.replace(layer=layer))

    def block(self, layer: int) -> UnifiedBlock:
        """Build the joint block of one layer.

        Raises:
            ValueError: When the model names none.
        """
        factory = self._layers().block
        if factory is None:
            raise ValueError(
                "The backbone is made of joint blocks, and model.block names none. SelfAttentionBlock works."
            )
        return factory(self.replace(layer=layer))

    def check_sequence_names(self, names: Mapping[str, object], option: str, *, sources: bool = False) -> None:
        """Refuse an ``option`` that names a sequence which does not exist; with ``sources``, those merged do.

        Raises:
            ValueError: With the nearest right name.
        """
        allowed = (
            list(dict.fromkeys([*self.schema.sequences, *self.sequence_names])) if sources else self.sequence_names
        )
        for name in names:
            if name in allowed:
                continue
            if name in self.schema.sequences:
                raise ValueError(
                    f"{option} names the sequence {name!r}, but merge_sequences=true leaves one sequence, {MERGED!r}."
                )
            why = ", which the schema does not have"
            raise ValueError(unknown(f"{option} names the sequence", name, allowed, why=why, allowed="Sequences"))

    def _layers(self) -> Layers:
        if self.layers is None:
            raise RuntimeError("This context builds no layers: only a backbone's context has encoders and mixers.")
        return self.layers

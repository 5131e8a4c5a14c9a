"""What a plugin can bring, slot by slot: the table that all others follow. Nothing is imported for it."""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """What is known about a slot without importing its classes.

    Its base class as ``module:Class``, what a class in it is called, what names of such classes end with, and the keys
    that lead to it in a config; ``+`` ends that of a list.
    """

    base: str
    words: str
    suffix: str
    keys: tuple[str, ...]

    @property
    def base_name(self) -> str:
        """Name of the base class."""
        return self.base.partition(":")[2]

    def base_class(self) -> type:
        """Import the base class."""
        found: type = pkgutil.resolve_name(self.base)
        return found

    def in_config(self, chosen: Sequence[str]) -> str:
        """Return YAML that puts a class into the slot, from the lines that name the class and its options."""
        above = [f"{'  ' * depth}{key}:" for depth, key in enumerate(self.keys)]
        bullet, rest = ("- ", "  ") if self.keys[-1].endswith("+") else ("", "")
        indent = "  " * len(self.keys)
        return "\n".join([*above, indent + bullet + chosen[0], *(indent + rest + line for line in chosen[1:])])


def _part(base: str, words: str, suffix: str, slot: str) -> Slot:
    return Slot(f"hyrec.slots:{base}", words, suffix, ("model", "init_args", slot))


SLOT_TABLE = {
    "tokenizer": _part("Tokenizer", "tokenizer", "Tokens", "tokenizer"),
    "encoder": _part("SequenceEncoder", "sequence encoder", "Encoder", "encoder"),
    "queries": _part("QueryGenerator", "query generator", "Queries", "queries"),
    "decoder": _part("QueryDecoder", "query decoder", "Decoder", "decoder"),
    "mixer": _part("TokenMixer", "token mixer", "Mixer", "mixer"),
    "block": _part("UnifiedBlock", "joint block", "Block", "block"),
    "backbone": _part("Backbone", "backbone", "Backbone", "backbone"),
    "head": _part("Head", "head", "Head", "head"),
    "loss": _part("Loss", "loss", "Loss", "loss"),
    "data": Slot("hyrec.data.base:RankingData", "data set", "Data", ("data",)),
    "metric": Slot("hyrec.metrics.base:RankingMetric", "metric", "Metric", ("model", "init_args", "metrics+")),
    "callback": Slot("lightning:Callback", "callback", "Callback", ("trainer", "callbacks+")),
}
"""Every slot by name: the parts of the network in the order of ``hyrec.slots.SLOTS``, then what surrounds it."""

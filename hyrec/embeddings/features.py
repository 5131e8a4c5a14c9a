"""The embedded non-sequential features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from hyrec.batch import Batch, Jagged
from hyrec.embeddings.tables import EmbeddingTable
from hyrec.nn.named import NamedModules
from hyrec.schema import Feature, Schema


class FeatureEmbeddings(nn.Module):
    """Embeds the non-sequential features.

    Args:
        schema: The data.
        tables: Embedding tables by name. They are shared with the sequences, so they are passed again to ``forward``
            instead of being held here, and a checkpoint holds them once.
        dropout: Probability that training clears a number of an embedded feature.

    Shape:
        Returns ``{feature: (B, width)}`` in schema order. An id feature has the width of its table; ``n`` dense
        numbers have width ``2 n``: the transformed values (0 where missing) and whether each is missing.
    """

    def __init__(self, schema: Schema, tables: NamedModules, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.features = schema.features
        self.table_names = {name: schema.table_of(name) for name in schema.features}
        self.widths: Mapping[str, int] = {
            name: table_of(tables, self.table_names[name]).embedding_dim if feature.is_embedded else 2 * feature.width
            for name, feature in schema.features.items()
        }
        self.buckets = buckets_of(schema.features)

    def forward(self, batch: Batch, tables: NamedModules) -> dict[str, Tensor]:
        """Look up every feature."""
        return {
            name: self._embed(name, feature, batch.features[name], tables) for name, feature in self.features.items()
        }

    def _embed(self, name: str, feature: Feature, value: Tensor | Jagged, tables: NamedModules) -> Tensor:
        if feature.kind == "dense" and isinstance(value, Tensor):
            if feature.transform != "bucketize":
                return transform_dense(feature, value.to(next((p.dtype for p in tables.parameters()), value.dtype)))
            value = self.buckets[name](value.squeeze(-1))
        table = table_of(tables, self.table_names[name])
        out: Tensor = self.dropout(table.pool(value) if isinstance(value, Jagged) else table(value))
        return out


def table_of(tables: NamedModules, name: str) -> EmbeddingTable:
    """Return one table by name."""
    table = tables[name]
    assert isinstance(table, EmbeddingTable)
    return table


def pool_lists(table: EmbeddingTable, ids: Tensor) -> Tensor:
    """Average the rows of lists of one length, ``(N, K)`` to ``(N, dim)``: padding counts for nothing."""
    num, length = ids.shape
    return table.pool(Jagged(ids.flatten(), torch.arange(num + 1, device=ids.device) * length))


def transform_dense(feature: Feature, values: Tensor) -> Tensor:
    """Transform numbers and mark the missing ones: ``(..., n)`` to ``(..., 2 n)``."""
    missing = values.isnan()
    known = values.nan_to_num(0.0)
    if feature.transform == "log1p":
        known = known.sign() * known.abs().log1p()
    elif feature.transform == "standardize":
        known = (known - feature.mean) / feature.std
    return torch.cat([known.masked_fill(missing, 0.0), missing.to(values.dtype)], dim=-1)


class Buckets(nn.Module):
    """Turns numbers into ids: 1 where missing, else 3 plus the number of boundaries that the value has reached."""

    def __init__(self, boundaries: Sequence[float]) -> None:
        super().__init__()
        # Held as the bits of float64: a module that is cast to another precision rounds its float buffers.
        bits = torch.tensor(boundaries, dtype=torch.float64).view(torch.int64)
        self.register_buffer("bits", bits, persistent=False)
        self.bits: Tensor

    def forward(self, values: Tensor) -> Tensor:
        """Return the ids."""
        limits = self.bits.view(torch.float64).to(values.dtype)
        ids = torch.bucketize(values.nan_to_num(0.0), limits, right=True) + 3
        return torch.where(values.isnan(), 1, ids)


def buckets_of(features: Mapping[str, Feature]) -> NamedModules:
    """Build the buckets of the features whose numbers become ids."""
    return NamedModules(
        {name: Buckets(f.boundaries) for name, f in features.items() if f.kind == "dense" and f.is_embedded}
    )

"""Embedding tables, and the options that they are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyrec.batch import Jagged
from hyrec.messages import unknown
from hyrec.nn.named import NamedModules
from hyrec.schema import NUM_RESERVED_IDS, PADDING_ID, Schema

_GOLDEN, _MIX_1, _MIX_2 = (x - 2**64 for x in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
"""Constants of splitmix64 as signed 64-bit numbers, which wrap around as unsigned ones do."""


@dataclass(frozen=True)
class EmbeddingOptions:
    """How ids become vectors.

    Args:
        dim: Width of every embedding table.
        dims: Other widths by table name.
        sparse: Whether gradients hold only the rows that a batch touched. Off for optimizers that need dense ones.
        init_scale: Initial rows are uniform within ``init_scale / sqrt(rows)``: the ids of a small table start further
            apart than those of a large one. DLRM (arXiv 1906.00091) has 1; close to zero, ids that are rare say little.
        dropout: Probability that training clears a number of an embedded feature. Events are left alone.
        max_rows: Most rows of a table, the three reserved ones included. 0: as many as the schema has ids.
        over: What happens to larger tables: ``hash`` lets ids share ``max_rows`` rows by their hash; ``drop`` leaves
            the features that look them up out of the model.

    Raises:
        ValueError: When ``max_rows`` leaves no row behind the reserved ones.
    """

    dim: int = 16
    dims: dict[str, int] = field(default_factory=dict)
    sparse: bool = True
    init_scale: float = 0.1
    dropout: float = 0.0
    max_rows: int = 0
    over: Literal["hash", "drop"] = "hash"

    def __post_init__(self) -> None:
        if self.max_rows and self.max_rows <= NUM_RESERVED_IDS:
            raise ValueError(
                f"embedding.max_rows={self.max_rows} leaves no room for values: ids 0, 1 and 2 are reserved. Use at "
                f"least {NUM_RESERVED_IDS + 1}, or 0 for no limit."
            )

    def large_tables(self, schema: Schema) -> dict[str, int]:
        """Return the tables that have more ids than ``max_rows``, with their number of ids."""
        return {table: size for table, size in schema.table_sizes.items() if self.max_rows and size > self.max_rows}

    def limited(self, schema: Schema) -> Schema:
        """Return the schema without what looks up tables that are dropped.

        Raises:
            ValueError: For ``dims`` of tables that do not exist, and when nothing of the features or of a sequence is
                left.
        """
        for table in self.dims:
            if table not in schema.table_sizes:
                why, known = ", which the schema does not have", schema.table_sizes
                raise ValueError(unknown("embedding.dims names the table", table, known, why=why, allowed="Tables"))
        dropped = self.large_tables(schema) if self.over == "drop" else {}
        if not dropped:
            return schema
        features = {n: f for n, f in schema.features.items() if not f.is_embedded or schema.table_of(n) not in dropped}
        sequences = {}
        for name, spec in schema.sequences.items():
            kept = {
                n: f for n, f in spec.features.items() if not f.is_embedded or schema.table_of(n, name) not in dropped
            }
            sequences[name] = replace(spec, features=kept)
        empty = [f"the sequence {name!r}" for name, spec in sequences.items() if not spec.features]
        if not features or empty:
            raise ValueError(
                f"embedding.over=drop leaves nothing of {(empty or ['the features'])[0]}: all its tables have more "
                f"rows than max_rows={self.max_rows}. Use over=hash, or a larger max_rows."
            )
        groups = [group for group in schema.groups if any(schema.group_of(name) == group for name in features)]
        return replace(schema, features=features, sequences=sequences, groups=groups)

    def tables(self, schema: Schema) -> NamedModules:
        """Build one table per table name of the schema, each with its own initial values."""
        large, sizes, tables = self.large_tables(schema), schema.table_sizes, {}
        for name in sorted(sizes):
            rows, dim = min(sizes[name], self.max_rows or sizes[name]), self.dims.get(name, self.dim)
            made = HashedTable if name in large else EmbeddingTable
            tables[name] = made(rows, dim, self.sparse, self.init_scale)
        return NamedModules(tables)

    def limits(self, schema: Schema) -> list[str]:
        """Return a line for each table of a schema that is larger than ``max_rows``: what becomes of it."""
        lines = []
        for table, size in self.large_tables(schema).items():
            places = ", ".join(place for place, own, f in schema.every_feature() if own == table and f.is_embedded)
            fate = f"its ids share {self.max_rows:,} rows" if self.over == "hash" else f"not in the model: {places}"
            lines.append(f"Table {table} has {size:,} ids, more than embedding.max_rows={self.max_rows:,}: {fate}")
        return lines


class EmbeddingTable(nn.Embedding):
    """Rows by id, uniform within ``init_scale / sqrt(rows)`` at first; row 0 (padding) is zero and stays zero."""

    def __init__(self, num_ids: int, dim: int, sparse: bool, init_scale: float) -> None:
        self.init_scale = init_scale
        try:
            super().__init__(num_ids, dim, padding_idx=PADDING_ID, sparse=sparse)
        except RuntimeError as error:
            size = f"{num_ids:,} rows of {dim} numbers ({num_ids * dim * 4 / 2**30:,.1f} GiB)"
            raise ValueError(
                f"An embedding table of {size} does not fit. Lower its vocab_size or hash_size."
            ) from error

    def reset_parameters(self) -> None:
        """Draw the rows and clear row 0."""
        bound = self.init_scale / math.sqrt(self.num_embeddings)
        nn.init.uniform_(self.weight, -bound, bound)
        self._fill_padding_idx_with_zero()

    def row_of(self, ids: Tensor) -> Tensor:
        """Return the row of each id."""
        return ids

    def forward(self, ids: Tensor) -> Tensor:
        """Look up ids of any shape: ``(..., dim)``."""
        return super().forward(self.row_of(ids))

    def pool(self, ids: Jagged) -> Tensor:
        """Average the rows of each list, or sum them with weights: ``(B, dim)``. An empty list gives zeros."""
        weights = ids.weights
        return F.embedding_bag(
            self.row_of(ids.values),
            self.weight,
            ids.offsets,
            mode="mean" if weights is None else "sum",
            per_sample_weights=None if weights is None else weights.to(self.weight.dtype),
            sparse=self.sparse,
            include_last_offset=True,
            padding_idx=PADDING_ID,
        )


class HashedTable(EmbeddingTable):
    """A table with fewer rows than ids: the reserved ids keep theirs, others share the rows behind by their hash."""

    def row_of(self, ids: Tensor) -> Tensor:
        """Return the row of each id, by splitmix64."""
        x = ids.long() + _GOLDEN
        x = (x ^ _shifted(x, 30)) * _MIX_1
        x = (x ^ _shifted(x, 27)) * _MIX_2
        x = _shifted(x ^ _shifted(x, 31), 1)  # without the sign, so that the remainder is that of a positive number
        return torch.where(ids < NUM_RESERVED_IDS, ids, NUM_RESERVED_IDS + x % (self.num_embeddings - NUM_RESERVED_IDS))


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Shift right as unsigned numbers are: zeros come in."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)

"""What training on a data set will need: memory of its tables, and of its rows once decoded."""

from __future__ import annotations

from dataclasses import dataclass

from hyrec.schema import Schema

DEFAULT_DIM = 16
"""Width of the embedding tables unless a config says otherwise."""
_FLOAT = 4


@dataclass(frozen=True)
class TableCost:
    """An embedding table: its rows, and the bytes of its weights and of row-wise Adagrad's state (a number a row)."""

    rows: int
    dim: int
    weights: int
    optimizer: int


def table_costs(schema: Schema, dim: int = DEFAULT_DIM) -> dict[str, TableCost]:
    """Return the cost of every table, the largest first."""
    sizes = sorted(schema.table_sizes.items(), key=lambda item: -item[1])
    return {name: TableCost(rows, dim, rows * dim * _FLOAT, rows * _FLOAT) for name, rows in sizes}

"""Tables in memory, of pandas, polars or Arrow, as data and as batches."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from hyrec.batch import Batch
from hyrec.data.parquet import ParquetData
from hyrec.data.parquet.policy import DataError
from hyrec.parquet import write_parquet
from hyrec.schema import Schema

_ROW_GROUP = 8192


def arrow_table(table: Any) -> pa.Table:
    """Return a table as Arrow.

    Args:
        table: An Arrow table or record batch, a polars or pandas data frame (its index is left out), or anything else
            with Arrow's C stream interface.

    Raises:
        DataError: For anything else.
    """
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if type(table).__module__.split(".")[0] == "pandas":
        # Whole numbers beside missing ones are floats in pandas; as ids they are whole numbers again.
        return pa.Table.from_pandas(table.convert_dtypes(), preserve_index=False)
    if hasattr(table, "__arrow_c_stream__"):
        return pa.table(table)
    raise DataError(
        f"A table must be one of Arrow, polars or pandas, got {type(table).__module__}.{type(table).__qualname__}."
    )


def table_data(
    schema: Schema,
    *,
    train: Any = None,
    validate: Any = None,
    test: Any = None,
    predict: Any = None,
    **options: Any,
) -> ParquetData:
    """Return tables in memory as a data module, for any trainer.

    They are written as Parquet to a temporary folder that goes with the data module, so that workers, several
    processes and resuming work as they do for files.

    Args:
        schema: What the tables hold.
        train: Training rows.
        validate: Validation rows.
        test: Test rows.
        predict: Rows to score; they need no labels.
        options: Other options of :class:`ParquetData`, such as ``batch_size``.

    Raises:
        DataError: For tables and options that cannot be used.
    """
    tables = {"train": train, "validate": validate, "test": test, "predict": predict}
    given = {split: arrow_table(table) for split, table in tables.items() if table is not None}
    if not given:
        raise DataError(f"There is no table: give one or more of {', '.join(tables)}.")
    folder = Path(tempfile.mkdtemp(prefix="hyrec-tables-"))
    try:
        for split, table in given.items():
            write_parquet(table, folder / f"{split}.parquet", row_group_size=_ROW_GROUP)
        paths: dict[str, Any] = {split: str(folder / f"{split}.parquet") for split in given}
        data = ParquetData(schema, **paths, **options)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(data, shutil.rmtree, folder, ignore_errors=True)
    return data


def table_batches(table: Any, schema: Schema, *, batch_size: int = 256) -> Iterator[Batch]:
    """Yield the rows of a table as batches, in order; labels that it lacks are unknown (NaN).

    Args:
        table: As for :func:`arrow_table`.
        schema: What it holds.
        batch_size: Stored rows of a batch: impressions, or requests with all their candidates.

    Raises:
        DataError: For a table that does not fit the schema.

    Example:
        >>> from hyrec.schema import Feature, Task
        >>> schema = Schema(features={"item": Feature(vocab_size=9, role="item")}, tasks={"click": Task()})
        >>> [batch.num_samples for batch in table_batches(pa.table({"item": [3, 4, 5]}), schema, batch_size=2)]
        [2, 1]
    """
    data = table_data(schema, predict=table, eval_batch_size=batch_size)
    yield from data.predict_dataloader()

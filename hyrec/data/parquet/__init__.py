"""From Parquet files to batches."""

from hyrec.data.parquet.data import ParquetData

__all__ = ["ParquetData"]

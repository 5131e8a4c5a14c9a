"""The base class of the ``data`` slot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import lightning
import numpy as np
import pyarrow as pa
from torch import Tensor

from hyrec.batch import Batch
from hyrec.definition import check_constructor, check_docstring
from hyrec.schema import Schema

Split = Literal["train", "validate", "test", "predict"]


class RankingData(lightning.LightningDataModule, ABC):
    """A data set: loaders of :class:`~hyrec.batch.Batch` for Lightning, and what is known about the data.

    The constructor of a subclass takes the schema first and then its own options with type hints; the class is checked
    when it is defined.

    Args:
        schema: What the data is.
    """

    slot: ClassVar[str] = "data"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check docstring and constructor when a class is defined."""
        super().__init_subclass__(**kwargs)
        check_docstring(cls)
        check_constructor(cls, "schema: Schema", keyword_only=False)

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.schema = schema

    @property
    def rank(self) -> int:
        """Number of this process; 0 without a trainer."""
        return self.trainer.global_rank if self.trainer is not None else 0

    @property
    def world_size(self) -> int:
        """Number of processes; 1 without a trainer."""
        return self.trainer.world_size if self.trainer is not None else 1

    def has(self, split: Split) -> bool:
        """Whether the data has rows of a split. Default: whether the class loads that split at all."""
        loader = "val_dataloader" if split == "validate" else f"{split}_dataloader"
        return getattr(type(self), loader) is not getattr(lightning.LightningDataModule, loader)

    def epoch_batches(self) -> list[int]:
        """Return the training batches of every epoch of a run whose epochs differ. Default: they do not, ``[]``."""
        return []

    @abstractmethod
    def scan(
        self, split: Split, columns: Sequence[str] | None = None, *, sequences: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """Yield all rows of a split in stored order, on every process, reading only what is asked for.

        Labels, group, weight, time and integer id columns are part of every batch.

        Args:
            split: ``train``, ``validate``, ``test`` or ``predict``.
            columns: Names of the features to read. None: all of them.
            sequences: Names of the sequences to read.
        """

    @abstractmethod
    def id_columns(self, split: Split, rows: Tensor | np.ndarray) -> pa.Table:
        """Return the schema's id columns, strings included, for samples.

        Args:
            split: Split that the samples belong to.
            rows: Positions of the samples, as in ``Batch.row``. Ascending ones of one batch are fastest.
        """

    def references(self, split: Split) -> dict[str, dict[str, float]]:
        """Return known figures to print beside the model's, as ``{"attainable": {"auc": 0.8}}``."""
        return {}

    def report(self) -> str:
        """Return how many values policies handled in this process, a line for each column and reason."""
        return ""

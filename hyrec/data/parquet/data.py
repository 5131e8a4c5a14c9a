"""``ParquetData``: Parquet files as batches."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

import numpy as np
import pyarrow as pa
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from torch import Tensor

from hyrec.batch import Batch
from hyrec.data.base import RankingData, Split
from hyrec.data.packing import Array
from hyrec.data.parquet.days import Day, days_of, zone_of
from hyrec.data.parquet.decode import Decoder
from hyrec.data.parquet.epoch_order import Layout
from hyrec.data.parquet.loader import BatchLoader, ParquetRows, finished_batches
from hyrec.data.parquet.policy import DataError, Handled, Policies, PolicyCounts, counted_together, with_skipped
from hyrec.data.parquet.reader import IdReader, RowReader
from hyrec.data.parquet.source import SplitIndex, find_files, index_split
from hyrec.data.parquet.span import TimeSpan, span_of
from hyrec.data.parquet.window import GIB, row_bytes, told_window
from hyrec.messages import unknown
from hyrec.schema import Schema

_ORDERED_ROWS = 8192
"""Rows that are decoded together when they are read in stored order."""


class ParquetData(RankingData):
    """Stream Parquet files: one or many, flat or a row per request, split by file or by time.

    Paths name files, directories (all ``*.parquet`` below) or globs. Rows are read in batches of ``batch_size``
    *stored* rows: impressions when the schema's layout is ``flat``, requests with all their candidates when it is
    ``requests``. Histories are lists, or ranges of event files (``hyrec data build --layout log``). No row is lost or
    doubled over processes and workers. In training all processes have equally many batches, so some batches are a
    row shorter. Evaluation keeps the order of the files.

    The training order is random: row groups of all files are shuffled, and then the rows of each window of
    ``shuffle_rows``, or of as many as ``shuffle_memory`` has room for. It depends on these options, ``seed``, the
    files, the epoch, and the numbers of processes and workers, and on nothing else. A run that was interrupted
    inside an epoch continues with the next batch. Row groups of up to some ten thousand rows read fastest.

    Args:
        schema: What the data is.
        train: Files of the training rows.
        validate: Files of the validation rows.
        test: Files of the test rows.
        predict: Files to score; they need no labels. Empty: the test rows.
        path: Files that hold all rows, in place of train, validate and test; ``schema.split`` says when each
            begins.
        batch_size: Stored rows of a training batch, on each process.
        eval_batch_size: Stored rows of any other batch. 0: as in training.
        num_workers: Processes that read ahead. 0 reads in the training process.
        shuffle: Whether training rows are shuffled.
        shuffle_rows: Most rows that are shuffled together, by each worker.
        shuffle_memory: GiB that the rows shuffled together may take in memory, decoded, of all workers of a process.
            Fewer than ``shuffle_rows`` are shuffled together where it takes that; a batch of each worker at least.
        seed: Of the order.
        drop_last: Whether training leaves out the rows that do not fill a batch on every process.
        policies: What to do with ids and lists that cannot be used as they are.
        prefetch: Batches that each worker reads ahead.
        worker_timeout: Seconds to wait for a worker's batch before the run ends with an error; 0 waits forever.
        persistent_workers: Whether workers outlive an epoch.
        pin_memory: Whether batches are put into page-locked memory, from which a GPU copies faster.
        by_day: Time zone of days, such as ``Asia/Shanghai`` or ``UTC``. An epoch is then one day of the training rows,
            in their order, and validates on the next day before it is trained on; the last one validates on the
            validation rows. Empty: every epoch has all training rows.

    Raises:
        DataError: For paths that do not exist and options that exclude one another; on reading, for files,
            columns and values that cannot be used.
    """

    def __init__(
        self,
        schema: Schema,
        train: str | list[str] | None = None,
        validate: str | list[str] | None = None,
        test: str | list[str] | None = None,
        predict: str | list[str] | None = None,
        path: str | list[str] | None = None,
        batch_size: int = 256,
        eval_batch_size: int = 0,
        num_workers: int = 0,
        shuffle: bool = True,
        shuffle_rows: int = 65536,
        shuffle_memory: float = 1.0,
        seed: int = 0,
        drop_last: bool = False,
        policies: Policies = Policies(),  # noqa: B008  (frozen)
        prefetch: int = 2,
        worker_timeout: int = 600,
        persistent_workers: bool = False,
        pin_memory: bool = False,
        by_day: str = "",
    ) -> None:
        super().__init__(schema)
        self.allow_zero_length_dataloader_with_multiple_devices = True
        least = {"batch_size": (batch_size, 1), "eval_batch_size": (eval_batch_size, 0), "seed": (seed, 0)}
        least |= {
            "num_workers": (num_workers, 0),
            "shuffle_rows": (shuffle_rows, 1),
            "prefetch": (prefetch, 1),
            "worker_timeout": (worker_timeout, 0),
        }
        for name, (value, minimum) in least.items():
            if value < minimum:
                raise DataError(f"{name} must be at least {minimum}, got {value}.")
        if not shuffle_memory > 0:
            raise DataError(f"shuffle_memory must be above 0 (GiB), got {shuffle_memory}.")
        self.paths = {"train": train, "validate": validate, "test": test, "predict": predict}
        self.path = path
        if path and (both := [name for name in ("train", "validate", "test") if self.paths[name]]):
            raise DataError(f"path and {both[0]} exclude one another: path holds the rows of all splits.")
        if path and not (schema.split.validate_from or schema.split.test_from):
            raise DataError(
                "path holds the rows of all splits, but the schema has no split: set split.validate_from and "
                "split.test_from, or give train, validate and test in place of path."
            )
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size or batch_size
        self.num_workers, self.prefetch, self.persistent_workers = num_workers, prefetch, persistent_workers
        self.worker_timeout = worker_timeout
        self.shuffle, self.shuffle_rows, self.seed, self.drop_last = shuffle, shuffle_rows, seed, drop_last
        self.shuffle_memory, self._limit = shuffle_memory, shuffle_memory * GIB
        self.policies, self.pin_memory = policies, pin_memory
        self.by_day, self._zone = by_day, zone_of(by_day, schema) if by_day else None
        self.counts: dict[str, PolicyCounts] = {name: PolicyCounts() for name in get_args(Split)}
        self._indices: dict[str, SplitIndex] = {}
        self._id_readers: dict[str, IdReader] = {}
        self._train_loader: BatchLoader | None = None
        self._train_state: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return where the training rows are in their epoch, for a checkpoint."""
        return {} if self._train_loader is None else {"train": self._train_loader.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next training loader continue where a checkpoint stopped.

        Lightning restores a loader too, but not one that a learning-rate schedule has asked for its length before.
        """
        self._train_state = state_dict.get("train")

    def setup(self, stage: str) -> None:
        """Look at the files of a stage (fit, validate, test, predict), so that errors come early."""
        for split in ("train", "validate") if stage == "fit" else (stage,):
            if split != "validate" or self.has("validate"):
                self.index(split)
        if stage == "fit" and self.shuffle:
            index = max((day.index for day in self.days), key=lambda index: index.num_rows, default=self.index("train"))
            size = index.decoded_bytes / index.num_rows
            rank_zero_info(self._window_text(index.rows_within(self._limit), size, index.num_rows))

    def window_estimate(self, lengths: Mapping[str, int], candidates: int = 1) -> str:
        """Return a line on what is shuffled together, of rows with so many events and candidates; reads no file."""
        size = row_bytes(self.schema, lengths, candidates)
        return self._window_text(int(self._limit / size), size)

    def _window_text(self, memory_rows: int | None, size: float, num_rows: float = np.inf) -> str:
        streams = max(1, self.num_workers)
        layout = Layout(self.batch_size, streams=streams, window=self.shuffle_rows, memory_rows=memory_rows)
        return told_window(layout, size, num_rows, self.shuffle_memory)

    def has(self, split: Split) -> bool:
        """Whether there are files for a split."""
        if self.path and split in ("train", "validate", "test"):
            return bool(span_of(split, self.schema))
        return bool(self.paths[split]) or (split == "predict" and self.has("test"))

    def index(self, split: Split) -> SplitIndex:
        """Return the rows of a split.

        Raises:
            DataError: If the split has no files, or they cannot be used.
        """
        if split not in self._indices:
            if split not in self.paths:
                raise DataError(unknown("There is no split", split, self.paths, allowed="Splits"))
            if not self.has(split):
                given = [name for name in get_args(Split) if self.has(name)]
                raise DataError(
                    f"There are no files for {split!r}: set data.init_args.{split}. "
                    f"Given: {', '.join(given) or 'none'}."
                )
            files, span = self._files(split)
            self._indices[split] = index_split(files, self._decoder(split), span)
        return self._indices[split]

    @functools.cached_property
    def days(self) -> list[Day]:
        """The days of the training rows, where epochs are days."""
        if self._zone is None:
            return []
        files, span = self._files("train")
        return days_of(files, self._decoder("train"), span, self._zone)

    def epoch_batches(self) -> list[int]:
        """Return the training batches of every epoch, where epochs are days."""
        return [len(self._loader("train", day.index)) for day in self.days]

    def validation_batches(self) -> list[int]:
        """Return the batches of the validation that follows every epoch, where epochs are days."""
        following = [day.index for day in self.days[1:]]
        following += [self.index("validate")] if following and self.has("validate") else []
        return [len(self._loader("validate", index)) for index in following]

    def num_samples(self, split: Split) -> int:
        """Return the number of samples of a split, over all processes."""
        return self.index(split).num_samples

    def loader(self, split: Split) -> BatchLoader:
        """Return this process's loader of a split; only ``train`` is shuffled, by epoch."""
        return self._loader(split, self.index(split))

    def _loader(self, split: Split, index: SplitIndex) -> BatchLoader:
        training = split == "train"
        if split != "predict" and index.num_rows < self.world_size:
            raise DataError(
                f"{split}: {index.num_rows} stored rows cannot be shared by {self.world_size} processes: each needs "
                "at least one, for all to meet at the end. Use fewer devices."
            )
        shuffle = training and self.shuffle and not getattr(self.trainer, "overfit_batches", 0)
        layout = Layout(
            batch_size=self.batch_size if training else self.eval_batch_size,
            rank=self.rank,
            world_size=self.world_size,
            streams=max(1, self.num_workers),
            shuffle=shuffle,
            window=self.shuffle_rows if shuffle else _ORDERED_ROWS,
            seed=self.seed,
            drop_last=training and self.drop_last,
            memory_rows=index.rows_within(self._limit),
        )
        options: dict[str, Any] = {"num_workers": self.num_workers, "pin_memory": self.pin_memory}
        if self.num_workers:
            options |= {"prefetch_factor": self.prefetch, "persistent_workers": self.persistent_workers}
            options["worker_timeout"] = self.worker_timeout
        consumed = functools.partial(finished_batches, self.trainer) if training and self.trainer else None
        rows = ParquetRows(index, self._decoder(split), layout)
        loader = BatchLoader(rows, counts=self.counts[split], consumed=consumed, **options)
        if training and len(loader) == 0:
            raise DataError(
                f"drop_last leaves nothing: {index.num_rows} training rows over {self.world_size} processes "
                f"do not fill a batch of {self.batch_size}. Use a smaller batch_size, or drop_last=false."
            )
        return loader

    def train_dataloader(self) -> BatchLoader:
        """Return the loader of the training rows; of the epoch's day in a run whose epochs are days."""
        today = self._day(0)
        self._train_loader = loader = self.loader("train") if today is None else self._loader("train", today)
        # a learning-rate schedule asks for the length before Lightning knows which epoch a run continues in
        if self._train_state is not None and (today is None or self._train_state["epoch"] == self._epoch):
            loader.load_state_dict(self._train_state)
            self._train_state = None
        return loader

    def val_dataloader(self) -> BatchLoader | list[BatchLoader]:
        """Return the loader of the validation rows, or of the day that is trained on next; none without such rows."""
        tomorrow = self._day(1)
        if tomorrow is not None:
            return self._loader("validate", tomorrow)
        return self.loader("validate") if self.has("validate") else []

    def test_dataloader(self) -> BatchLoader:
        """Return the loader of the test rows."""
        return self.loader("test")

    def predict_dataloader(self) -> BatchLoader:
        """Return the loader of the rows to score."""
        return self.loader("predict")

    def scan(
        self, split: Split, columns: Sequence[str] | None = None, *, sequences: Sequence[str] = ()
    ) -> Iterator[Batch]:
        """Yield all rows of a split in stored order, on every process, reading only what is asked for.

        Raises:
            DataError: For a feature or a sequence that the schema does not have.
        """
        for asked, known in ((columns or (), self.schema.features), (sequences, self.schema.sequences)):
            for name in asked:
                if name not in known:
                    raise DataError(unknown("The schema has no", name, known, allowed="Known"))
        index = self.index(split)
        decoder = self._decoder(split, columns, sequences)
        reader = RowReader(index, decoder, threads=True)
        for number, group in enumerate(index.groups):
            for chunk in reader.read(number, 0, group.num_rows):
                yield chunk.batch(np.arange(chunk.num_rows))[0]

    def id_columns(self, split: Split, rows: Tensor | Array) -> pa.Table:
        """Return the schema's id columns, strings included, for samples at the positions ``Batch.row``."""
        if split not in self._id_readers:
            self._id_readers[split] = IdReader(self.index(split), self._decoder(split))
        return self._id_readers[split].read(np.asarray(rows))

    def report(self) -> str:
        """Return what policies handled in the last pass over each split in this process."""
        counted = with_skipped({split: counts.as_dict() for split, counts in self.counts.items()}, self._skipped())
        return "\n".join(
            f"{split}: {line}" for split, counts in counted.items() for line in counts.report().splitlines()
        )

    def teardown(self, stage: str) -> None:
        """Warn once, from rank zero, about all that policies handled in the last pass on all processes."""
        total = with_skipped(counted_together(self.counts, self.world_size), self._skipped())
        parted = {split: counts.parted() for split, counts in total.items()}
        for split, (ordinary, _) in parted.items():
            if ordinary:
                rank_zero_info(f"{split} data read as missing or unknown: {ordinary.summary()}")
        lines = [f"{split}: {line}" for split, (_, odd) in parted.items() for line in odd.report().splitlines()]
        if lines:
            rank_zero_warn("\n".join(["Values that a data policy handled, in the last pass over each split:", *lines]))
        for counts in self.counts.values():
            counts.reset()

    def _skipped(self) -> dict[str, dict[Handled, int]]:
        return {split: index.skipped for split, index in self._indices.items()}

    def _decoder(
        self, split: Split, features: Sequence[str] | None = None, sequences: Sequence[str] | None = None
    ) -> Decoder:
        return Decoder(
            self.schema, self.policies, features=features, sequences=sequences, need_labels=split != "predict"
        )

    @property
    def _epoch(self) -> int:
        return min(self.trainer.current_epoch if self.trainer else 0, max(0, len(self.days) - 1))

    def _day(self, ahead: int) -> SplitIndex | None:
        """Return the rows of the epoch's day, or of a later one; None behind the last, and where epochs are no days."""
        fits = self.trainer is not None and self.trainer.state.fn == "fit"
        later = self.days[self._epoch + ahead :] if fits else []
        return later[0].index if later else None

    def _files(self, split: Split) -> tuple[list[str], TimeSpan | None]:
        """Return the files of a split, and the span of time that is its own in them."""
        paths, span = self.paths[split] or (self.paths["test"] if split == "predict" else None), None
        if self.path and not self.paths[split]:
            paths, span = self.path, span_of("test" if split == "predict" else split, self.schema)
        assert paths is not None
        return find_files(paths, split if self.paths.get(split) else "path"), span

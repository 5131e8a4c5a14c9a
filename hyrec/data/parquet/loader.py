"""The data loader: batches in the order of an epoch, made in workers or not; training resumes where it stopped."""

from __future__ import annotations

import dataclasses
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, SequentialSampler, get_worker_info

from hyrec.batch import Batch
from hyrec.data.packing import Array
from hyrec.data.parquet.chunk import Chunk
from hyrec.data.parquet.decode import Decoder
from hyrec.data.parquet.epoch_order import EpochOrder, Layout
from hyrec.data.parquet.parcel import pack, unpack
from hyrec.data.parquet.policy import DataError, Handled, PolicyCounts
from hyrec.data.parquet.reader import RowReader
from hyrec.data.parquet.source import SplitIndex
from hyrec.data.parquet.workers import begin, in_time

Task = tuple[int, int, int, int]
"""(epoch, streams, first batch, one past the last batch); the batches are of one window."""


class ParquetRows(Dataset[Any]):
    """Rows of one split; an item is the batches of a :data:`Task`, each with what a policy handled in it.

    Args:
        index: The split.
        decoder: What to read of each row.
        layout: What decides the order of the rows.
    """

    def __init__(self, index: SplitIndex, decoder: Decoder, layout: Layout) -> None:
        self.index, self.decoder, self.layout = index, decoder, layout
        self.sizes = np.array([group.num_rows for group in index.groups], np.int64)
        self._order: EpochOrder | None = None
        self._pid = os.getpid()
        self._reader: RowReader | None = None
        self._window: tuple[Any, Chunk, Array | None] | None = None

    def __len__(self) -> int:
        return self.index.num_rows

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None, "_window": None, "_order": None}

    def order(self, epoch: int, streams: int) -> EpochOrder:
        """Return the order of an epoch."""
        order = self._order
        if order is None or (order.epoch, order.layout.streams) != (epoch, streams):
            layout = dataclasses.replace(self.layout, streams=streams)
            order = self._order = EpochOrder(self.sizes, layout, epoch)
        return order

    def __getitem__(self, task: Task) -> Iterator[Any] | list[Any]:
        """Return the batches, packed for transport if this is a worker process."""
        if get_worker_info() is None:
            return self._batches(task)
        return [(pack(batch), counts) for batch, counts in self._batches(task)]

    def _batches(self, task: Task) -> Iterator[tuple[Batch, dict[Handled, int]]]:
        epoch, streams, start, stop = task
        order = self.order(epoch, streams)
        chunk, shuffled = self._decoded(order, start)
        for batch in range(start, stop):
            rows = order.rows_of(batch)
            yield chunk.batch(np.arange(rows.start, rows.stop) if shuffled is None else shuffled[rows])

    def _decoded(self, order: EpochOrder, batch: int) -> tuple[Chunk, Array | None]:
        """Return the decoded window of a batch, and the order of its rows."""
        if self._pid != os.getpid():  # a forked process must not share open files
            self._pid, self._reader, self._window = os.getpid(), None, None
        key = (order.epoch, order.layout.streams, order.window_number(batch))
        if self._window is None or self._window[0] != key:
            self._window = None
            if self._reader is None:
                self._reader = RowReader(self.index, self.decoder, threads=get_worker_info() is None)
            window = order.window_of(batch)
            reader = self._reader
            parts = (c for p in window.pieces for c in reader.read(p.group, p.start, p.stop))
            self._window = (key, Chunk.concatenate(parts), window.order)
        return self._window[1:]


class EpochSampler(DistributedSampler[Any], SequentialSampler):
    """Yields the tasks of an epoch; Lightning sets the epoch, and leaves the order alone.

    Lightning replaces a sampler under DDP unless it is a ``DistributedSampler``, and when it overfits unless
    it is a ``SequentialSampler``. The order of an epoch shards rows too, so this is both.

    Args:
        dataset: The rows.
    """

    def __init__(self, dataset: ParquetRows) -> None:
        layout = dataset.layout
        DistributedSampler.__init__(self, dataset, num_replicas=layout.world_size, rank=layout.rank)
        self.data_source = self.rows = dataset
        self.streams, self.start = layout.streams, 0

    @property
    def num_batches(self) -> int:
        """Batches of an epoch on this rank."""
        return self.rows.order(self.epoch, self.streams).num_batches

    @property
    def batches_per_task(self) -> int:
        """Batches that are made together: those of a window if rows keep their order, else one."""
        layout = self.rows.order(self.epoch, self.streams).layout  # of a continued epoch that of its first workers
        return 1 if layout.shuffle else layout.batches_per_window

    def __iter__(self) -> Iterator[Any]:
        step, total, start = self.batches_per_task, self.num_batches, self.start
        epoch, streams = self.epoch, self.streams
        while start < total:
            stop = min(total, (start // step + 1) * step)
            yield epoch, streams, start, stop
            start = stop

    def __len__(self) -> int:
        return -(-self.num_batches // self.batches_per_task)


class BatchLoader(DataLoader[Any]):
    """Loads batches of one split.

    An iteration starts when its first batch is asked for, so the epoch may be set until then. ``state_dict``
    counts the batches that were delivered; after ``load_state_dict`` the epoch continues behind them.

    Args:
        dataset: The rows.
        sampler: The tasks of an epoch.
        counts: Where to count what policies handled in delivered batches.
        consumed: Returns how many batches of the epoch the training loop has finished. A batch that was
            delivered but not finished (an exception in its step) is then delivered again on resuming.
        worker_timeout: Seconds to wait for a worker's batch; 0: without end.
        **options: Options of ``torch.utils.data.DataLoader``, but for those that concern the order.
    """

    sampler: EpochSampler

    def __init__(
        self,
        dataset: ParquetRows,
        sampler: EpochSampler | None = None,
        counts: PolicyCounts | None = None,
        consumed: Callable[[], int] | None = None,
        worker_timeout: float = 0,
        **options: Any,
    ) -> None:
        self.counts, self.consumed, self.worker_timeout = counts, consumed, worker_timeout
        self._epoch, self._delivered = 0, 0
        self._resume: dict[str, Any] | None = None
        options.update(batch_size=None, batch_sampler=None, shuffle=None, collate_fn=_as_it_is, drop_last=False)
        options.setdefault("worker_init_fn", begin)
        super().__init__(dataset, sampler=sampler or EpochSampler(dataset), **options)

    def __len__(self) -> int:
        return self.sampler.num_batches

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        state = self._pending()
        self.sampler.streams = state["streams"] if state else self.sampler.rows.layout.streams
        self.sampler.start = self._delivered = state["batch"] if state else 0
        self._epoch = self.sampler.epoch
        pin = self.pin_memory and torch.cuda.is_available()
        if self.counts is not None:
            self.counts.reset()
        for items in in_time(super().__iter__(), self.worker_timeout):
            for parcel, handled in items:
                if pin and isinstance(parcel, Batch):
                    parcel = pack(parcel).pin_memory()
                self._resume = None
                self._delivered += 1
                if self.counts is not None:
                    self.counts.add(handled)
                yield parcel if isinstance(parcel, Batch) else unpack(parcel)

    def _pending(self) -> dict[str, Any] | None:
        """Return the state to continue from, if it concerns the current epoch."""
        return self._resume if self._resume is not None and self._resume["epoch"] == self.sampler.epoch else None

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch, the batches delivered in it, and what the order depends on."""
        if state := self._pending():
            return dict(state)
        delivered = self._delivered if self._epoch == self.sampler.epoch else 0
        if self.consumed is not None:
            delivered = min(delivered, self.consumed())
        order = {"streams": self.sampler.streams, "batches": len(self), **self._order(self.sampler.streams)}
        return {"epoch": self.sampler.epoch, "batch": delivered, **order}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue behind the batches of a saved state.

        Raises:
            DataError: If the state stopped inside an epoch whose rows had another order.
        """
        if missing := [key for key in ("epoch", "batch", "batches", "streams") if key not in state]:
            raise DataError(f"The checkpoint does not say where the training rows stopped: it has no {missing[0]!r}.")
        mine = self._order(state["streams"])
        differ = [key for key in mine if state.get(key) != mine[key]]
        if differ and 0 < state["batch"] < state["batches"]:
            changes = ", ".join(f"{key} was {state.get(key)} and is {mine[key]}" for key in differ)
            raise DataError(
                f"The checkpoint stopped after batch {state['batch']} of {state['batches']}, and that epoch "
                f"cannot be continued exactly: {changes}. Restore the former value, or start from an "
                "end-of-epoch checkpoint."
            )
        self.sampler.set_epoch(state["epoch"])
        finished = {**state, "batch": len(self), "streams": self.sampler.rows.layout.streams}
        # an epoch that was finished in another order is not begun again
        self._resume = dict(state) if not differ else finished if state["batch"] else None

    def _order(self, streams: int) -> dict[str, Any]:
        """Return what the order of rows depends on, besides the epoch and the number of streams."""
        layout = dataclasses.replace(self.sampler.rows.layout, streams=streams)
        order = dataclasses.asdict(layout) | {"window": layout.window_rows}
        for name in ("rank", "streams", "memory_rows"):
            del order[name]
        return {**order, "rows": zlib.crc32(self.sampler.rows.sizes.tobytes())}


def _as_it_is(items: Any) -> Any:
    return items


def finished_batches(trainer: Any) -> int:
    """Return the batches of the current epoch whose training step is done."""
    return int(trainer.fit_loop.epoch_loop.batch_progress.current.processed)

"""Which rows each rank, worker and batch reads, and in which order: arithmetic only, nothing is read here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyrec.data.packing import Array, to_offsets


@dataclass(frozen=True)
class Layout:
    """What decides the order of rows besides the epoch.

    Args:
        batch_size: Stored rows of a batch.
        rank: Number of this process.
        world_size: Number of processes.
        streams: Workers of this process that read side by side (1 without workers).
        shuffle: Whether the order is random.
        window: Most rows that are shuffled together, and held in memory, by a worker.
        memory_rows: Most rows that the windows of all workers of this process may hold. None: any number.
        seed: Of the order.
        drop_last: Whether to leave out rows that do not fill a batch on every rank.
    """

    batch_size: int
    rank: int = 0
    world_size: int = 1
    streams: int = 1
    shuffle: bool = False
    window: int = 65536
    seed: int = 0
    drop_last: bool = False
    memory_rows: int | None = None

    @property
    def window_rows(self) -> int:
        """Rows of a full window; a window has a batch at least."""
        return self.window if self.memory_rows is None else min(self.window, self.memory_rows // self.streams)

    @property
    def batches_per_window(self) -> int:
        """Batches of a full window."""
        return max(1, self.window_rows // self.batch_size)


@dataclass(frozen=True)
class Piece:
    """Rows ``start:stop`` of a row group."""

    group: int
    start: int
    stop: int


@dataclass(frozen=True)
class Window:
    """Rows that are decoded together.

    Args:
        pieces: The rows, as they are stored.
        order: Their order in the batches. None: as they are stored.
    """

    pieces: list[Piece]
    order: Array | None


class EpochOrder:
    """The order of one epoch on one rank.

    The row groups of all files are put into an order (random when shuffled, else file order) and laid end to
    end. Each rank takes a contiguous share; shares differ by one row at most, and every rank has the same
    number of batches. Shuffled, the batches of a rank go to its streams in turn; each stream takes a
    contiguous part of the share, cuts it into windows, and shuffles the rows of each window. The rows of batch
    k follow without those of its predecessors.

    Args:
        sizes: Rows of each row group.
        layout: What decides the order besides the epoch.
        epoch: Number of the epoch.
    """

    def __init__(self, sizes: Sequence[int] | Array, layout: Layout, epoch: int = 0) -> None:
        self.layout, self.epoch = layout, epoch
        sizes = np.asarray(sizes, np.int64)
        self.groups = np.arange(len(sizes))
        if layout.shuffle:
            self.groups = np.random.default_rng([layout.seed, epoch]).permutation(len(sizes))
        self._group_starts = to_offsets(sizes[self.groups])
        rows = int(sizes.sum())
        share, extra = divmod(rows, layout.world_size)
        self.num_rows = share + (layout.rank < extra)
        self._share_start = layout.rank * share + min(layout.rank, extra)
        batches = batch_sizes(self.num_rows, share, share + (extra > 0), layout)
        self.num_batches = len(batches)
        self.num_rows = int(batches.sum())
        streams = max(1, min(layout.streams, self.num_batches)) if layout.shuffle else 1
        self._streams = [to_offsets(batches[s::streams]) for s in range(streams)]
        self._stream_starts = to_offsets(np.array([s[-1] for s in self._streams]))

    def window_number(self, batch: int) -> tuple[int, int]:
        """Return the stream of a batch, and the number of its window in the stream."""
        position, stream = divmod(batch, len(self._streams))
        return stream, position // self.layout.batches_per_window

    def window_of(self, batch: int) -> Window:
        """Return the window that a batch comes from."""
        stream, number = self.window_number(batch)
        bounds = self._bounds(stream, number)
        order = None
        if self.layout.shuffle:
            seed = [self.layout.seed, self.epoch, self.layout.rank, self.layout.world_size]
            seed += [len(self._streams), stream, number]
            order = np.random.default_rng(seed).permutation(int(bounds[-1] - bounds[0]))
        start = self._share_start + int(self._stream_starts[stream])
        return Window(self._pieces(start + int(bounds[0]), start + int(bounds[-1])), order)

    def rows_of(self, batch: int) -> slice:
        """Return where a batch lies in its window, in the window's order."""
        stream, number = self.window_number(batch)
        bounds = self._bounds(stream, number)
        inside = batch // len(self._streams) - number * self.layout.batches_per_window
        return slice(int(bounds[inside] - bounds[0]), int(bounds[inside + 1] - bounds[0]))

    def _bounds(self, stream: int, number: int) -> Array:
        """Return where the batches of a window start and end in their stream."""
        size = self.layout.batches_per_window
        return self._streams[stream][number * size : (number + 1) * size + 1]

    def _pieces(self, start: int, stop: int) -> list[Piece]:
        """Return the rows ``start:stop`` of all row groups laid end to end."""
        first = int(np.searchsorted(self._group_starts, start, side="right")) - 1
        pieces = []
        while start < stop:
            begin, end = int(self._group_starts[first]), min(stop, int(self._group_starts[first + 1]))
            if end > start:
                pieces.append(Piece(int(self.groups[first]), start - begin, end - begin))
            start, first = end, first + 1
        return pieces


def batch_sizes(num_rows: int, fewest: int, most: int, layout: Layout) -> Array:
    """Return the rows of each batch of a rank that has ``num_rows``.

    All batches are full but the last. Where another rank needs one batch more, one row of the last full batch
    makes up the last; with batches of a single row, one rank's last batch has two rows instead.

    Args:
        num_rows: Rows of this rank.
        fewest: Rows of the rank that has fewest.
        most: Rows of the rank that has most, ``fewest`` or one more.
        layout: Batch size and ``drop_last``.
    """
    size = layout.batch_size
    if layout.drop_last:
        return np.full(fewest // size, size, np.int64)
    if fewest == 0:
        return np.full(num_rows, 1, np.int64)
    steps = min(-(-most // size), fewest)
    out = np.full(steps, size, np.int64)
    out[-1] = num_rows - (steps - 1) * size
    if out[-1] == 0:
        out[-2] -= 1
        out[-1] = 1
    return out

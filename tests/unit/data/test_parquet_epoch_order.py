"""Who reads which rows, in which order."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hyrec.data.parquet.epoch_order import EpochOrder, Layout, batch_sizes

SIZES = [5, 1, 7, 3, 4]


def rows_of(order: EpochOrder, batch: int) -> list[int]:
    """Return the global row numbers of one batch."""
    starts = np.cumsum([0, *SIZES])
    window = order.window_of(batch)
    stored = np.concatenate([np.arange(p.start, p.stop) + starts[p.group] for p in window.pieces])
    stored = stored if window.order is None else stored[window.order]
    return [int(row) for row in stored[order.rows_of(batch)]]


def epoch(layout: Layout, number: int = 0) -> list[list[int]]:
    order = EpochOrder(SIZES, layout, number)
    return [rows_of(order, batch) for batch in range(order.num_batches)]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("streams", [1, 2, 3])
@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 50])
def test_no_row_is_lost_or_doubled_and_processes_keep_step(
    batch_size: int, world: int, streams: int, shuffle: bool
) -> None:
    layout = Layout(batch_size, 0, world, streams, shuffle, window=5)
    of_rank = [epoch(dataclasses.replace(layout, rank=rank)) for rank in range(world)]
    assert len({len(batches) for batches in of_rank}) == 1
    assert sorted(row for batches in of_rank for batch in batches for row in batch) == list(range(sum(SIZES)))
    assert all(batch for batches in of_rank for batch in batches), "no batch is empty"
    longest = max(len(batch) for batches in of_rank for batch in batches)
    assert longest <= (batch_size if batch_size > 1 else 2)


def test_more_processes_than_rows_leaves_some_without_rows() -> None:
    layout = Layout(4, 0, 30)
    found = [epoch(dataclasses.replace(layout, rank=rank)) for rank in range(30)]
    assert sorted(row for batches in found for batch in batches for row in batch) == list(range(sum(SIZES)))


def test_without_shuffle_rows_keep_the_order_of_the_files() -> None:
    rows = [row for rank in range(2) for batch in epoch(Layout(3, rank, 2, streams=3)) for row in batch]
    assert rows == list(range(sum(SIZES)))


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    layout = Layout(3, shuffle=True, window=8)
    assert epoch(layout, 1) == epoch(layout, 1)
    assert epoch(layout, 1) != epoch(layout, 2)
    assert epoch(layout, 1) != epoch(dataclasses.replace(layout, seed=1), 1)


def test_shuffling_moves_row_groups_and_rows() -> None:
    flat = [row for batch in epoch(Layout(3, shuffle=True, window=6)) for row in batch]
    first_window = set(flat[:6])
    assert flat != sorted(flat)
    assert first_window != set(range(6)), "the first window must not always hold the first rows"
    assert flat[:6] != sorted(flat[:6])


def test_drop_last_gives_full_batches_on_every_process() -> None:
    of_rank = [epoch(Layout(4, rank, 3, shuffle=True, drop_last=True)) for rank in range(3)]
    assert [[len(b) for b in batches] for batches in of_rank] == [[4], [4], [4]]


def test_batch_sizes_are_full_but_for_the_last() -> None:
    layout = Layout(4)
    assert batch_sizes(10, 10, 10, layout).tolist() == [4, 4, 2]
    assert batch_sizes(8, 8, 9, layout).tolist() == [4, 3, 1]
    assert batch_sizes(9, 8, 9, layout).tolist() == [4, 4, 1]

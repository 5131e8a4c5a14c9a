"""Data workers that are stopped, or told to end by a scheduler that tells all processes."""

import multiprocessing
import os
import signal
import socket
import stat
import time
from pathlib import Path

import pytest
from torch.utils.data import DataLoader, get_worker_info

from hyrec.data.parquet.policy import DataError
from hyrec.data.parquet.workers import begin, in_time


class Signalled:
    """Rows whose worker sends itself a signal at the second of them."""

    def __init__(self, number):
        self.number = number

    def __len__(self):
        return 6

    def __getitem__(self, row):
        if row == 2 and get_worker_info() is not None:
            os.kill(os.getpid(), self.number)
        return row


def loader_of(number, **options):
    return DataLoader(
        Signalled(number), batch_size=None, num_workers=2, prefetch_factor=1, worker_init_fn=begin, **options
    )


def rows_of(number, limit):
    return [int(row) for row in in_time(iter(loader_of(number)), limit)]


def waiting_workers():
    """Return a loader that has been read and keeps its workers, and the numbers of their processes."""
    loader = loader_of(0, persistent_workers=True)
    iterator = iter(loader)
    list(in_time(iterator, 60))
    return loader, [worker.pid for worker in iterator._workers]


def end_while_workers_are_stopped():
    _loader, workers = waiting_workers()
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)


def test_a_worker_that_is_stopped_ends_the_run_with_its_reason_and_not_the_wait():
    started = time.monotonic()
    with pytest.raises(DataError, match="did not hand over a batch in 1 seconds"):
        rows_of(signal.SIGSTOP, 1)
    assert time.monotonic() - started < 60


def test_stopped_workers_of_another_loader_go_on_when_the_run_ends_for_one_that_is_late():
    other, workers = waiting_workers()
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    with pytest.raises(DataError, match="did not hand over"):
        rows_of(signal.SIGSTOP, 1)
    states = [Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] for worker in workers]
    assert "T" not in states
    assert len(list(other)) == 6


@pytest.mark.slow
def test_a_process_ends_although_data_workers_are_stopped():
    process = multiprocessing.get_context("spawn").Process(target=end_while_workers_are_stopped)
    process.start()
    process.join(180)
    ended = process.exitcode
    process.kill()
    assert ended == 0


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_a_signal_to_all_processes_does_not_end_the_workers(name):
    assert rows_of(getattr(signal, name), 60) == list(range(6))


class Sockets:
    """Rows that say whether files of their process are sockets."""

    def __init__(self, *files):
        self.files = files

    def __len__(self):
        return len(self.files)

    def __getitem__(self, row):
        return stat.S_ISSOCK(os.fstat(self.files[row]).st_mode)


def test_a_worker_lets_go_of_the_connections_of_its_parent_and_of_nothing_else():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        ours, theirs = socket.socketpair()
        rows = Sockets(server.fileno(), client.fileno(), ours.fileno())
        loader = DataLoader(rows, batch_size=None, num_workers=1, worker_init_fn=begin)
        assert list(loader) == [False, False, True]
        ours.close()
        theirs.close()
        accepted, _ = server.accept()
        client.sendall(b"still connected")
        assert accepted.recv(99) == b"still connected"
        accepted.close()


def test_a_loader_without_workers_is_handed_on_as_it_is():
    assert list(in_time(iter([1, 2]), 1)) == [1, 2]

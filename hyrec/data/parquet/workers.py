"""Data workers that are told to end, or do not answer."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import stat
import threading
import time
import weakref
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from typing import Any

from hyrec.data.parquet.policy import DataError

_GRACE = 120  # seconds that a worker goes on after it was asked to end
_LOOK = 0.5  # seconds between two looks at the clock
_ALL: weakref.WeakSet[BaseProcess] = weakref.WeakSet()
"""The workers of every loader of this process."""


def begin(worker: int) -> None:
    """Make a process that was forked a data worker, which has no part in what its parent does besides."""
    leave_signals(worker)
    _leave_connections()


def _leave_connections() -> None:
    """Let go of the parent's connections: the other processes of a run learn of its end when the last copy closes."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in [int(name) for name in os.listdir("/dev/fd")]:
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as copy:
                    if copy.family in (socket.AF_INET, socket.AF_INET6):
                        os.dup2(nothing, number)  # the number stays taken: whoever believes to own it may close it
    os.close(nothing)


def leave_signals(worker: int) -> None:
    """Leave to the main process what a terminal or a scheduler sends to all: it needs batches to end its step."""
    for name in ("SIGINT", "SIGHUP", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(_GRACE))


@functools.cache
def _end_with_the_process() -> None:
    """Let no worker outlive this process: Python would ask them to end, and wait for one that is stopped."""

    def end() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # PyTorch takes their end for a failure
        for worker in _ALL:
            worker.kill()

    Finalize(None, end, exitpriority=0)


def _wake(workers: list[BaseProcess]) -> None:
    """Let workers go on that were stopped, so that they end when their loader does."""
    for worker in workers:
        if worker.pid is not None and worker.is_alive():
            os.kill(worker.pid, signal.SIGCONT)


def in_time(iterator: Iterator[Any], limit: float) -> Iterator[Any]:
    """Yield what the workers of a data loader make; end them when one item takes too long.

    The loader's own timeout does not cover the hand-over: a worker that was stopped after it announced a batch is
    waited for without end.

    Args:
        iterator: The loader's iterator; one without workers is never ended.
        limit: Seconds for an item; 0: no limit.

    Raises:
        DataError: When the limit is reached.
    """
    workers = getattr(iterator, "_workers", [])
    if workers:
        _ALL.update(workers)
        _end_with_the_process()
    if not workers or not limit:
        yield from iterator
        return
    waiting_since: float | None = None
    late, done = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK):
            if waiting_since is not None and time.monotonic() - waiting_since > limit:
                late.set()
                for worker in workers:
                    worker.kill()  # a stopped process heeds nothing else; its end wakes the one who waits
                _wake([worker for worker in _ALL if worker not in workers])
                return

    threading.Thread(target=watch, daemon=True, name="data workers").start()
    try:
        while True:
            waiting_since = time.monotonic()
            try:
                item = next(iterator)
            except StopIteration:
                return
            waiting_since = None
            yield item
    except Exception as error:
        if not late.is_set():
            raise
        raise DataError(
            f"A data worker did not hand over a batch in {limit:g} seconds: it was stopped, storage hangs, or "
            "descriptors or /dev/shm ran out. data.worker_timeout says how long to wait; --data.num_workers 0 reads "
            "in the main process."
        ) from error
    finally:
        done.set()

"""What footers say of columns, asked in a child process: of some damaged footers Arrow ends the process that asks."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import warnings
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection

from hyrec.data.parquet.columns import Column
from hyrec.data.parquet.file import DataFile, Facts
from hyrec.data.parquet.policy import DataError

with contextlib.suppress(ImportError):
    import resource

_SECONDS = 120
"""After which a file's footer is given up."""


def footers(
    files: Sequence[str], columns: Sequence[Column], asked: Sequence[str]
) -> Generator[dict[str, list[Facts]], None, None]:
    """Yield of each file what its footer says of the columns asked for, by name and row group.

    Where that cannot be known (a damaged footer, a system that has no ``fork``) it yields nothing of a file, whose
    columns then have to be read. All processes of a run get the same answers.

    Raises:
        DataError: When there is no answer for a long time.
    """
    if asked and hasattr(os, "fork"):
        yield from _of_child(files, columns, asked)
    while True:
        yield {}


def _of_child(
    files: Sequence[str], columns: Sequence[Column], asked: Sequence[str]
) -> Generator[dict[str, list[Facts]], None, None]:
    receiving, sending = multiprocessing.Pipe(duplex=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which the child does not use
        child = os.fork()
    if not child:
        _tell(files, columns, asked, sending)
    sending.close()
    try:
        for path in files:
            if not receiving.poll(_SECONDS):
                raise DataError(f"{path}: its footer was not read within {_SECONDS} s. Write or copy it again.")
            yield receiving.recv()
    except EOFError:
        return
    finally:
        receiving.close()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _tell(files: Sequence[str], columns: Sequence[Column], asked: Sequence[str], sending: Connection) -> None:
    """Be the child: send what is asked, and end without cleaning up after the parent."""
    try:
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        for path in files:
            sending.send(_facts(path, columns, asked))
    finally:
        os._exit(0)


def _facts(path: str, columns: Sequence[Column], asked: Sequence[str]) -> dict[str, list[Facts]]:
    try:
        file = DataFile(path, columns)
        return {name: [file.facts(group, name) for group in range(len(file.group_rows))] for name in asked}
    except (DataError, KeyError, ValueError):
        return {}

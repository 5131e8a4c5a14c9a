"""What footers say of columns, asked in a child process: of some damaged footers Arrow ends the process that asks."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import warnings
from collections.abc import Generator, Mapping, Sequence
from multiprocessing.connection import Connection

from hyrec.data.parquet.columns import Column
from hyrec.data.parquet.file import READ_ROWS, DataFile, Facts
from hyrec.data.parquet.policy import DataError

with contextlib.suppress(ImportError):
    import resource

_SECONDS = 120
"""After which a file's footer is given up."""
_LEAST_BYTES = 4
"""What a value takes in memory at least."""


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
        receiving.close()
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
        groups = range(len(file.group_rows))
        known = [name for name in asked if name in file.fields.names and name not in file.events]
        return {name: [file.facts(group, name) for group in groups] for name in known}
    except (DataError, ValueError):
        return {}


def check_memory(where: str, num_rows: int, facts: Mapping[str, Facts], memory: int = 0) -> None:
    """Refuse lists of which the rows that are read together take more than the memory.

    Args:
        where: File and row group, for the message.
        num_rows: Rows of the row group.
        facts: What the footer says of its columns.
        memory: Bytes. 0: what the machine has.

    Raises:
        DataError: With the column.
    """
    memory = memory or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name, known in facts.items():
        values = known.num_values * min(1.0, READ_ROWS / num_rows)
        if not 0 <= values * _LEAST_BYTES < memory:
            raise DataError(
                f"{where}, column {name!r}: its footer says {known.num_values:,} values in {num_rows:,} rows, more "
                f"than {memory / 2**30:,.0f} GiB of memory hold. It is damaged, or its lists have to be cut before."
            )

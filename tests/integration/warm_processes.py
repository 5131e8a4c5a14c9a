"""Runs ``hyrec`` in processes of its own that need not import torch first, which takes longer than most commands.

One process imports what the commands need and does nothing else; every command is a fork of it. What a command can
do to a process, or a process to it, is the same as for ``python -m hyrec``: signals, exit codes, limits, threads and
children. Two things are not, and tests of them start Python anew: what time and memory the start takes, and the order
of sets of strings, which all forks share.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, TimeoutError
from pathlib import Path
from typing import NamedTuple


class WarmProcesses:
    """Starts commands; used as a context, at whose end the process that they are forked from is gone.

    Args:
        python: The interpreter, whose ``hyrec`` it is.
        variables: Its environment.
    """

    def __init__(self, python: str | Path, variables: Mapping[str, str]) -> None:
        self._command, self._variables = [str(python), __file__], {**variables, "OMP_NUM_THREADS": "1"}

    def __enter__(self) -> WarmProcesses:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._server = subprocess.Popen(self._command, env=self._variables, **pipes)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate(timeout=30)

    def hyrec(
        self,
        *arguments: str,
        cwd: Path,
        environment: Mapping[str, str],
        seconds: int = 300,
        file_bytes: int | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run ``hyrec`` and wait, as ``subprocess.run`` does, until also what it has started is done with writing.

        Args:
            arguments: What follows ``hyrec``.
            cwd: Folder to run it in.
            environment: Its variables, all of them.
            seconds: What it may take; so long may what it has started live on.
            file_bytes: How large its files may become.
        """
        with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor() as readers:
            streams = [Path(name) / stream for stream in ("stdout", "stderr")]
            for stream in streams:
                os.mkfifo(stream)
            printed = [readers.submit(stream.read_text) for stream in streams]
            asked = Request(arguments, str(cwd), dict(environment), [*map(str, streams)], seconds, file_bytes)
            print(json.dumps(asked), file=self._server.stdin, flush=True)
            process, code = map(int, self._server.stdout.readline().split())
            try:
                return subprocess.CompletedProcess(arguments, code, *(text.result(seconds) for text in printed))
            except TimeoutError:
                os.killpg(process, signal.SIGKILL)
                raise


class Request(NamedTuple):
    """A command, and what it gets."""

    arguments: Sequence[str]
    cwd: str
    environment: Mapping[str, str]
    streams: Sequence[str]
    seconds: int
    file_bytes: int | None


def serve() -> None:
    """Answer every request, a line each, with the id and exit code of its process; in such a process, return."""
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            return become(Request(*json.loads(line)))
        _, status = os.waitpid(process, 0)
        print(process, os.waitstatus_to_exitcode(status), flush=True)
    sys.exit()


def become(request: Request) -> None:
    """Make this process what ``python -m hyrec`` is at its start."""
    os.setpgid(0, 0)
    signal.alarm(request.seconds)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(request.streams, start=1):
        opened = os.open(path, os.O_WRONLY)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv, sys.path[0] = ["hyrec", *request.arguments], request.cwd
    if request.file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request.file_bytes, request.file_bytes))


if __name__ == "__main__":
    for needed in ("cli.run_command", "studies.run.study"):
        importlib.import_module(f"hyrec.{needed}")
    serve()
    runpy.run_module("hyrec", run_name="__main__", alter_sys=True)

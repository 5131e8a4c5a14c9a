"""What a study runs on: which hyrec this is, and the threads of a cell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import hyrec
from hyrec.files import digest


def source_commit(package: str | Path | None = None) -> str | None:
    """Return the commit of the checkout that hyrec runs from; None outside of one.

    After edits, ``-dirty-`` and a hash of them follow, so that two edited trees of one commit can be told apart.
    """
    folder = Path(hyrec.__file__).parent if package is None else Path(package)
    places = (".", "../configs")  # what decides a result

    def git(*arguments: str) -> bytes:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, check=True, timeout=30).stdout

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        commit = git("rev-parse", "HEAD").decode().strip()
        edits = git("diff", "HEAD", "--binary", "--", *places)
        new = git("ls-files", "--others", "--exclude-standard", "-z", "--", *places)
        for name in sorted(filter(None, new.split(b"\0"))):
            edits += name + (folder / name.decode()).read_bytes()
    except (OSError, ValueError, subprocess.SubprocessError):  # no git, or not a checkout of hyrec
        return None
    return f"{commit}-dirty-{digest(edits, size=4)}" if edits else commit


def threads_of_cell(jobs: int) -> int:
    """Return the share of the cores that one of several cells at once gets, at least one.

    Only cores that this process may use count: a scheduler or a container often grants fewer than the machine has.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)

"""What happens in a process of its own, which has loaded nothing before."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def loaded_by(module: str) -> set[str]:
    """Return the names of all modules that a new process has after it has imported one."""
    return set(_printed("loaded_modules", module).split())


def heavy_packages_of(*arguments: str) -> set[str]:
    """Return which heavy packages a command of hyrec imports in a new process."""
    return set(ast.literal_eval(_printed("heavy_imports", *arguments).rpartition("HEAVY ")[2].strip()))


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for what another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def _printed(program: str, *arguments: str) -> str:
    command = [sys.executable, "-m", f"tests.local_code.{program}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False).stdout

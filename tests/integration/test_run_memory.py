"""A run over histories of many lengths holds no more memory than its first steps did."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
LOG = ROOT / "tests" / "local_code" / "memory_log.py"
WARM, STEPS = 40, 240

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists() or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="needs what Linux and glibc tell of a process",
)


def grown(folder: Path, precision: str) -> tuple[float, float]:
    """Return by how many MiB resident and allocated memory grew between two steps of a run in a process of its own.

    What another process has set for the caches of kernels is not what is tested.
    """
    env = {name: value for name, value in os.environ.items() if not name.endswith("CACHE_CAPACITY")}
    options = {
        "trainer.precision": precision,
        "trainer.max_epochs": "99",
        "trainer.max_steps": str(STEPS),
        "trainer.limit_val_batches": "0",
        "trainer.default_root_dir": str(folder),
        "trainer.callbacks+": "MemoryLog",
        "trainer.callbacks.path": str(folder / "memory"),
        "test_after_fit": "false",
    }
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "hyrec", "fit", "--config", str(ROOT / "configs" / "debug.yaml")]
    subprocess.run([*command, "--plugin", str(LOG), *given], check=True, cwd=ROOT, env=env | {"OMP_NUM_THREADS": "1"})
    log = np.loadtxt(folder / "memory")
    first, last = (log[log[:, 0] == step][0, 1:] for step in (WARM, STEPS))
    return tuple(last - first)


def test_products_of_ever_new_shapes_leave_no_memory_behind(tmp_path):
    resident, _ = grown(tmp_path, "bf16-mixed")
    assert resident < 32  # it was 120, and 790 since the first step


def test_activations_of_ever_new_shapes_leave_no_memory_behind(tmp_path):
    _, allocated = grown(tmp_path, "32-true")
    assert allocated < 3  # it was 8

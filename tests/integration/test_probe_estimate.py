import os
import subprocess
import sys
import time

import pytest

from hyrec.studies.plan.timing import probe

OPTIONS = ["--config", "pkg:hyrec/debug.yaml", "--data.simulator.num_requests", "3000", "--trainer.max_epochs", "2"]


def test_a_probe_foresees_the_batches_and_roughly_the_time_of_a_run(tmp_path):
    variables = {**os.environ, "HYREC_CACHE": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    found = probe(OPTIONS, variables)
    started = time.perf_counter()
    command = [sys.executable, "-m", "hyrec", "fit", *OPTIONS, f"--trainer.default_root_dir={tmp_path / 'run'}"]
    subprocess.run(command, env=variables, check=True, capture_output=True)
    seconds = time.perf_counter() - started
    # Other processes may share the machine, so the bounds are wide; batches that are not multiplied fall out of them.
    assert found == pytest.approx(seconds, rel=0.6)

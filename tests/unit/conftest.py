import gc
import sys
from pathlib import Path

import pytest

from hyrec.plugins import discovery

SAMPLES = Path(__file__).parent / "plugins" / "samples"


@pytest.fixture
def forget(tmp_path):
    """Forget modules of the test's folder afterwards, and the classes that they added to slots."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    loaded = [n for n, module in sys.modules.items() if str(tmp_path) in str(getattr(module, "__file__", ""))]
    for name in loaded:
        del sys.modules[name]
    if loaded:
        gc.collect()  # classes that are gone must not be found among the subclasses of a slot


@pytest.fixture
def local_code(tmp_path, forget):
    """Return a function that copies a file of ``plugins/samples`` to a place of its own, and returns its path."""

    def copy(source, name):
        path = tmp_path / name
        path.write_text((SAMPLES / source).read_text())
        return str(path)

    return copy


@pytest.fixture
def install(tmp_path, monkeypatch, forget):
    """Return a function that installs a made-up distribution, a module and its metadata, for this test."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv(discovery.DISABLE, raising=False)
    discovery.load.cache_clear()

    def install(distribution, module, source, entry=None):
        """Write a module, of which ``source`` is the text or the name of a file in ``plugins/samples``."""
        text = (SAMPLES / source).read_text() if source.endswith(".py") else source
        (tmp_path / f"{module}.py").write_text(text)
        info = tmp_path / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[hyrec.plugins]\n{entry or module} = {module}\n")

    yield install
    discovery.load.cache_clear()

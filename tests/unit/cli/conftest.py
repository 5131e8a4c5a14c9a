import gc
import sys

import pytest

from hyrec.cli.main import main


@pytest.fixture
def mistake(capsys):
    """Run a command that must fail, and return what it told the user."""

    def run(*arguments):
        code = main(list(arguments))
        told = capsys.readouterr().err.strip()
        assert code == 2, told
        assert len(told.splitlines()) <= 5, told
        assert "Traceback" not in told
        return told

    return run


@pytest.fixture
def forget(tmp_path):
    """Forget modules of the test's folder afterwards, and the classes that they added to slots."""
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in str(getattr(module, "__file__", "")):
            del sys.modules[name]
    gc.collect()

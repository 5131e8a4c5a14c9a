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

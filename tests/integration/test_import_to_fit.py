"""From files in the formats of others to a model, as the printed commands say."""

from __future__ import annotations

import importlib.metadata
import shlex
import shutil
from pathlib import Path

import pytest

from hyrec.cli.main import main
from tests import unirank_files
from tests.fuxictr_files import write

FAST = [
    "--trainer.fast_dev_run=true",
    "--trainer.enable_progress_bar=false",
    "--model.d_model=16",
    "--data.batch_size=16",
]


def follow(capsys: pytest.CaptureFixture[str], *command: str) -> list[str]:
    """Run an import and the commands that it prints; return what they were."""
    assert main([*command]) == 0
    printed = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("hyrec ")]
    for line in printed:
        name, *arguments = shlex.split(line)[1:]
        assert main([name, *arguments, *(FAST if name == "fit" else [])]) == 0, line
    return [line.split()[1] for line in printed]


def test_a_data_set_of_fuxictr_is_imported_and_trained_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "raw")
    assert follow(capsys, "data", "import", "fuxictr", "raw", "--out", "data") == ["fit"]


def test_a_data_set_of_fuxictr_without_sequences_is_trained_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plain = [{"name": ["userid", "adgroup_id"], "type": "categorical"}, {"name": "price", "type": "numeric"}]
    write(tmp_path / "raw", feature_cols=plain)
    assert follow(capsys, "data", "import", "fuxictr", "raw", "--out", "data") == ["fit"]


def test_a_data_set_of_unirank_is_imported_and_trained_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    unirank_files.write(tmp_path / "raw")
    assert follow(capsys, "data", "import", "unirank", "raw", "--out", "data") == ["fit"]


def test_the_files_that_recbole_carries_are_imported_built_and_trained_on(tmp_path, monkeypatch, capsys):
    try:
        files = importlib.metadata.distribution("recbole").files or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("recbole, whose wheel carries ml-100k, is not installed")
    real = next(Path(str(file.locate())).parent for file in files if file.name == "ml-100k.inter")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    for end in ("user", "item"):
        shutil.copy(real / f"ml-100k.{end}", tmp_path / "raw")
    with open(real / "ml-100k.inter") as whole:
        (tmp_path / "raw" / "ml-100k.inter").write_text("".join(next(whole) for _ in range(3000)))
    assert follow(capsys, "data", "import", "recbole", "raw", "--out", "data") == ["data", "fit"]

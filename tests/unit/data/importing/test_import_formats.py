"""Formats: which there are, which a folder looks like, those of installed packages, and what is told."""

import pytest

from hyrec.cli.main import main
from hyrec.data.importing import FORMATS, import_data, known_formats
from hyrec.data.parquet.policy import DataError


def imported(tmp_path, *names):
    return main(["data", "import", *names, "--out", str(tmp_path / "out")])


def test_every_format_says_what_it_is_and_what_tells_it():
    assert all(known.text and known.signs and bool(known.importer) != bool(known.recipe) for known in FORMATS.values())


def test_an_unknown_format_is_told_the_nearest_one(tmp_path, capsys):
    assert imported(tmp_path, "recbol", str(tmp_path)) != 0
    assert "no importer of 'recbol'. Did you mean 'recbole'? Formats: taac, fuxictr" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sign", "looks_like"),
    [
        ("schema.json", "taac"),
        ("config/dataset_config.yaml", "fuxictr"),
        ("feature_map.json", "fuxictr"),
        ("meta_data.json", "unirank"),
        ("train/data/part-00000.parquet", "unirank"),
        ("ml-1m.inter", "recbole"),
        ("log_standard_4_08_to_4_21_pure.csv", "kuairand"),
    ],
)
def test_a_folder_of_another_format_is_told_which(tmp_path, sign, looks_like):
    (tmp_path / sign).parent.mkdir(exist_ok=True, parents=True)
    (tmp_path / sign).touch()
    asked = "recbole" if looks_like != "recbole" else "taac"
    with pytest.raises(
        DataError, match=f"not in the format {asked}.*looks like {looks_like}: hyrec data import"
    ) as error:
        import_data(asked, tmp_path, tmp_path / "out")
    assert sign in str(error.value)


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_folder_is_told_what_is_missing(tmp_path, name, capsys):
    assert imported(tmp_path, name, str(tmp_path)) != 0
    told = capsys.readouterr().err
    assert str(tmp_path) in told
    assert len(told.splitlines()) <= 5


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package with a format of its own."""
    info = tmp_path / "site" / "odd_logs-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-logs\nVersion: 1.0\n")
    points = "[hyrec.importers]\nodd = odd_logs:read\nbroken = odd_logs:absent\n"
    (info / "entry_points.txt").write_text(points)
    (tmp_path / "site" / "odd_logs.py").write_text(
        "from hyrec.data.importing import ImportedRows\n"
        "from hyrec.schema import Feature, Schema, Task\n\n\n"
        "def read(folder, out):\n"
        "    schema = Schema({'item': Feature(hash_size=10)}, {'click': Task()})\n"
        "    return ImportedRows(origin='odd', schema=schema, data={'train': 'a'}, mapped=[('item', 'id')])\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")


def test_an_installed_package_adds_a_format(package, tmp_path, capsys):
    (tmp_path / "raw").mkdir()
    assert imported(tmp_path, "odd", str(tmp_path / "raw")) == 0
    assert "hyrec fit --config pkg:hyrec/hyformer.yaml" in capsys.readouterr().out
    assert (tmp_path / "out" / "schema.yaml").is_file()


def test_a_format_that_cannot_be_loaded_is_told(package, tmp_path, capsys):
    (tmp_path / "raw").mkdir()
    assert imported(tmp_path, "broken", str(tmp_path / "raw")) != 0
    assert "odd_logs:absent cannot be imported" in capsys.readouterr().err


def test_a_package_can_be_switched_off(package, monkeypatch):
    assert "odd" in known_formats()
    monkeypatch.setenv("HYREC_DISABLE_PLUGINS", "odd-logs")
    assert "odd" not in known_formats()

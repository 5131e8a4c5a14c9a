from pathlib import Path

import pytest

import hyrec
from hyrec.plugins.catalogue import Catalogue
from hyrec.plugins.slot_table import SLOT_TABLE
from hyrec.plugins.source import declared_classes, missing_imports

OWN = declared_classes(sorted(Path(hyrec.__file__).parent.rglob("*.py")))


def declared(path, text):
    path.write_text(text)
    return {cls.name: cls.slot for cls in declared_classes([path])}


@pytest.mark.parametrize("slot", SLOT_TABLE)
def test_reading_sources_finds_the_classes_that_importing_finds(slot):
    read = {cls.name for cls in OWN if cls.slot == slot}
    assert {entry.name for entry in Catalogue.load().of_package("hyrec") if entry.slot == slot} <= read


def test_slots_follow_base_classes_inside_the_package(tmp_path):
    (tmp_path / "a.py").write_text("import hyrec.slots as s\nclass Base(s.TokenMixer): ...\n")
    (tmp_path / "b.py").write_text(
        "from a import Base\nclass Swap(Base):\n    tags: tuple = ('x', 'y')\nclass N: ...\n"
    )
    found = declared_classes(sorted(tmp_path.glob("*.py")))
    assert [(c.name, c.slot, c.tags) for c in found] == [("Base", "mixer", ()), ("Swap", "mixer", ("x", "y"))]
    assert missing_imports(tmp_path.glob("*.py"), "a") == []


@pytest.mark.parametrize(
    ("text", "slot"),
    [
        ("from hyrec.mixers import RankMixer\nclass Own(RankMixer): ...", "mixer"),
        ("from hyrec.mixers import RankMixer as Theirs\nclass RankMixer(Theirs): ...", "mixer"),
        ("import hyrec.encoders.longer\nclass Own(hyrec.encoders.longer.LongerEncoder): ...", "encoder"),
        ("from hyrec.metrics import StoredScoresMetric\nclass Own(StoredScoresMetric): ...", "metric"),
        ("from hyrec.metrics import GroupMeanMetric\nclass Own(GroupMeanMetric): ...", "metric"),
        ("from hyrec.data.parquet.data import ParquetData\nclass Own(ParquetData): ...", "data"),
        ("import lightning as L\nclass Own(L.Callback): ...", "callback"),
        ("from lightning.pytorch.callbacks import ModelCheckpoint as M\nclass Own(M): ...", "callback"),
    ],
)
def test_slots_follow_base_classes_into_hyrec_and_lightning(text, slot, tmp_path):
    assert list(declared(tmp_path / "a.py", text).values()) == [slot]


def test_classes_that_derive_from_one_another_fill_no_slot(tmp_path):
    assert declared(tmp_path / "a.py", "class A(B): ...\nclass B(A): ...\nclass C(C): ...") == {}

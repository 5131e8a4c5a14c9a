import ast
from pathlib import Path

import pytest
import yaml

from hyrec.cli.main import main
from hyrec.cli.plugins_new import KINDS, render
from hyrec.data.base import RankingData
from hyrec.slots import SLOTS


def test_every_slot_of_the_network_and_data_can_be_written():
    assert set(KINDS) == {*SLOTS, RankingData.slot}


@pytest.mark.parametrize("slot", KINDS)
def test_no_placeholder_is_left_and_all_files_parse(slot):
    files = render("hyrec-tiny", slot)
    for path, text in files.items():
        assert "$" not in text.replace("$HYREC_CACHE", ""), path
        if path.endswith(".py"):
            ast.parse(text)
    config = yaml.safe_load(files["hyrec_tiny/tiny.yaml"])
    named = config["data"] if slot == "data" else config["model"]["init_args"][slot]
    assert named["class_path"] == f"Tiny{KINDS[slot].suffix}"
    assert 'tiny = "hyrec_tiny"' in files["pyproject.toml"]
    assert {"README.md", f"hyrec_tiny/{slot}.py", "hyrec_tiny/__init__.py", "tests/test_tiny.py"} < set(files)


@pytest.mark.parametrize(
    ("name", "slot", "class_name"),
    [
        ("hyrec-gated", "mixer", "GatedMixer"),
        ("hyrec-gatedmixer", "mixer", "GatedMixer"),
        ("hyrec-gated-mixer", "mixer", "GatedMixer"),
        ("gated_pooling", "decoder", "GatedPoolingDecoder"),
        ("hyrec-field-tokenizer", "tokenizer", "FieldTokens"),
        ("focal2", "loss", "Focal2Loss"),
    ],
)
def test_the_class_is_named_after_the_package_and_the_slot(name, slot, class_name):
    files = render(name, slot)
    (module,) = [text for path, text in files.items() if path.endswith(f"/{slot}.py")]
    assert f"class {class_name}(" in module


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("My Plugin", "Did you mean 'my-plugin'?"),
        ("2fast", "Did you mean 'fast'?"),
        ("hyrec--x", "Did you mean 'hyrec-x'?"),
        ("json", "Did you mean 'hyrec-json'?"),
        ("class", "a name of Python itself"),
        ("torch", "installed package 'torch' already"),
        ("hyrec", "does not say which token mixer it brings"),
        ("hyrec-mixer", "does not say which token mixer it brings, as hyrec-gated does"),
        ("hyrec-identity", "hyrec has a 'IdentityMixer' already"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name, told, mistake, tmp_path):
    assert told in mistake("plugins", "new", name, "--slot", "mixer", "--dir", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(mistake, tmp_path, capsys):
    (tmp_path / "hyrec-gated").mkdir()
    told = mistake("plugins", "new", "hyrec-gated", "--slot", "mixer", "--dir", str(tmp_path))
    assert "exists already, and nothing is overwritten" in told
    assert list((tmp_path / "hyrec-gated").iterdir()) == []


def test_an_unknown_slot_gets_the_nearest(mistake):
    assert "Did you mean 'mixer'?" in mistake("plugins", "new", "hyrec-gated", "--slot", "mixr")


def test_without_a_slot_all_are_named(mistake):
    assert "Slots: tokenizer, queries, encoder" in mistake("plugins", "new", "hyrec-gated")


def test_a_folder_that_is_not_there_is_named(mistake, tmp_path):
    told = mistake("plugins", "new", "hyrec-gated", "--slot", "mixer", "--dir", str(tmp_path / "absent"))
    assert "is no folder" in told


def test_the_next_commands_are_printed(capsys, tmp_path):
    assert main(["plugins", "new", "hyrec-gated", "--slot", "mixer", "--dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert f"cd {tmp_path / 'hyrec-gated'}" in printed
    assert "hyrec fit --config pkg:hyrec_gated/gated.yaml" in printed
    written = {line.strip() for line in printed.split("\n\n")[0].splitlines()[1:]}
    found = {str(p.relative_to(tmp_path / "hyrec-gated")) for p in Path(tmp_path).rglob("*") if p.is_file()}
    assert written == found

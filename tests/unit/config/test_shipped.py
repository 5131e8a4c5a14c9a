import pytest

from hyrec.config.shipped import find_file, load_mapping, shipped_configs, shipped_folder
from hyrec.messages import CommandError


def test_shipped_configs_are_found_by_package():
    assert find_file("pkg:hyrec/hyformer.yaml").name == "hyformer.yaml"
    assert "pkg:hyrec/trainer/cpu.yaml" in shipped_configs()


def test_a_package_may_keep_its_configs_beside_its_code(tmp_path, monkeypatch):
    (tmp_path / "brings_config").mkdir()
    (tmp_path / "brings_config" / "__init__.py").write_text("")
    (tmp_path / "brings_config" / "own.yaml").write_text("a: 1")
    monkeypatch.syspath_prepend(tmp_path)
    assert shipped_folder("brings_config") == tmp_path / "brings_config"
    assert load_mapping("pkg:brings_config/own.yaml") == {"a": 1}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("configs/hyformer.yaml", "It ships with hyrec: write pkg:hyrec/hyformer.yaml"),
        ("hyformr.yaml", "Did you mean 'pkg:hyrec/hyformer.yaml'?"),
        ("configs/trainer/cpu-bf61.yaml", "Did you mean 'pkg:hyrec/trainer/cpu-bf16.yaml'?"),
        ("mine.yml", "Did you mean 'mine.yaml'?"),
        ("pkg:hyrec/hyformr.yaml", "Did you mean 'pkg:hyrec/hyformer.yaml'?"),
        ("pkg:hyreck/hyformer.yaml", "There is no installed package 'hyreck'"),
        ("folder", "is a folder, not a file"),
    ],
)
def test_a_wrong_path_gets_the_nearest_right_one(written, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("a: 1")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CommandError) as caught:
        find_file(written)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("configs/ablations/boosting.yaml", "It ships with hyrec: write pkg:hyrec/ablations/boosting.yaml"),
        ("boosting", "It ships with hyrec: write pkg:hyrec/ablations/boosting.yaml"),
        ("bosting.yaml", "Did you mean 'pkg:hyrec/ablations/boosting.yaml'?"),
        ("mine.yaml", "hyrec ships: pkg:hyrec/ablations/architectures.yaml"),
    ],
)
def test_a_wrong_path_of_a_study_gets_the_nearest_shipped_study(written, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError, match=r"The study .* does not exist") as caught:
        find_file(written, "study")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [("a: [1", "not valid YAML in line"), ("- 1", "must be a mapping"), (b"\xff\xfe\x00", "not")],
)
def test_a_file_that_is_no_mapping_is_refused(content, told, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CommandError, match=told):
        load_mapping(str(path))

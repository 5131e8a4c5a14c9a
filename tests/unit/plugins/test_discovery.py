import importlib
import sys

import pytest

from hyrec.plugins import discovery


def by_name(found):
    return {plugin.name: plugin for plugin in found}


def test_discovery_reads_slots_and_tags_without_importing(install):
    install("hyrec-swap", "swap_plugin", "swap_mixer.py", entry="swap")
    plugin = by_name(discovery.discover())["swap"]
    assert (plugin.distribution, plugin.version, plugin.state) == ("hyrec-swap", "1.2", "enabled")
    assert plugin.slots == ["mixer"]
    assert plugin.tags == ["swap", "test"]
    assert "swap_plugin" not in sys.modules


@pytest.mark.parametrize("value", ["all", "swap", "other, swap", "hyrec-swap"])
def test_plugins_can_be_switched_off(value, install, monkeypatch):
    install("hyrec-swap", "swap_plugin", "swap_mixer.py", entry="swap")
    monkeypatch.setenv(discovery.DISABLE, value)
    assert by_name(discovery.load())["swap"].state == "disabled"
    assert "swap_plugin" not in sys.modules


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("import a_package_that_is_missing\n", "imports 'a_package_that_is_missing', which is not installed"),
    ],
)
def test_a_plugin_that_cannot_work_is_listed_with_its_error_unimported(source, told, install):
    install("hyrec-bad", "bad_plugin", source)
    plugin = by_name(discovery.discover())["bad_plugin"]
    assert plugin.state == "broken"
    assert told in plugin.error
    assert "bad_plugin" not in sys.modules


@pytest.mark.parametrize("source", ["raise RuntimeError('no GPU here')", "import sys; sys.exit('no GPU here')"])
def test_a_plugin_that_fails_on_import_takes_nothing_down(source, install):
    install("hyrec-bad", "bad_plugin", source)
    install("hyrec-good", "good_plugin", "LOADED = True")
    loaded = by_name(discovery.load())
    assert loaded["bad_plugin"].state == "broken"
    assert "no GPU here" in loaded["bad_plugin"].error
    assert loaded["good_plugin"].state == "enabled"
    assert discovery.failures() == [f"The plugin 'bad_plugin' (hyrec-bad) is broken: {loaded['bad_plugin'].error}"]


def test_an_entry_point_without_module_is_broken(install):
    install("hyrec-gone", "gone_plugin", "")
    importlib.invalidate_caches()
    (plugin,) = [p for p in discovery.discover() if p.name == "gone_plugin"]
    assert plugin.state == "enabled"
    install("hyrec-lost", "lost_plugin", "", entry="lost = nowhere_to_be_found\n#")
    assert "no module 'nowhere_to_be_found'" in by_name(discovery.discover())["lost"].error


def test_clashes_name_both_distributions(install):
    install("hyrec-one", "one_plugin", "swap_mixer.py", entry="swap")
    install("hyrec-two", "two_plugin", "swap_mixer.py", entry="swap")
    found = discovery.discover()
    clashes = {p.distribution: " ".join(p.clashes) for p in found}
    assert "plugin name 'swap' is also that of hyrec-two" in clashes["hyrec-one"]
    assert "mixer 'Swap' is also in hyrec-one" in clashes["hyrec-two"]


def test_local_code_is_loaded_by_file_folder_or_module(tmp_path, monkeypatch, install):
    (tmp_path / "a_file_plugin.py").write_text("X = 1")
    (tmp_path / "a_folder_plugin").mkdir()
    (tmp_path / "a_folder_plugin" / "__init__.py").write_text("X = 2")
    (tmp_path / "a_module_plugin.py").write_text("X = 3")
    for spec in (str(tmp_path / "a_file_plugin.py"), str(tmp_path / "a_folder_plugin"), "a_module_plugin"):
        assert discovery.load_local(spec) == spec
    assert [sys.modules[f"a_{kind}_plugin"].X for kind in ("file", "folder", "module")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("nothing.py", "does not exist"),
        ("no_such_module_here", "neither an importable module nor a path"),
        ("fails_plugin.py", "ZeroDivisionError"),
        ("json.py", "has the name of another module"),
        ("empty", "is a folder without __init__.py"),
    ],
)
def test_local_code_that_cannot_be_loaded_is_refused(spec, told, tmp_path, monkeypatch, install):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fails_plugin.py").write_text("1 / 0")
    (tmp_path / "json.py").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(discovery.PluginError, match=told):
        discovery.load_local(spec)

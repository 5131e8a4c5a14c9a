import gc
import importlib
import json
import sys

import pytest

from hyrec.cli.main import main
from hyrec.plugins import discovery
from hyrec.plugins.source import declared_classes, missing_imports

MIXER = '''"""A plugin."""
from hyrec.slots import TokenMixer

class Base(TokenMixer):
    """Base."""
    def __init__(self, ctx):
        super().__init__()

class {name}(Base):
    """Swap."""
    tags = ("swap", "test")
    def forward(self, tokens):
        """Swap."""
        return tokens.flip(1)
'''


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Install made-up distributions, each a module and its metadata, into a folder on sys.path."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(discovery, "_loaded", None)
    monkeypatch.delenv(discovery.DISABLE, raising=False)
    before = set(sys.modules)

    def install(distribution, module, source, entry=None):
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[hyrec.plugins]\n{entry or module} = {module}\n")

    yield install
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
    gc.collect()  # classes that are gone must not be found among the subclasses of a slot


def by_name(found):
    return {plugin.name: plugin for plugin in found}


def test_discovery_reads_slots_and_tags_without_importing(site):
    site("hyrec-swap", "swap_plugin", MIXER.format(name="Swap"), entry="swap")
    plugin = by_name(discovery.discover())["swap"]
    assert (plugin.distribution, plugin.version, plugin.state) == ("hyrec-swap", "1.2", "enabled")
    assert plugin.slots == ["mixer"]
    assert plugin.tags == ["swap", "test"]
    assert "swap_plugin" not in sys.modules


@pytest.mark.parametrize("value", ["all", "swap", "other, swap", "hyrec-swap"])
def test_plugins_can_be_switched_off(value, site, monkeypatch):
    site("hyrec-swap", "swap_plugin", MIXER.format(name="Swap"), entry="swap")
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
def test_a_plugin_that_cannot_work_is_listed_with_its_error_unimported(source, told, site):
    site("hyrec-bad", "bad_plugin", source)
    plugin = by_name(discovery.discover())["bad_plugin"]
    assert plugin.state == "broken"
    assert told in plugin.error
    assert "bad_plugin" not in sys.modules


@pytest.mark.parametrize("source", ["raise RuntimeError('no GPU here')", "import sys; sys.exit('no GPU here')"])
def test_a_plugin_that_fails_on_import_takes_nothing_down(source, site):
    site("hyrec-bad", "bad_plugin", source)
    site("hyrec-good", "good_plugin", "LOADED = True")
    loaded = by_name(discovery.load())
    assert loaded["bad_plugin"].state == "broken"
    assert "no GPU here" in loaded["bad_plugin"].error
    assert loaded["good_plugin"].state == "enabled"
    assert discovery.failures() == [f"The plugin 'bad_plugin' (hyrec-bad) is broken: {loaded['bad_plugin'].error}"]


def test_an_entry_point_without_module_is_broken(site):
    site("hyrec-gone", "gone_plugin", "")
    importlib.invalidate_caches()
    (plugin,) = [p for p in discovery.discover() if p.name == "gone_plugin"]
    assert plugin.state == "enabled"
    site("hyrec-lost", "lost_plugin", "", entry="lost = nowhere_to_be_found\n#")
    assert "no module 'nowhere_to_be_found'" in by_name(discovery.discover())["lost"].error


def test_clashes_name_both_distributions(site):
    site("hyrec-one", "one_plugin", MIXER.format(name="Swap"), entry="swap")
    site("hyrec-two", "two_plugin", MIXER.format(name="Swap"), entry="swap")
    found = discovery.discover()
    clashes = {p.distribution: " ".join(p.clashes) for p in found}
    assert "plugin name 'swap' is also that of hyrec-two" in clashes["hyrec-one"]
    assert "mixer 'Swap' is also in hyrec-one" in clashes["hyrec-two"]


def test_the_list_shows_state_error_and_clash(site, capsys):
    site("hyrec-swap", "swap_plugin", MIXER.format(name="Swap"), entry="swap")
    site("hyrec-bad", "bad_plugin", "import a_package_that_is_missing")
    assert main(["plugins", "list"]) == 0
    out = capsys.readouterr().out
    assert "hyrec-swap 1.2" in out
    assert "bad_plugin: it imports 'a_package_that_is_missing'" in out
    assert main(["plugins", "list", "--slot", "mixer", "--json"]) == 0
    assert [p["name"] for p in json.loads(capsys.readouterr().out)] == ["swap"]
    assert main(["plugins", "list", "--tag", "nothing"]) == 0
    assert "No plugins of that kind" in capsys.readouterr().out


def test_components_of_plugins_are_listed_beside_hyrecs(site, capsys):
    site("hyrec-swap", "swap_plugin", MIXER.format(name="Swap"), entry="swap")
    assert main(["plugins", "list", "--components", "--slot", "mixer"]) == 0
    out = capsys.readouterr().out
    assert "Swap" in out
    assert "hyrec-swap" in out
    assert "RankMixer" in out


def test_an_unknown_slot_gets_the_nearest(capsys):
    assert main(["plugins", "list", "--slot", "mixr"]) == 2
    assert "Did you mean 'mixer'?" in capsys.readouterr().err


def test_local_code_is_loaded_by_file_folder_or_module(tmp_path, monkeypatch, site):
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
def test_local_code_that_cannot_be_loaded_is_refused(spec, told, tmp_path, monkeypatch, site):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fails_plugin.py").write_text("1 / 0")
    (tmp_path / "json.py").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(discovery.PluginError, match=told):
        discovery.load_local(spec)


def test_slots_follow_base_classes_inside_the_package(tmp_path):
    (tmp_path / "a.py").write_text(MIXER.format(name="Swap"))
    (tmp_path / "b.py").write_text(
        "import hyrec.slots as s\nclass D(s.QueryDecoder):\n    tags: tuple = ('x',)\nclass N: ...\n"
    )
    found = declared_classes(sorted(tmp_path.glob("*.py")))
    assert [(c.name, c.slot, c.tags) for c in found] == [
        ("Base", "mixer", ()),
        ("D", "decoder", ("x",)),
        ("Swap", "mixer", ("swap", "test")),
    ]
    assert missing_imports(tmp_path.glob("*.py"), "a") == []

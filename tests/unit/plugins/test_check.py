import pytest

from hyrec.messages import CommandError
from hyrec.plugins.catalogue import Catalogue
from hyrec.plugins.check import check


def statuses(name, *, options=(), configs=(), plugin=()):
    """Return how the rules of each class came out, by class name."""
    results = check(Catalogue.load(plugin), name, options, configs)
    return {entry.name: {rule.rule: rule.status for rule in rules} for entry, rules in results.items()}


def refused(name, **given):
    with pytest.raises(CommandError) as error:
        statuses(name, **given)
    return str(error.value)


@pytest.fixture
def local(local_code):
    return [local_code("scaled_mixer.py", "checked_locally.py")]


def test_a_component_that_obeys_passes_with_its_options(local):
    found = statuses("ScaledMixer", plugin=local, options=["start=2", "names=[a, b]"])
    assert set(found["ScaledMixer"].values()) == {"passed"}
    assert "every_gradient" in found["ScaledMixer"]


def test_a_broken_rule_is_found(local):
    rules = statuses("LeakyMixer", plugin=local)["LeakyMixer"]
    assert [rule for rule, status in rules.items() if status == "failed"] == ["sample_independence"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "ScaledMixer cannot be built without 'start': add --option ScaledMixer.start=VALUE."),
        (["strt=1"], "has no option 'strt'. Did you mean 'start'?"),
        (["start=many"], "ScaledMixer.start must be float, got 'many'"),
        (["start"], "is not KEY=VALUE"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(options, told, local):
    assert told in refused("ScaledMixer", plugin=local, options=options)


def test_a_distribution_is_checked_with_the_options_of_each_class(install):
    install("hyrec-pair", "pair_plugin", "scaled_mixer.py")
    assert list(statuses("hyrec-pair", options=["ScaledMixer.start=2"])) == ["LeakyMixer", "ScaledMixer"]


def test_an_option_for_several_classes_must_say_of_which(install):
    install("hyrec-pair", "pair_plugin", "scaled_mixer.py")
    assert "must say of which class" in refused("hyrec-pair", options=["start=2"])


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise RuntimeError('no GPU here')", "is broken: RuntimeError: no GPU here"),
        ("X = 1", "brings no component"),
    ],
)
def test_a_distribution_that_brings_nothing_is_refused(source, told, install):
    install("hyrec-empty", "empty_plugin", source)
    assert told in refused("hyrec-empty")


def test_a_component_that_its_package_does_not_import_is_named(install, local_code, tmp_path):
    install("hyrec-lost", "lost_plugin", "")
    (tmp_path / "lost_plugin.py").unlink()
    (tmp_path / "lost_plugin").mkdir()
    (tmp_path / "lost_plugin" / "__init__.py").write_text("")
    local_code("scaled_mixer.py", "lost_plugin/mixer.py")
    told = refused("hyrec-lost")
    assert "declares LeakyMixer, ScaledMixer, but importing 'lost_plugin' does not define" in told


def test_data_is_checked_with_the_config_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HYREC_CACHE", str(tmp_path))
    options = ["simulator.num_requests=300"]
    rules = statuses("SimulatedData", configs=["pkg:hyrec/debug.yaml"], options=options)["SimulatedData"]
    assert set(rules.values()) == {"passed"}
    assert {"histories", "scan"} < set(rules)


def test_data_without_a_config_is_checked_for_its_form_only():
    rules = statuses("ParquetData")["ParquetData"]
    assert [rule for rule, status in rules.items() if status != "skipped"] == ["docstring", "signature"]


def test_an_unknown_name_gets_the_nearest():
    assert "Did you mean 'RankMixer'?" in refused("RankMixr")

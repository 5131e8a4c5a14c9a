import json

import pytest

from hyrec.cli.main import main
from hyrec.plugins import discovery

MODULE = '''"""Local code."""
import torch
from torch import Tensor, nn

from hyrec.context import BuildContext
from hyrec.slots import Head, Loss, TokenMixer


class ScaledMixer(TokenMixer):
    """Scale the tokens by learned factors.

    Args:
        start: First value of the factors.
        names: Nothing but names.

    Shape:
        tokens: ``(B, T, D)``; returns the same shape.
    """

    def __init__(self, ctx: BuildContext, *, start: float, names: tuple[str, ...] = ()) -> None:
        super().__init__()
        assert isinstance(names, tuple)
        self.start = start
        self.factor = nn.Parameter(torch.empty(ctx.d_model))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with equal factors."""
        nn.init.constant_(self.factor, self.start)

    def forward(self, tokens: Tensor) -> Tensor:
        """Scale."""
        return tokens * self.factor


class LeakyMixer(TokenMixer):
    """Subtract the mean over the batch.

    Shape:
        tokens: ``(B, T, D)``; returns the same shape.
    """

    def __init__(self, ctx: BuildContext) -> None:
        super().__init__()

    def forward(self, tokens: Tensor) -> Tensor:
        """Subtract."""
        return tokens - tokens.mean(dim=0)
'''


@pytest.fixture
def module(tmp_path, forget):
    path = tmp_path / "checked_locally.py"
    path.write_text(MODULE)
    return str(path)


@pytest.fixture
def installed(tmp_path, monkeypatch, forget):
    """Install a made-up distribution, a module and its metadata, into a folder on sys.path."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(discovery, "_loaded", None)

    def install(distribution, name, source):
        (tmp_path / f"{name}.py").write_text(source)
        info = tmp_path / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[hyrec.plugins]\n{name} = {name}\n")

    return install


def test_a_component_that_obeys_passes(module, capsys):
    arguments = ["ScaledMixer", "--plugin", module, "--option", "start=2", "--option", "names=[a, b]"]
    assert main(["plugins", "check", *arguments]) == 0
    out = capsys.readouterr().out
    assert "ScaledMixer (mixer, from checked_locally)" in out
    assert "ok       every_gradient" in out
    assert " 0 failed" in out


def test_a_broken_rule_is_printed_with_expected_and_observed(module, capsys):
    assert main(["plugins", "check", "LeakyMixer", "--plugin", module]) == 1
    lines = capsys.readouterr().out.splitlines()
    (number,) = [i for i, line in enumerate(lines) if line.split()[:1] == ["FAILED"]]
    assert lines[number].split(maxsplit=3)[1:3] == ["sample_independence", "expected"]
    assert "samples are independent" in lines[number]
    assert lines[number + 1].split()[0] == "observed"
    assert "1 failed" in lines[-1]


def test_results_are_written_as_json(capsys):
    assert main(["plugins", "check", "QueryAUC", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["class"], found["slot"]) == ("hyrec.metrics.auc.QueryAUC", "metric")
    assert {result["status"] for result in found["results"]} == {"passed"}
    assert set(found["results"][0]) == {"rule", "status", "expected", "observed"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "ScaledMixer cannot be built without 'start': add --option ScaledMixer.start=VALUE."),
        (["strt=1"], "has no option 'strt'. Did you mean 'start'?"),
        (["start=many"], "ScaledMixer.start must be float, got 'many'"),
        (["start"], "is not KEY=VALUE"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(options, told, module, mistake):
    given = [f"--option={option}" for option in options]
    assert told in mistake("plugins", "check", "ScaledMixer", "--plugin", module, *given)


def test_a_distribution_is_checked_with_the_options_of_each_class(installed, capsys):
    installed("hyrec-pair", "pair_plugin", MODULE)
    assert main(["plugins", "check", "hyrec-pair", "--option", "ScaledMixer.start=2"]) == 1
    out = capsys.readouterr().out
    assert "ScaledMixer (mixer, from hyrec-pair 1.2)" in out
    assert "LeakyMixer (mixer, from hyrec-pair 1.2)" in out
    assert out.splitlines()[-1].startswith("2 classes")


def test_an_option_for_several_classes_must_say_of_which(installed, mistake):
    installed("hyrec-pair", "pair_plugin", MODULE)
    assert "must say of which class" in mistake("plugins", "check", "hyrec-pair", "--option", "start=2")


def test_a_distribution_that_cannot_be_imported_is_refused_with_its_error(installed, mistake):
    installed("hyrec-bad", "bad_plugin", "raise RuntimeError('no GPU here')")
    assert "is broken: RuntimeError: no GPU here" in mistake("plugins", "check", "hyrec-bad")


def test_a_distribution_without_components_is_refused(installed, mistake):
    installed("hyrec-empty", "empty_plugin", "X = 1")
    assert "brings no component" in mistake("plugins", "check", "hyrec-empty")


def test_a_component_that_its_package_does_not_import_is_named(installed, mistake, tmp_path):
    installed("hyrec-lost", "lost_plugin", "")
    (tmp_path / "lost_plugin.py").unlink()
    (tmp_path / "lost_plugin").mkdir()
    (tmp_path / "lost_plugin" / "__init__.py").write_text("")
    (tmp_path / "lost_plugin" / "mixer.py").write_text(MODULE)
    told = mistake("plugins", "check", "hyrec-lost")
    assert "declares LeakyMixer, ScaledMixer, but importing 'lost_plugin' does not define" in told


def test_data_is_checked_with_the_config_that_is_named(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HYREC_CACHE", str(tmp_path))
    arguments = ["--config", "pkg:hyrec/debug.yaml", "--option", "simulator.num_requests=300"]
    assert main(["plugins", "check", "SimulatedData", *arguments]) == 0
    out = capsys.readouterr().out
    assert "ok       histories" in out
    assert "9 passed, 0 failed, 0 skipped" in out


def test_data_without_a_config_is_checked_for_its_form_only(capsys):
    assert main(["plugins", "check", "ParquetData"]) == 0
    out = capsys.readouterr().out
    assert "2 passed, 0 failed, 7 skipped" in out
    assert "it needs data (schema=..., or --config on the command line)" in out


def test_what_was_not_checked_is_said(capsys):
    assert main(["plugins", "check", "RankingProgress"]) == 0
    assert "not checked: what it does during a run" in capsys.readouterr().out


def test_an_unknown_name_gets_the_nearest(mistake):
    assert "Did you mean 'RankMixer'?" in mistake("plugins", "check", "RankMixr")

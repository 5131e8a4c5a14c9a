import json

import pytest
import yaml
from jsonargparse import ArgumentParser

from hyrec.cli.main import main
from hyrec.cli.plugins_show import REQUIRED, snippet
from hyrec.docstring import Docstring
from hyrec.plugins.catalogue import BASES, Catalogue, options_of
from hyrec.schema import Schema

OWN = [entry for entry in Catalogue.load().entries if entry.package == "hyrec"]
LOCAL = '''"""Local code."""
from hyrec.context import BuildContext
from hyrec.slots import TokenMixer


class LocalSwap(TokenMixer):
    """Turn the order of the tokens around.

    Args:
        width: A number that has no default.
        text: A default that YAML would read as a number.
    """

    tags = ("local",)

    def __init__(self, ctx: BuildContext, *, width: int, text: str = "1.0") -> None:
        super().__init__()

    def forward(self, tokens):
        """Turn around."""
        return tokens.flip(1)
'''


@pytest.fixture
def shown(capsys):
    def run(*arguments):
        assert main(["plugins", "show", *arguments]) == 0
        return capsys.readouterr().out

    return run


def test_a_component_is_shown_with_options_tensors_and_yaml(shown):
    text = shown("RankMixer")
    assert "paper   arXiv 2507.15551 3.2" in text
    assert "from    hyrec 0.1.0 (hyrec.mixers.rankmixer.RankMixer)" in text
    assert "norm: Literal['pre', 'post', 'none'] = post\n      Where LayerNorm stands." in text
    assert "forward(tokens: Tensor) -> Tensor" in text
    assert "tokens: ``(B, T, D)`` with D divisible by T" in text
    pasted = text.split("In YAML\n")[1].split("\n\n")[0]
    chosen = yaml.safe_load(pasted)["model"]["init_args"]["mixer"]
    assert chosen == {
        "class_path": "RankMixer",
        "init_args": {"expansion": 4, "residual": "double", "norm": "post", "dropout": 0.0},
    }


@pytest.mark.parametrize("entry", [e for e in OWN if e.slot != "metric"], ids=lambda entry: entry.name)
def test_every_snippet_is_accepted_by_the_parser(entry):
    tree = yaml.safe_load(snippet(Catalogue.load(), entry))
    if entry.slot == "data":
        chosen = tree["data"]
    elif entry.slot == "callback":
        (chosen,) = tree["trainer"]["callbacks+"]
    else:
        chosen = tree["model"]["init_args"][entry.slot]
    options = chosen.get("init_args", {})
    for name in [name for name, value in options.items() if value == REQUIRED]:
        assert options_of(entry.cls)[name].default is options_of(entry.cls)[name].empty
        del options[name]
    parser = ArgumentParser(exit_on_error=False)
    skipped = {"ctx", "schema", *(name for name in options_of(entry.cls) if name not in options)}
    parser.add_class_arguments(entry.cls, skip=skipped, fail_untyped=False)
    parser.parse_object(options)
    assert chosen["class_path"] == entry.name


def test_every_option_of_hyrec_is_explained(shown):
    for entry in OWN:
        text, explained = shown(entry.path), Docstring.of(entry.cls).options
        for name in options_of(entry.cls):
            assert explained.get(name), f"{entry.name}.{name}"
            assert f"\n      {explained[name]}\n" in text.split(f"\n  {name}: ")[1], f"{entry.name}.{name}"


@pytest.mark.parametrize("slot", BASES)
def test_a_slot_is_shown_with_what_fills_it(slot, shown):
    by_slot, by_base = shown(slot), shown(BASES[slot].__name__)
    assert by_slot == by_base
    assert [e.name for e in OWN if e.slot == slot and e.name not in by_slot] == []


def test_local_code_is_shown_with_options_that_must_be_given(shown, tmp_path, forget):
    (tmp_path / "local_swap.py").write_text(LOCAL)
    text = shown("LocalSwap", "--plugin", str(tmp_path / "local_swap.py"))
    assert "width: int  (required)" in text
    assert "text: str = '1.0'" in text
    options = yaml.safe_load(text.split("In YAML\n")[1].split("\n\n")[0])["model"]["init_args"]["mixer"]["init_args"]
    assert options == {"width": REQUIRED, "text": "1.0"}


@pytest.mark.parametrize(
    ("name", "told"),
    [("RankMixr", "Did you mean 'RankMixer'?"), ("decodr", "Did you mean 'decoder'?"), ("zzz", "no component or")],
)
def test_an_unknown_name_gets_the_nearest(name, told, mistake):
    assert told in mistake("plugins", "show", name)


def test_an_unknown_action_gets_the_nearest(mistake):
    assert "Did you mean 'show'?" in mistake("plugins", "shwo")


def test_data_metrics_and_callbacks_are_listed_among_components(capsys):
    assert main(["plugins", "list", "--components", "--json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert [listed[name]["slot"] for name in ("ParquetData", "QueryAUC", "RankingProgress", "RankMixer")] == [
        "data",
        "metric",
        "callback",
        "mixer",
    ]
    assert listed["RankMixer"]["distribution"] == "hyrec"
    assert listed["RankMixer"]["summary"].startswith("Mix tokens without attention")


def test_a_schema_is_no_option_of_data():
    (entry,) = [entry for entry in OWN if entry.name == "SimulatedData"]
    assert "schema" not in options_of(entry.cls)
    assert Schema.__name__ not in snippet(Catalogue.load(), entry)

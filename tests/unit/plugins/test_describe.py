import pytest
import yaml
from jsonargparse import ArgumentParser

from hyrec.definition import read_docstring
from hyrec.messages import CommandError
from hyrec.plugins.catalogue import Catalogue, options_of
from hyrec.plugins.describe import REQUIRED, describe, snippet
from hyrec.plugins.slot_table import SLOT_TABLE
from hyrec.schema import Schema

CATALOGUE = Catalogue.load()
OWN = CATALOGUE.of_package("hyrec")


def chosen_in(text):
    """Return the class that the YAML of a description puts into its slot."""
    tree = yaml.safe_load(text.split("In YAML\n")[1].split("\n\n")[0])
    while "class_path" not in tree:
        ((_, tree),) = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return tree


def test_a_component_is_described_with_options_tensors_and_yaml():
    text = describe(CATALOGUE, "RankMixer")
    assert "paper   arXiv 2507.15551 3.2" in text
    assert "from    hyrec 0.1.0 (hyrec.mixers.rankmixer.RankMixer)" in text
    assert "norm: Literal['pre', 'post', 'both', 'none'] = post\n      Where LayerNorm stands." in text
    assert "forward(tokens: Tensor) -> Tensor" in text
    assert "tokens: ``(B, T, D)`` with D divisible by T" in text
    assert chosen_in(text) == {
        "class_path": "RankMixer",
        "init_args": {
            "expansion": 4,
            "residual": "double",
            "norm": "post",
            "mixing": "slices",
            "weights": "own",
            "dropout": 0.0,
        },
    }


@pytest.mark.parametrize("entry", [e for e in OWN if SLOT_TABLE[e.slot].keys], ids=lambda entry: entry.name)
def test_every_snippet_is_accepted_by_the_parser(entry):
    chosen = chosen_in(describe(CATALOGUE, entry.path))
    options = chosen.get("init_args", {})
    for name in [name for name, value in options.items() if value == REQUIRED]:
        assert options_of(entry.cls)[name].default is options_of(entry.cls)[name].empty
        del options[name]
    parser = ArgumentParser(exit_on_error=False)
    skipped = {"ctx", "schema", *(name for name in options_of(entry.cls) if name not in options)}
    parser.add_class_arguments(entry.cls, skip=skipped, fail_untyped=False)
    parser.parse_object(options)
    assert chosen["class_path"] == entry.name


@pytest.mark.parametrize("entry", OWN, ids=lambda entry: entry.name)
def test_every_option_of_hyrec_is_explained(entry):
    text, explained = describe(CATALOGUE, entry.path), read_docstring(entry.cls).options
    for name in options_of(entry.cls):
        assert explained.get(name), name
        assert f"\n      {explained[name]}\n" in text.split(f"\n  {name}: ")[1], name


@pytest.mark.parametrize("slot", SLOT_TABLE)
def test_a_slot_is_described_with_what_fills_it(slot):
    text = describe(CATALOGUE, slot)
    assert text == describe(CATALOGUE, SLOT_TABLE[slot].base_name)
    assert [e.name for e in OWN if e.slot == slot and e.name not in text] == []


def test_local_code_is_described_with_options_that_must_be_given(local_code):
    text = describe(Catalogue.load([local_code("scaled_mixer.py", "described_locally.py")]), "ScaledMixer")
    assert "start: float  (required)" in text
    assert "text: str = '1.0'" in text
    assert chosen_in(text)["init_args"] == {"start": REQUIRED, "names": [], "text": "1.0"}


@pytest.mark.parametrize(
    ("name", "told"),
    [("RankMixr", "Did you mean 'RankMixer'?"), ("decodr", "Did you mean 'decoder'?"), ("zzz", "no component or")],
)
def test_an_unknown_name_gets_the_nearest(name, told):
    with pytest.raises(CommandError) as error:
        describe(CATALOGUE, name)
    assert told in str(error.value)


def test_a_schema_is_no_option_of_data():
    entry = CATALOGUE.find("SimulatedData")
    assert "schema" not in options_of(entry.cls)
    assert Schema.__name__ not in snippet(CATALOGUE, entry)

"""The presets of paper scale: what they share, and how near their costs come to the published ones."""

import json
from itertools import product

import pytest

from hyrec.cli.main import main
from hyrec.cli.preset_table import HYFORMER, PRESETS, RANKMIXER, Comparison, as_text, compare, compare_longer, run
from hyrec.config.shipped import find_file, load_mapping
from hyrec.schema import Schema

TABLE_1 = [preset for preset in PRESETS if preset.paper == HYFORMER]
WITHIN = 0.05


def options(name):
    return load_mapping(f"pkg:hyrec/paper/{name}.yaml")["model"]["init_args"]


def differences(one, other):
    return {key for key in {*one, *other} if one.get(key) != other.get(key)}


@pytest.fixture(scope="module")
def longer():
    return compare_longer(4)


def test_costs_of_a_preset_are_near_those_that_the_paper_prints():
    (preset,) = (preset for preset in TABLE_1 if preset.name == "unified_longer")  # the one that is counted fastest
    found = compare(preset)
    assert abs(found.parameters_error) < WITHIN
    assert abs(found.flops_error) < WITHIN


@pytest.mark.long
def test_costs_of_all_presets_are_as_near_as_the_docs_say(capsys):
    assert run(None, True) == 0
    for row in json.loads(capsys.readouterr().out):
        of_parameters, of_flops = (0.12, 0.5) if row["paper"] == RANKMIXER else (WITHIN, WITHIN)
        assert abs(row["parameters_error"]) < of_parameters, row
        assert abs(row["flops_error"]) < of_flops, row


def test_an_encoder_of_longer_costs_what_the_paper_computes(longer):
    assert longer.published_flops == pytest.approx(335.5e6, rel=2e-4)
    assert longer.parameters == longer.published_parameters
    assert longer.flops == pytest.approx(longer.published_flops, rel=1e-3)


def test_the_paper_prints_nine_pairs_and_each_has_a_preset():
    assert len(TABLE_1) == 9
    assert all(find_file(f"pkg:hyrec/paper/{preset.name}.yaml").is_file() for preset in PRESETS)


def test_presets_in_two_stages_differ_in_encoder_and_mixer_only():
    base = options("longer_rankmixer")
    for encoder, mixer in product(["longer", "transformer"], ["rankmixer", "transformer", "wukong"]):
        allowed = {"longer": set(), "transformer": {"encoder", "sequence"}}[encoder]
        allowed |= {"rankmixer": set(), "wukong": {"mixer"}, "transformer": {"mixer", "backbone"}}[mixer]  # its depth
        assert differences(base, options(f"{encoder}_{mixer}")) == allowed


def test_the_preset_of_hyformer_differs_from_its_base_in_queries_and_order_of_layers():
    assert differences(options("longer_rankmixer"), options("hyformer")) == {"queries", "backbone"}


def test_presets_of_one_stream_differ_in_the_block_only():
    assert differences(options("unified"), options("unified_longer")) == {"block"}


def test_the_schema_of_paper_scale_has_the_tokens_and_sequences_of_the_paper():
    schema = Schema.load(find_file("pkg:hyrec/paper/schema.yaml", "schema"))
    assert len(schema.group_names) == 13
    assert sorted(spec.max_length for spec in schema.sequences.values()) == [50, 50, 1000]


def test_the_table_shows_published_figures_ours_and_the_error(longer):
    rows = [Comparison("preset_a", HYFORMER, 2048, 8, 4e8, 410_000_000, 4e12, 3.9e12), longer]
    found = [line.split() for line in as_text(rows).splitlines() if line.startswith("preset_a")]
    assert found == [["preset_a", "400", "M", "410", "M", "+2.5%", "4", "T", "3.9", "T", "−2.5%"]]


def test_the_table_of_presets_takes_no_options_of_a_model(capsys):
    assert main(["inspect", "--preset-table", "--model.d_model", "8"]) == 2
    assert "takes --candidates and --json. Got --model.d_model 8." in capsys.readouterr().err

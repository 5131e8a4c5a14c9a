"""The study of HyFormer's table 1: nine rows, each with the parts that it is named after and no other difference."""

import pytest

from hyrec.config.experiment import Experiment
from hyrec.config.shipped import find_file
from hyrec.studies.plan.command_lines import arguments_of, costs_at
from hyrec.studies.plan.study_file import load_study

NAME = "pkg:hyrec/ablations/paper_table1.yaml"
ONE_STREAM = {"queries", "encoder", "decoder", "mixer", "backbone", "block"}
PARTS = {
    "longer_rankmixer": set(),
    "longer_transformer": {"mixer"},
    "longer_wukong": {"mixer"},
    "transformer_rankmixer": {"encoder"},
    "transformer_transformer": {"encoder", "mixer"},
    "transformer_wukong": {"encoder", "mixer"},
    "unified_longer": ONE_STREAM,
    "unified": ONE_STREAM,
    "hyformer": {"queries", "backbone"},
}


@pytest.fixture(scope="module")
def study():
    return load_study(find_file(NAME, "study"))


def test_rows_differ_from_the_base_in_the_named_parts_only(study):
    changed = {v.name: {key.split(".")[1] for key in v.options} for v in study.variants}
    assert changed == PARTS
    assert all(key.startswith("model.") and not v.configs for v in study.variants for key in v.options)


def test_every_row_has_the_figure_of_the_paper(study):
    printed = [variant.paper["query_auc"] for variant in study.variants]
    assert printed == [0.6478, 0.6472, 0.6465, 0.6481, 0.6474, 0.6468, 0.6480, 0.6483, 0.6489]


def test_kuairand_has_the_same_rows(study):
    assert load_study(find_file("pkg:hyrec/ablations/kuairand_table1.yaml", "study")).variants == study.variants


def test_hyformer_has_the_flops_of_the_base_as_in_the_paper(study):
    base, hyformer = (
        costs_at(Experiment.parse(arguments_of(study, study.variant(name))))
        for name in ("longer_rankmixer", "hyformer")
    )
    assert study.variant("hyformer").match == {"flops": 0.05}
    assert hyformer.flops_per_sample == pytest.approx(base.flops_per_sample, rel=0.05)

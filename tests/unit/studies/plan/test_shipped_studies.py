"""Every study that ships can be trained: its options exist, and its costs are those of ``hyrec inspect``."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from lightning import Trainer

from hyrec.callbacks.checkpoint import BestCheckpoint
from hyrec.cli.main import main
from hyrec.config.diagnose import diagnose
from hyrec.config.shipped import find_file, shipped_configs
from hyrec.config.sources import read_sources
from hyrec.data.base import RankingData
from hyrec.data.simulated import SimulatedData
from hyrec.ranker import Ranker
from hyrec.studies.plan.command_lines import CommandLine, arguments_of
from hyrec.studies.plan.planner import make_plan
from hyrec.studies.plan.request import StudyRequest
from hyrec.studies.plan.study_file import load_study

STUDIES = [name for name in shipped_configs() if "/ablations/" in name]
TYPES = {"model": Ranker, "data": RankingData, "trainer": Trainer, "checkpoint": BestCheckpoint}


@pytest.fixture(autouse=True)
def built_data(tmp_path, monkeypatch):
    """A schema where the overlay of KuaiRand expects one."""
    monkeypatch.chdir(tmp_path)
    Path("data/kuairand").mkdir(parents=True)
    SimulatedData.make_schema().save(Path("data/kuairand/schema.yaml"))


def test_the_studies_that_are_promised_are_there():
    names = {name.rpartition("/")[2].removesuffix(".yaml") for name in STUDIES}
    assert names >= {"hyformer_table2", "architectures", "encoders", "boosting", "sequence_side_info", "scaling"}
    assert names >= {"rankmixer_experts", "rankmixer_routing"}


@pytest.mark.parametrize("name", STUDIES)
def test_a_shipped_study_is_short_and_says_what_it_asks(name):
    assert len(find_file(name).read_text().splitlines()) <= 60
    study = load_study(find_file(name))
    assert study.question.endswith("?")
    assert all(variant.about for variant in study.variants if variant.family != "hyformer" or variant.options)


@pytest.mark.parametrize("name", STUDIES)
def test_every_option_of_a_shipped_study_exists(name):
    study = load_study(find_file(name))
    for variant in study.variants:
        for row in (replace(variant, configs=(), options={}), variant):
            assert not diagnose(read_sources(list(arguments_of(study, row))).trees, TYPES), variant.name


@pytest.mark.parametrize("name", STUDIES)
def test_the_last_variant_of_a_shipped_study_parses(name):
    study = load_study(find_file(name))
    resolved = CommandLine.parse("the last", arguments_of(study, study.variants[-1])).options
    assert resolved["model"]["class_path"] == "hyrec.Ranker"


def test_the_costs_of_a_plan_are_those_of_inspect(capsys):
    plan = make_plan(StudyRequest.read("pkg:hyrec/ablations/debug.yaml"))
    for planned in plan.variants:
        assert main(["inspect", *planned.arguments, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        for cost in ("dense_parameters", "sparse_parameters", "flops_per_sample"):
            assert getattr(planned, cost) == told[cost], (planned.variant.name, cost)
    assert plan.variants[0].dense_parameters > plan.variants[1].dense_parameters
    assert plan.variants[0].order_option == "--data.seed"

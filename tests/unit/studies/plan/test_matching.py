import json
from dataclasses import replace

import pytest

from hyrec.cli.main import main
from hyrec.config.experiment import Experiment
from hyrec.messages import CommandError
from hyrec.studies.plan.command_lines import CommandLine, costs_at
from hyrec.studies.plan.matching import match_variant

HYFORMER = ["--config", "pkg:hyrec/hyformer.yaml"]
TWO_STAGE = ["--config", "pkg:hyrec/longer_rankmixer.yaml", "--model.mixer", "SelfAttentionMixer"]
SMALL = ["--config", "pkg:hyrec/debug.yaml"]


@pytest.fixture(scope="module")
def small():
    return Experiment.parse(SMALL)


def solve(target, tolerances, *options):
    """Match a variant of the small model to a target."""
    return match_variant(target, Experiment.parse([*SMALL, *options]), tolerances)


def test_costs_are_those_of_inspect(capsys):
    assert main(["inspect", *SMALL, "--json"]) == 0
    inspected = json.loads(capsys.readouterr().out)
    costs = CommandLine.parse("it", SMALL).costs
    assert costs.flops_per_sample == inspected["flops_per_sample"]
    assert costs.dense_parameters == inspected["dense_parameters"]
    assert costs.sparse_parameters == inspected["sparse_parameters"]
    assert costs.num_tokens == len(inspected["ns_tokens"]) + sum(inspected["queries"].values())


def test_a_width_costs_the_same_as_on_the_command_line(small):
    assert costs_at(small, d_model=24) == CommandLine.parse("it", [*SMALL, "--model.d_model", "24"]).costs


def test_two_stages_of_self_attention_meet_the_flops_of_hyformer():
    target, start = costs_at(Experiment.parse(HYFORMER)), [*TWO_STAGE, "--model.d_model=80"]
    match = match_variant(target, Experiment.parse(start), {"flops": 0.02})
    found = CommandLine.parse("it", [*start, f"--model.d_model={match.width}"]).costs
    assert found == match.costs
    assert abs(found.flops_per_sample / target.flops_per_sample - 1) <= 0.02
    assert match.width < 80, "80 costs nearly half as much again"


def test_a_width_is_divisible_by_the_heads(small):
    options = ["--model.d_model=32", "--model.decoder.num_heads=8", "--model.pad_tokens=true"]
    match = solve(costs_at(small, d_model=44), {"flops": 0.3}, *options)
    assert match.width in (40, 48)
    assert match.width % 8 == 0


def test_a_width_is_divisible_by_the_tokens_of_a_mixer_that_does_not_pad(small):
    match = solve(costs_at(small, d_model=42), {"flops": 0.3}, "--model.d_model=32", "--model.pad_tokens=false")
    assert match.width % match.costs.num_tokens == 0
    assert match.width != 32


def test_widths_that_pad_to_the_same_number_of_tokens_come_first(small):
    target, tokens = costs_at(small, d_model=42), costs_at(small, d_model=32).num_tokens
    assert target.num_tokens > tokens, "the exact match pads to more tokens"
    match = solve(target, {"flops": 0.3}, "--model.d_model=32")
    assert match.within
    assert match.costs.num_tokens == tokens


def test_other_numbers_of_tokens_are_taken_when_nothing_else_matches(small):
    target = costs_at(small, d_model=42)
    match = solve(target, {"flops": 0.001}, "--model.d_model=32")
    assert (match.width, match.costs) == (42, target)


def test_no_match_says_how_far_it_is_off_and_what_would_do(small):
    costs = costs_at(small)
    with pytest.raises(CommandError, match=r"^variant: No width matches within \{flops: 0.1%\}.*would do\.$"):
        solve(replace(costs, flops_per_sample=1.15 * costs.flops_per_sample), {"flops": 0.001})


def test_a_width_that_the_study_fixes_is_not_solved_for(small):
    with pytest.raises(CommandError, match=r"Take model\.d_model out of the grid"):
        match_variant(costs_at(small), small, {"flops": 0.02}, fixed=["data.batch_size", "model.d_model"])


def test_a_variant_that_cannot_be_built_says_why(small):
    with pytest.raises(CommandError, match=r"^variant cannot be built\. LongerEncoder needs [^\n]*num_recent >= 1"):
        solve(costs_at(small), {"flops": 0.02}, "--model.encoder.num_recent=0")

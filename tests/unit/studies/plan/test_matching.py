import copy
import json
from dataclasses import replace

import pytest

from hyrec.cli import ablate_matching
from hyrec.cli.main import main
from hyrec.messages import CommandError
from hyrec.studies.plan.costs import CountingCLI, costs_of
from hyrec.studies.plan.matching import match_variant

HYFORMER = ["--config", "pkg:hyrec/hyformer.yaml"]
TWO_STAGE = ["--config", "pkg:hyrec/longer_rankmixer.yaml", "--model.mixer", "SelfAttentionMixer"]
SMALL = ["--config", "pkg:hyrec/debug.yaml"]


@pytest.fixture(scope="module")
def small():
    return CountingCLI(SMALL)


@pytest.fixture
def solve(small, monkeypatch):
    """Match a variant of the small model to a target, without parsing anything again."""

    def run(target, tolerances, *, width, **options):
        cli = copy.copy(small)
        cli.config = small.config.clone()
        for key, value in {"d_model": width, **options}.items():
            cli.config.model.init_args[key] = value
        monkeypatch.setattr(ablate_matching, "CountingCLI", lambda arguments: cli)
        monkeypatch.setattr(ablate_matching, "costs_of", lambda arguments: target)
        return match_variant([], [], tolerances)

    return run


def test_costs_are_those_of_inspect(capsys):
    assert main(["inspect", *SMALL, "--json"]) == 0
    inspected = json.loads(capsys.readouterr().out)
    costs = costs_of(SMALL)
    assert costs.flops_per_sample == inspected["flops_per_sample"]
    assert costs.dense_parameters == inspected["dense_parameters"]
    assert costs.sparse_parameters == inspected["sparse_parameters"]
    assert costs.num_tokens == len(inspected["ns_tokens"]) + sum(inspected["queries"].values())


def test_a_width_costs_the_same_as_on_the_command_line(small):
    assert small.costs(24) == costs_of([*SMALL, "--model.d_model", "24"])


def test_two_stages_of_self_attention_meet_the_flops_of_hyformer(monkeypatch):
    target, start = costs_of(HYFORMER), [*TWO_STAGE, "--model.d_model=80"]
    monkeypatch.setattr(ablate_matching, "costs_of", {tuple(HYFORMER): target}.__getitem__)
    match = match_variant(tuple(HYFORMER), start, {"flops": 0.02})
    found = costs_of([*start, f"--model.d_model={match.width}"])
    assert found == match.costs
    assert abs(found.flops_per_sample / target.flops_per_sample - 1) <= 0.02
    assert match.width < 80, "80 costs nearly half as much again"


def test_a_width_is_divisible_by_the_heads(small, solve):
    heads = small.config.model.init_args.decoder.clone()
    heads.init_args.num_heads = 8
    match = solve(small.costs(44), {"flops": 0.3}, width=32, decoder=heads, pad_tokens=True)
    assert match.width in (40, 48)
    assert match.width % 8 == 0


def test_a_width_is_divisible_by_the_tokens_of_a_mixer_that_does_not_pad(small, solve):
    match = solve(small.costs(42), {"flops": 0.3}, width=32, pad_tokens=False)
    assert match.width % match.costs.num_tokens == 0
    assert match.width != 32


def test_widths_that_pad_to_the_same_number_of_tokens_come_first(small, solve):
    target, tokens = small.costs(42), small.costs(32).num_tokens
    assert target.num_tokens > tokens, "the exact match pads to more tokens"
    match = solve(target, {"flops": 0.3}, width=32)
    assert match.within
    assert match.costs.num_tokens == tokens


def test_other_numbers_of_tokens_are_taken_when_nothing_else_matches(small, solve):
    target = small.costs(42)
    match = solve(target, {"flops": 0.001}, width=32)
    assert (match.width, match.costs) == (42, target)


def test_no_match_says_how_far_it_is_off_and_what_would_do(small, solve):
    target = replace(small.costs(16), flops_per_sample=1.15 * small.costs(16).flops_per_sample)
    with pytest.raises(CommandError, match=r"^variant: No width matches within \{flops: 0.1%\}.*would do\.$"):
        solve(target, {"flops": 0.001}, width=16)


def test_a_width_that_the_study_fixes_is_not_solved_for():
    with pytest.raises(CommandError, match=r"Take model\.d_model out of the grid"):
        match_variant(SMALL, SMALL, {"flops": 0.02}, fixed=["data.batch_size", "model.d_model"])


def test_a_variant_that_cannot_be_built_says_why(small, solve):
    broken = small.config.model.init_args.encoder.clone()
    broken.init_args.num_recent = 0
    with pytest.raises(CommandError, match=r"^variant cannot be built\. LongerEncoder needs [^\n]*num_recent >= 1"):
        solve(small.costs(16), {"flops": 0.02}, width=16, encoder=broken)

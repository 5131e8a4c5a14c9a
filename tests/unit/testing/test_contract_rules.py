"""Each rule of the contract is proven by a component that breaks it and nothing else."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
from torch import Tensor

from hyrec.batch import RequestMap, Sequence
from hyrec.context import BuildContext
from hyrec.mixers import RankMixer, SelfAttentionMixer
from hyrec.slots import SLOTS, Component, UnifiedBlock
from hyrec.testing import ContractError, check_component, rules_of

from . import broken_compute, broken_data, broken_form
from .broken_components import BROKEN

MODULES = (broken_compute, broken_data, broken_form)
"""Importing them fills ``BROKEN``."""


@pytest.fixture(autouse=True, scope="module")
def _forget_broken_classes() -> Iterator[None]:
    yield
    gc.collect()


@pytest.mark.parametrize(("rule", "make"), BROKEN, ids=[f"{r}-{make.__name__}" for r, make in BROKEN])
def test_a_component_that_breaks_one_rule_fails_that_rule_only(rule: str, make: Callable[[], type[Component]]) -> None:
    results = check_component(make(), raise_on_failure=False)
    assert [str(r) for r in results if r.status == "failed" and r.rule != rule] == []
    (found,) = [r for r in results if r.rule == rule]
    assert found.status == "failed"


def test_a_block_whose_events_see_a_token_is_noticed() -> None:
    class LeakyBlock(UnifiedBlock):
        """Add the first token of a request's first sample to its events.

        Shape:
            As ``UnifiedBlock``.
        """

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__()

        def forward(
            self, tokens: Tensor, events: Sequence, request_of: RequestMap | None = None
        ) -> tuple[Tensor, Sequence]:
            first_RD = (tokens.unsqueeze(1) if request_of is None else request_of.group(tokens))[:, 0, 0]
            row_N = events.row_index().clamp(max=events.num_requests - 1)
            return tokens, events.replace(events.values + first_RD[row_N])

    results = check_component(LeakyBlock, raise_on_failure=False)
    assert {r.rule for r in results if r.status == "failed"} == {"candidate_independence", "request_expansion"}


def test_every_rule_is_proven_by_a_broken_component() -> None:
    assert {rule.name for slot in SLOTS for rule in rules_of(slot)} == {rule for rule, _ in BROKEN}


def test_a_broken_rule_is_reported_with_what_was_expected_and_observed() -> None:
    with pytest.raises(ContractError) as error:
        check_component(broken_compute.with_a_parameter_that_nothing_uses())
    message = str(error.value)
    assert "every_gradient: failed" in message
    assert "expected: every parameter receives a gradient" in message
    assert "observed: no gradient reaches unused.weight, unused.bias" in message
    assert [r.rule for r in error.value.results if r.status == "failed"] == ["every_gradient"]


def test_rules_that_cannot_say_anything_are_skipped_with_the_reason() -> None:
    results = check_component(RankMixer, raise_on_failure=False, expansion="four")
    status = {r.rule: r.status for r in results}
    assert status["runs"] == "failed"
    assert status["docstring"] == "passed"
    (shapes,) = [r for r in results if r.rule == "shapes"]
    assert (shapes.status, shapes.observed) == ("skipped", "not checked, because 'runs' failed")


def test_chosen_rules_only_are_checked() -> None:
    results = check_component(SelfAttentionMixer, rules=["docstring", "dtype"])
    assert [r.rule for r in results] == ["docstring", "dtype"]


def test_an_unknown_rule_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="Did you mean 'docstring'"):
        check_component(SelfAttentionMixer, rules=["docstrings"])


def test_an_unknown_slot_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="Did you mean 'mixer'"):
        rules_of("mixers")


@pytest.mark.parametrize("thing", [dict, Component, 3, SelfAttentionMixer.forward])
def test_only_component_classes_are_checked(thing: object) -> None:
    with pytest.raises(TypeError, match="takes a subclass of a slot's base class"):
        check_component(thing)  # type: ignore[arg-type]

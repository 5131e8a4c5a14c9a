"""The registry knows what exists and suggests the nearest name."""

from __future__ import annotations

import gc

import pytest
from torch import Tensor

import hyrec.components  # noqa: F401
from hyrec import registry
from hyrec.slots import SLOTS, TokenMixer


@pytest.mark.parametrize("slot", SLOTS)
def test_components_of_a_slot_are_concrete_and_sorted(slot: str) -> None:
    found = registry.classes(slot)
    assert [cls.__name__ for cls in found] == sorted(cls.__name__ for cls in found)
    assert all(issubclass(cls, SLOTS[slot]) and not cls.__abstractmethods__ for cls in found)


def test_the_components_of_the_three_models_are_there() -> None:
    names = {cls.__name__ for slot in SLOTS for cls in registry.classes(slot)}
    assert names >= {
        "AlternatingBackbone",
        "AutoSplitTokens",
        "BCELoss",
        "CrossAttentionDecoder",
        "GlobalQueries",
        "GroupedTokens",
        "IdentityEncoder",
        "IdentityMixer",
        "LongerEncoder",
        "MLPHead",
        "NoDecode",
        "RankMixer",
        "SelfAttentionMixer",
        "SwiGLUEncoder",
        "TransformerEncoder",
        "TwoStageBackbone",
    }


def test_no_two_components_of_hyrec_share_a_name() -> None:
    found = [cls for slot in SLOTS for cls in registry.classes(slot)]
    names = [cls.__name__ for cls in found if cls.__module__.startswith("hyrec.")]
    assert len(names) == len(set(names))


def test_a_class_is_found_as_soon_as_it_is_defined() -> None:
    class FoundMixer(TokenMixer):
        """Leaves tokens alone."""

        def forward(self, tokens: Tensor) -> Tensor:
            return tokens

    try:
        assert FoundMixer in registry.classes("mixer")
    finally:
        del FoundMixer
        gc.collect()


def test_an_unknown_slot_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"no slot 'mixers'. Did you mean 'mixer'\?.*backbone"):
        registry.classes("mixers")

"""Every component that hyrec brings obeys the contract, with every option that changes what it computes."""

from __future__ import annotations

from typing import Any

import pytest

from hyrec.backbones import AlternatingBackbone, TwoStageBackbone, UnifiedBackbone
from hyrec.blocks import LongerBlock
from hyrec.context import BuildContext
from hyrec.encoders import LongerEncoder
from hyrec.mixers import RankMixer
from hyrec.plugins.catalogue import Catalogue
from hyrec.schema import Schema
from hyrec.slots import SLOTS, Component
from hyrec.testing import Setting, check_component, rules_of, tiny_schema

_FORMS = [{"residual": r, "norm": n} for r in ("single", "double") for n in ("pre", "post", "both", "none")]
_FORMS += [{"weights": "shared"}, {"mixing": "none", "norm": "both", "dropout": 0.5}]

OPTIONS: dict[str, list[dict[str, Any]]] = {
    "AlternatingBackbone": [{"num_layers": 1}],
    "AutoSplitTokens": [
        {},
        {"num_tokens": 5},
        {"num_tokens": 1},
        {"num_tokens": {"user": 3, "item": 1, "context": 1}},
    ],
    "BCELoss": [{}, {"task_weights": {"like": 0.3}, "positive_weights": {"click": 4.0}}],
    "CrossAttentionDecoder": [{}, {"num_heads": 1, "dropout": 0.5}],
    "GlobalQueries": [
        *({"pooling": p, "ns": n} for p in ("all", "own", "none") for n in ("all", "target")),
        {"pooling": "all", "ns": "none"},
        {"pooling": "own", "ns": "none", "num_queries": {"clicks": 3}},
    ],
    "GroupedTokens": [{}, {"tokens_per_group": {"item": 2}}],
    "LongerEncoder": [
        {},
        {"num_recent": 2},
        {"num_recent": 2, "merge_ratio": 2, "memory": "input"},
        {"num_recent": 1, "merge_ratio": 3, "inner_layers": 1, "dropout": 0.5},
    ],
    "LongerBlock": [{"weights": "own", "dropout": 0.5}],
    "MLPHead": [
        *({"tokens": t, "pool": p, "hidden": [8]} for t in ("queries", "all") for p in ("concat", "mean")),
        {"hidden": [], "dropout": 0.5},
    ],
    "RankMixer": _FORMS,
    "SelfAttentionBlock": [{}, {"causal": True, "weights": "own", "dropout": 0.5}],
    "SelfAttentionMixer": [{}, {"num_heads": 1, "dropout": 0.5}],
    "TransformerEncoder": [{"causal": True}, {"causal": False, "dropout": 0.5}],
    "TwoStageBackbone": [{"num_layers": 1, "num_mixer_layers": 2}],
    "UnifiedBackbone": [{"num_layers": 1}],
    "Wukong": [{}, {"num_linear": 3, "rank": 2, "expansion": 1, "dropout": 0.5}],
}
"""Option sets by class name; a class that is not named is checked with its defaults."""


def own_components() -> list[type[Component]]:
    """Return what hyrec itself brings: other packages and tests may have added classes."""
    return [entry.cls for entry in Catalogue.load().of_package("hyrec") if entry.slot in SLOTS]


CASES = [
    pytest.param(cls, options, id=f"{cls.__name__}-{'-'.join(map(str, options.values())) or 'defaults'}")
    for cls in own_components()
    for options in OPTIONS.get(cls.__name__, [{}])
]


@pytest.mark.parametrize(("cls", "options"), CASES)
def test_every_own_component_obeys_the_contract(cls: type[Component], options: dict[str, Any]) -> None:
    results = check_component(cls, **options)
    assert [str(result) for result in results if result.status != "passed"] == []


@pytest.mark.parametrize("options", OPTIONS["LongerEncoder"][1:3], ids=str)
def test_longer_obeys_the_contract_above_the_first_layer(options: dict[str, Any]) -> None:
    check_component(LongerEncoder, setting=Setting(layer=1), **options)


def merging(ctx: BuildContext) -> LongerEncoder:
    """Build the encoder of a backbone whose memory has another width than its events."""
    return LongerEncoder(ctx, num_recent=2, merge_ratio=2, num_heads=2, expansion=1)


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (AlternatingBackbone, {}),
        (AlternatingBackbone, {"reinject_ns": True}),
        (TwoStageBackbone, {}),
        (UnifiedBackbone, {}),
    ],
    ids=["alternating", "reinjecting", "two_stage", "unified"],
)
def test_deep_backbones_obey_the_contract_with_merging_encoders_and_rankmixer(
    cls: type[Component], options: dict[str, Any]
) -> None:
    """All rules but export, which takes ten seconds here and is checked on each part."""
    setting = Setting(encoder=merging, mixer=RankMixer)
    rules = [rule.name for rule in rules_of("backbone") if rule.name != "exports"]
    check_component(cls, setting=setting, rules=rules, num_layers=2, **options)


@pytest.mark.parametrize("num_recent", [0, 2])
def test_longer_blocks_obey_the_contract_on_one_sequence(num_recent: int) -> None:
    plain = tiny_schema().to_dict()
    plain["sequences"] = {"clicks": plain["sequences"]["clicks"]}
    rules = [rule.name for rule in rules_of("block") if rule.name != "exports"]
    check_component(LongerBlock, setting=Setting(schema=Schema.from_dict(plain)), rules=rules, num_recent=num_recent)


def test_the_option_sets_name_components_that_exist() -> None:
    assert set(OPTIONS) <= {cls.__name__ for cls in own_components()}

"""The contract: every rule that a component of hyrec obeys, checked on any class."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hyrec.messages import unknown
from hyrec.slots import SLOTS, Component
from hyrec.testing import rules_compute, rules_data, rules_form
from hyrec.testing.rules import RULES, Rule, RuleResult, Subject, demand_subclass, examine
from hyrec.testing.setting import Setting

MODULES = (rules_form, rules_compute, rules_data)
"""Where the rules are written; importing a module adds its rules."""


def rules_of(slot: str) -> list[Rule]:
    """Return the rules that apply to a slot, in the order in which they are checked."""
    if slot not in SLOTS:
        raise ValueError(unknown("There is no slot", slot, SLOTS, allowed="Slots"))
    place = {module.__name__: i for i, module in enumerate(MODULES)}
    rules = [rule for rule in RULES.values() if slot in rule.slots]
    return sorted(rules, key=lambda rule: place.get(rule.check.__module__, len(place)))


def check_component(
    cls: type[Component],
    /,
    *,
    setting: Setting | None = None,
    rules: Iterable[str] | None = None,
    raise_on_failure: bool = True,
    **init_args: Any,
) -> list[RuleResult]:
    """Check a component class against every rule of its slot.

    Args:
        cls: The class; a subclass of a slot's base.
        setting: Surroundings in which it is built. Default: the tiny schema, D = 32, events of width 16.
        rules: Names of the rules to check. Default: all that apply to the slot.
        raise_on_failure: Raise when a rule is broken, instead of only returning what was found.
        init_args: The component's options, as in YAML.

    Returns:
        What each rule found, in order; a rule that cannot say anything is ``skipped`` and says why.

    Raises:
        ContractError: When a rule is broken, with rule, expected and observed.
        TypeError: When ``cls`` is not a component class.
        ValueError: When ``rules`` names a rule that does not exist for the slot.

    Example:
        >>> from hyrec.mixers import SelfAttentionMixer
        >>> {result.status for result in check_component(SelfAttentionMixer, num_heads=2)}
        {'passed'}
    """
    demand_subclass(
        cls, tuple(SLOTS.values()), "check_component takes a subclass of a slot's base class in hyrec.slots"
    )
    known = {rule.name: rule for rule in rules_of(cls.slot)}
    chosen = list(known) if rules is None else list(rules)
    for name in chosen:
        if name not in known:
            why = f" for the slot {cls.slot!r}"
            raise ValueError(unknown("There is no rule", name, known, why=why, allowed="Rules"))
    options = ", ".join(f"{key}={value!r}" for key, value in init_args.items())
    return examine(
        Subject(cls, init_args, setting or Setting()),
        [known[name] for name in chosen],
        raise_on_failure=raise_on_failure,
        name=f"{cls.__name__}({options})",
    )

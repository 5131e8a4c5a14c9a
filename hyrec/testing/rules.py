"""What a rule is, what it says about a class, and the class under examination."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar, Literal, NoReturn

import torch
from torch import Tensor

from hyrec.context import BuildContext
from hyrec.slots import SLOTS, Component
from hyrec.testing.cases import LENGTHS, LENGTHS_WITH_EMPTY, REQUEST_SLOTS, Case, defined, draw_case
from hyrec.testing.numeric import relative_error, tolerance_of
from hyrec.testing.setting import Setting

Status = Literal["passed", "failed", "skipped"]

SEQUENCE_SLOTS = ("encoder", *REQUEST_SLOTS)
"""Slots whose forward takes sequences."""


@dataclass(frozen=True)
class RuleResult:
    """What one rule found; when it could not be applied, ``observed`` says why it was ``skipped``."""

    rule: str
    status: Status
    expected: str
    observed: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.status}\n  expected: {self.expected}\n  observed: {self.observed}"


class _BrokenError(Exception):
    """The component breaks the rule; the message is what was observed."""


class _SkippedError(Exception):
    """The rule cannot be applied; the message says why."""


def broken(observed: str) -> NoReturn:
    """Report that the component breaks the rule that is being checked."""
    raise _BrokenError(observed)


def skip(reason: str) -> NoReturn:
    """Report that the rule that is being checked cannot be applied."""
    raise _SkippedError(reason)


class ContractError(AssertionError):
    """A class breaks rules of the contract; ``results`` is what every rule found."""

    def __init__(self, name: str, results: list[RuleResult]) -> None:
        self.results = results
        failed = [result for result in results if result.status == "failed"]
        listed = "\n".join(map(str, failed))
        super().__init__(f"{name} breaks {len(failed)} of {len(results)} rules.\n{listed}")


@dataclass
class Examined:
    """A class under examination, and by name what became of the rules that it has not passed so far."""

    cls: type
    init_args: Mapping[str, Any]
    lost: dict[str, str] = field(default_factory=dict, kw_only=True)
    given: ClassVar[str] = ""
    """First argument of the constructor, with its type, which hyrec passes. Empty: none."""


@dataclass
class Subject(Examined):
    """A component class under examination, with its options and its surroundings."""

    cls: type[Component]
    setting: Setting
    given: ClassVar[str] = "ctx: BuildContext"

    def __post_init__(self) -> None:
        self.slot = self.cls.slot
        self.case = partial(draw_case, self.slot, self.setting)

    @property
    def context(self) -> BuildContext:
        """What the component is told when it is built."""
        return self.setting.context(self.slot)

    def new(self, *, seed: int = 0) -> Component:
        """Build another component, in evaluation mode."""
        return self.setting.build(self.cls, self.init_args, seed=seed).to(torch.float64)

    @cached_property
    def _built(self) -> Component:
        return self.setting.build(self.cls, self.init_args)

    def component(self, dtype: torch.dtype = torch.float64) -> Component:
        """Return a copy of one and the same component, in evaluation mode."""
        return copy.deepcopy(self._built).to(dtype)

    def lengths(self) -> list[tuple[int, ...]]:
        """Return the lengths to check with; empty sequences are left out once they are known to break."""
        with_empty = self.slot in SEQUENCE_SLOTS and "empty_sequences" not in self.lost
        return [LENGTHS, LENGTHS_WITH_EMPTY] if with_empty else [LENGTHS]


@dataclass(frozen=True)
class Rule:
    """One demand on classes of some slots, once they have passed the rules that it ``needs``.

    ``check`` returns when the class obeys, else calls ``broken`` or ``skip`` (or lets an error pass).
    """

    name: str
    expected: str
    check: Callable[[Any], None]
    needs: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()

    def apply(self, subject: Examined) -> RuleResult:
        """Check one class."""
        if lost := [f"{name!r} {subject.lost[name]}" for name in self.needs if name in subject.lost]:
            return RuleResult(self.name, "skipped", self.expected, f"not checked, because {lost[0]}")
        try:
            self.check(subject)
        except _SkippedError as reason:
            return RuleResult(self.name, "skipped", self.expected, str(reason))
        except _BrokenError as observed:
            return RuleResult(self.name, "failed", self.expected, str(observed))
        except Exception as error:  # a component may raise anything; whatever it is, the rule is broken
            first = (str(error).strip() or "no message").splitlines()[0]
            return RuleResult(self.name, "failed", self.expected, f"raised {type(error).__name__}: {first}")
        return RuleResult(self.name, "passed", self.expected, "as expected")


def examine(
    subject: Examined, rules: Iterable[Rule], *, raise_on_failure: bool = False, name: str = ""
) -> list[RuleResult]:
    """Check a class, which an error calls ``name``, against rules in order; a rule knows what came of others."""
    results = []
    for rule in rules:
        results.append(rule.apply(subject))
        if results[-1].status != "passed":
            subject.lost[rule.name] = {"failed": "failed", "skipped": "was skipped"}[results[-1].status]
    if raise_on_failure and any(result.status == "failed" for result in results):
        raise ContractError(name or subject.cls.__name__, results)
    return results


def demand_subclass(cls: Any, bases: type | tuple[type, ...], demand: str) -> None:
    """Raise a TypeError that begins with ``demand`` for anything but a class that has one of the bases."""
    if not (isinstance(cls, type) and issubclass(cls, bases)):
        got = cls.__name__ if isinstance(cls, type) else f"a {type(cls).__name__}"
        raise TypeError(f"{demand}, got {got}.")


RULES: dict[str, Rule] = {}
"""Every rule by name, in the order in which they are checked."""


def rule(
    expected: str, *, slots: Iterable[str] = tuple(SLOTS), needs: Iterable[str] = ("runs",)
) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Make a function a rule that has its name; without the rules that it ``needs`` it says nothing."""

    def add(check: Callable[[Subject], None]) -> Callable[[Subject], None]:
        RULES[check.__name__] = Rule(check.__name__, expected, check, tuple(needs), tuple(slots))
        return check

    return add


def run(component: Component, case: Case, *, seed: int = 0) -> Any:
    """Call a component on copies of the inputs, with a fixed state of the random numbers."""
    return _call(component, case.fresh(), seed)


def gradients(component: Component, case: Case) -> tuple[dict[str, Tensor | None], list[Tensor | None]]:
    """Differentiate a generic function of all outputs, by parameters and float inputs; None where nothing arrives."""
    leaves = case.fresh()
    # Nobody differentiates times; of a loss, only the logits.
    fixed = {id(sequence.time) for sequence in leaves.sequences()}
    if component.slot == "loss":
        fixed |= {id(leaf) for leaf in dataclasses.replace(leaves, args=leaves.args[1:]).leaves()}
    inputs = [leaf.requires_grad_() for leaf in leaves.leaves() if leaf.is_floating_point() and id(leaf) not in fixed]
    component.zero_grad()
    # In a network, inputs are results of other parts, hence no leaves: autograd lets a component spoil them.
    out = defined(_call(component, leaves.map(lambda t: t * 1 if t.is_floating_point() else t), 0))
    rng = torch.Generator().manual_seed(7)
    total = torch.zeros((), dtype=torch.float64)
    for tensor in out.values():
        if tensor.requires_grad:
            weights = torch.randn(tensor.shape, generator=rng, dtype=torch.float64).to(tensor.device)
            total = total + (tensor.to(torch.float64) * weights).sum()
    if total.requires_grad:
        total.backward()
    return {name: p.grad for name, p in component.named_parameters()}, [leaf.grad for leaf in inputs]


def demand_equal(
    got: Mapping[str, Tensor | None],
    want: Mapping[str, Tensor | None],
    what: str,
    *,
    exact: bool = False,
    tolerance: float | None = None,
) -> None:
    """Report the first entry in which two results differ, bit by bit or by relative error (default: by precision)."""
    if list(got) != list(want):
        broken(f"{what}: outputs are {', '.join(got) or 'none'} instead of {', '.join(want) or 'none'}")
    for path, expected in want.items():
        actual = got[path]
        if actual is None or expected is None:
            if actual is not expected:
                broken(f"{what}: only one of the two {path} exists")
            continue
        if actual.shape != expected.shape:
            broken(f"{what}: {path} has shape {tuple(actual.shape)} instead of {tuple(expected.shape)}")
        if exact:
            if not bool(((actual == expected) | (actual.isnan() & expected.isnan())).all()):
                error = relative_error(actual, expected)
                broken(f"{what}: {path} is not the same bit by bit (relative difference {error:.3g})")
            continue
        allowed = tolerance_of(expected.dtype) if tolerance is None else tolerance
        error = relative_error(actual, expected)
        if error > allowed:
            broken(f"{what}: {path} differs by a relative error of {error:.3g}, allowed {allowed:.3g}")


def demand_finite(tensors: Mapping[str, Tensor | None], what: str) -> None:
    """Report the first entry that holds NaN or infinity."""
    for path, tensor in tensors.items():
        if tensor is not None and not bool(tensor.isfinite().all()):
            bad = int((~tensor.isfinite()).sum())
            broken(f"{what}: {path} has {bad} of {tensor.numel()} numbers that are NaN or infinite")


def _call(component: Component, case: Case, seed: int) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return case.by_sample(component(*case.args))

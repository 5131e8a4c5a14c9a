"""What a rule is, what it says about a component, and the component under examination."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, Protocol

import torch
from torch import Tensor

from hyrec.context import BuildContext
from hyrec.slots import SLOTS, Component
from hyrec.testing.cases import LENGTHS, LENGTHS_WITH_EMPTY, REQUEST_OF, Case, defined, draw_case
from hyrec.testing.numeric import relative_error, tolerance_of
from hyrec.testing.setting import Setting

Status = Literal["passed", "failed", "skipped"]

REQUEST_SLOTS = ("queries", "decoder", "backbone")
"""Slots whose forward takes ``request_of``."""
SEQUENCE_SLOTS = ("encoder", *REQUEST_SLOTS)
"""Slots whose forward takes sequences."""


@dataclass(frozen=True)
class RuleResult:
    """What one rule found.

    Args:
        rule: Name of the rule.
        status: ``skipped`` when the rule could not be applied; ``observed`` says why.
        expected: What the rule demands.
        observed: What the component did.
    """

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


class Examined(Protocol):
    """What rules examine: a class and, in ``failed``, the names of the rules that it has broken so far."""

    failed: set[str]


@dataclass
class Subject:
    """A component class under examination, with its options and its surroundings.

    Args:
        cls: The component class.
        init_args: Its options.
        setting: Its surroundings.
        failed: Names of the rules that it has broken so far.
    """

    cls: type[Component]
    init_args: Mapping[str, Any]
    setting: Setting
    failed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.slot = self.cls.slot
        self._built: Component | None = None

    @property
    def context(self) -> BuildContext:
        """What the component is told when it is built."""
        return self.setting.context(self.slot)

    def new(self, *, seed: int = 0, dtype: torch.dtype = torch.float64) -> Component:
        """Build another component, in evaluation mode."""
        return self.setting.build(self.cls, self.init_args, seed=seed).to(dtype)

    def component(self, dtype: torch.dtype = torch.float64) -> Component:
        """Return a copy of one and the same component, in evaluation mode."""
        if self._built is None:
            self._built = self.setting.build(self.cls, self.init_args)
        return copy.deepcopy(self._built).to(dtype)

    def case(
        self,
        *,
        lengths: Iterable[int] = LENGTHS,
        grouped: bool = False,
        dtype: torch.dtype = torch.float64,
        seed: int = 1,
    ) -> Case:
        """Draw inputs.

        Args:
            lengths: Events of each request.
            grouped: Whether R < B, for the slots that know requests.
            dtype: Precision of the floats.
            seed: Seed of the draw.
        """
        return draw_case(
            self.slot,
            self.setting,
            self.context,
            lengths=tuple(lengths),
            request_of=REQUEST_OF if grouped else None,
            dtype=dtype,
            seed=seed,
        )

    def lengths(self) -> list[tuple[int, ...]]:
        """Return the lengths to check with; empty sequences are left out once they are known to break."""
        with_empty = self.slot in SEQUENCE_SLOTS and "empty_sequences" not in self.failed
        return [LENGTHS, LENGTHS_WITH_EMPTY] if with_empty else [LENGTHS]


@dataclass(frozen=True)
class Rule:
    """One demand on components.

    Args:
        name: Name, as in results.
        expected: The demand, in one sentence.
        check: Returns when the component obeys, else calls ``broken`` or ``skip`` (or lets an error pass).
        slots: Slots that it applies to.
        needs: Rules without which this one says nothing.
    """

    name: str
    expected: str
    check: Callable[[Any], None]
    slots: tuple[str, ...]
    needs: tuple[str, ...]

    def apply(self, subject: Examined) -> RuleResult:
        """Check one class."""
        lost = [name for name in self.needs if name in subject.failed]
        if lost:
            return RuleResult(self.name, "skipped", self.expected, f"not checked, because {lost[0]!r} failed")
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


RULES: dict[str, Rule] = {}
"""Every rule by name, in the order in which they are checked."""


def rule(
    expected: str, *, slots: Iterable[str] = tuple(SLOTS), needs: Iterable[str] = ("runs",)
) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Make a function a rule that has its name.

    Args:
        expected: What the rule demands, in one sentence.
        slots: Slots that it applies to. Default: all.
        needs: Rules without which this one says nothing.
    """

    def add(check: Callable[[Subject], None]) -> Callable[[Subject], None]:
        RULES[check.__name__] = Rule(check.__name__, expected, check, tuple(slots), tuple(needs))
        return check

    return add


def run(component: Component, case: Case, *, seed: int = 0) -> Any:
    """Call a component on copies of the inputs, with a fixed state of the random numbers."""
    return _call(component, case.fresh(), seed)


def gradients(component: Component, case: Case) -> tuple[dict[str, Tensor | None], list[Tensor | None]]:
    """Return the gradients of a generic function of everything that the output defines.

    Returns:
        By parameter name, and of the float inputs in order; None where nothing arrives.
    """
    leaves = case.fresh()
    # Nobody differentiates times; of a loss, only the logits.
    fixed = {id(s.time) for s in _sequences(leaves)}
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
    """Report the first entry in which two results differ.

    Args:
        got: Tensors by path.
        want: What they are compared with.
        what: What was done, for the message.
        exact: Demand the same bits.
        tolerance: Relative error allowed. Default: by precision.
    """
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
            if not torch.equal(actual, expected) and not _same_with_nan(actual, expected):
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


def _same_with_nan(actual: Tensor, expected: Tensor) -> bool:
    return bool(((actual == expected) | (actual.isnan() & expected.isnan())).all())


def _call(component: Component, case: Case, seed: int) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return component(*case.args)


def _sequences(case: Case) -> list[Any]:
    found: list[Any] = []

    def note(sequence: Any) -> Any:
        found.append(sequence)
        return sequence

    case.map(lambda t: t, note)
    return found

"""What can be said of any class that a config names: its docstring and its constructor."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hyrec.definition import read_docstring
from hyrec.testing.rules import Examined, Rule, RuleResult, broken


@dataclass
class ClassSubject:
    """A class under examination that fills no slot of the network.

    Args:
        cls: The class.
        given: First argument of the constructor that hyrec passes. Empty: none.
        failed: Names of the rules that it has broken so far.
    """

    cls: type
    given: str = ""
    failed: set[str] = field(default_factory=set)


def check_class(cls: type) -> list[RuleResult]:
    """Check docstring and constructor of a class that a config names, such as a callback.

    Returns:
        What each rule found; nothing is raised.
    """
    return apply_all(CLASS_RULES, ClassSubject(cls))


def apply_all(rules: Iterable[Rule], subject: Examined) -> list[RuleResult]:
    """Check a subject against rules in order, so that a rule knows which ones before it failed."""
    results = []
    for rule in rules:
        results.append(rule.apply(subject))
        if results[-1].status == "failed":
            subject.failed.add(rule.name)
    return results


def check_documented(cls: type, *, given: str) -> None:
    """Report what the docstring of a class lacks.

    Args:
        cls: The class.
        given: Argument of the constructor that hyrec passes, which needs no entry. Empty: none.
    """
    doc = read_docstring(cls)
    if not doc.summary.endswith(".") or re.search(r"[a-z)`]\. +[A-Z]", doc.summary):
        broken(f"the first paragraph is not one sentence: {doc.summary[:80]!r}")
    parameters = list(inspect.signature(cls).parameters)
    options = [name for name in parameters if name != given]
    if missing := [name for name in options if not doc.options.get(name)]:
        broken(f"'Args:' does not explain {', '.join(missing)}")
    if unknown := [name for name in doc.options if name not in parameters]:
        broken(f"'Args:' explains {', '.join(unknown)}, which the constructor does not take")


def check_constructor(cls: type, *, given: str) -> None:
    """Report what keeps YAML from building a class.

    Args:
        cls: The class.
        given: First argument of the constructor that hyrec passes. Empty: none.
    """
    if inspect.isabstract(cls):
        lacking: Any = getattr(cls, "__abstractmethods__", ())
        broken(f"it is abstract: {', '.join(sorted(lacking))} is missing")
    parameters = list(inspect.signature(cls).parameters.values())
    if given and (not parameters or parameters[0].name != given):
        broken(f"the constructor's first argument is {parameters[0].name if parameters else 'missing'}, not {given}")
    for parameter in parameters[1:] if given else parameters:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            broken(f"the constructor takes *{parameter.name}: a typo in YAML would pass unseen")
        if parameter.annotation is parameter.empty:
            broken(f"the option {parameter.name!r} has no type hint")


def _docstring(subject: ClassSubject) -> None:
    check_documented(subject.cls, given=subject.given)


def _signature(subject: ClassSubject) -> None:
    check_constructor(subject.cls, given=subject.given)


CLASS_RULES = (
    Rule("docstring", "the class docstring has one summary sentence and explains every option", _docstring, (), ()),
    Rule(
        "signature", "the class is not abstract, and its constructor takes named options with types", _signature, (), ()
    ),
)
"""Rules of form for classes that fill no slot of the network."""

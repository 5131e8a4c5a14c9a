"""What can be said of any class that a config names: its docstring and its constructor."""

from __future__ import annotations

import inspect
import re
from typing import Any

from hyrec.definition import constructor_fault, read_docstring
from hyrec.testing.rules import Examined, Rule, RuleResult, broken, examine


def check_class(cls: type) -> list[RuleResult]:
    """Check docstring and constructor of a class that a config names, such as a callback; nothing is raised."""
    return examine(Examined(cls, {}), CLASS_RULES)


def check_documented(subject: Examined) -> None:
    """Report what the docstring of a class lacks."""
    doc = read_docstring(subject.cls)
    if not doc.summary.endswith(".") or re.search(r"[a-z)`]\. +[A-Z]", doc.summary):
        broken(f"the first paragraph is not one sentence: {doc.summary[:80]!r}")
    parameters = list(inspect.signature(subject.cls).parameters)
    given = subject.given.partition(":")[0]
    if missing := [name for name in parameters if name != given and not doc.options.get(name)]:
        broken(f"'Args:' does not explain {', '.join(missing)}")
    if unknown := [name for name in doc.options if name not in parameters]:
        broken(f"'Args:' explains {', '.join(unknown)}, which the constructor does not take")


def check_constructor(subject: Examined) -> None:
    """Report what keeps YAML from building a class."""
    if inspect.isabstract(subject.cls):
        lacking: Any = getattr(subject.cls, "__abstractmethods__", ())
        broken(f"it is abstract: {', '.join(sorted(lacking))} is missing")
    if fault := constructor_fault(subject.cls, subject.given, keyword_only=False):
        broken(fault)


CLASS_RULES = (
    Rule("docstring", "the class docstring has one summary sentence and explains every option", check_documented),
    Rule(
        "signature", "the class is not abstract, and its constructor takes named options with types", check_constructor
    ),
)
"""Rules of form for classes that fill no slot of the network."""

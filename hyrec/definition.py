"""What the definition of a class says: its docstring in parts, and checks that run when it is defined."""

from __future__ import annotations

import inspect
from typing import NamedTuple

from docstring_parser import DocstringParam, ParseError
from docstring_parser.google import GoogleParser, Section, SectionType

_TEXTS = ("Attributes", "Shape", "Raises", "Returns", "Example", "Examples")
_PARSER = GoogleParser(
    [Section("Args", "param", SectionType.MULTIPLE), *(Section(name, name, SectionType.SINGULAR) for name in _TEXTS)]
)


class ClassDocstring(NamedTuple):
    """A docstring in its parts: what stands before sections, the text of each entry under ``Args:``, other sections."""

    description: str
    options: dict[str, str]
    sections: dict[str, str]

    @property
    def summary(self) -> str:
        """First paragraph, on one line."""
        return " ".join(self.description.split("\n\n")[0].split())


def read_docstring(cls: type) -> ClassDocstring:
    """Return the docstring of a class in its parts; one whose sections cannot be read is all description."""
    text = cls.__doc__ or ""
    try:
        parsed = _PARSER.parse(text)
    except ParseError:  # of foreign code
        return ClassDocstring(inspect.cleandoc(text), {}, {})
    options = {option.arg_name: " ".join((option.description or "").split()) for option in parsed.params}
    sections = {meta.args[0]: meta.description or "" for meta in parsed.meta if not isinstance(meta, DocstringParam)}
    return ClassDocstring((parsed.description or "").strip(), options, sections)


def broken_definition(cls: type, rule: str) -> TypeError:
    """Return the error for a class that breaks a rule; it names class, file and rule, and what to do."""
    try:
        file = inspect.getsourcefile(cls) or "an unknown file"
    except TypeError:
        file = "an unknown file"
    return TypeError(f"{cls.__qualname__} ({file}) is no valid {getattr(cls, 'slot', '') or 'component'}: {rule}")


def check_docstring(cls: type) -> None:
    """Refuse a class without a docstring of its own.

    Raises:
        TypeError: With class, file and rule.
    """
    if not (cls.__doc__ or "").strip():
        raise broken_definition(cls, "it needs a docstring, which --help and 'hyrec plugins show' print.")


def check_constructor(cls: type, first: str, *, keyword_only: bool) -> None:
    """Raise a TypeError for a constructor that a class defines itself; one that it inherits was checked before."""
    if "__init__" in cls.__dict__ and (fault := constructor_fault(cls, first, keyword_only=keyword_only)):
        raise broken_definition(cls, fault)


def constructor_fault(cls: type, first: str, *, keyword_only: bool) -> str:
    """Return what keeps YAML from building a class by its constructor; empty when nothing does.

    Args:
        cls: The class.
        first: Name and type of the first argument, which hyrec passes, such as ``ctx: BuildContext``. Empty: none.
        keyword_only: Whether options must stand behind a ``*``.
    """
    parameters = list(inspect.signature(cls).parameters.values())
    name, _, kind = first.partition(": ")
    if first and (not parameters or parameters[0].name != name):
        got = parameters[0].name if parameters else "nothing"
        return f"the first argument of __init__ must be {name!r} (a {kind}), got {got}."
    for parameter in parameters[1:] if first else parameters:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            return f"__init__ must not take *{parameter.name}: a typo would pass unseen."
        if keyword_only and parameter.kind is not parameter.KEYWORD_ONLY:
            return f"option {parameter.name!r} of __init__ must be keyword-only: put it after '*'."
        if parameter.annotation is parameter.empty:
            return f"option {parameter.name!r} of __init__ needs a type hint; YAML is checked by it."
    return ""

"""Checks that run when the class of a component or data set is defined, so that a mistake shows at once."""

from __future__ import annotations

import inspect


def broken_definition(cls: type, rule: str) -> TypeError:
    """Return the error for a class that breaks a rule; it names class, file and rule.

    Args:
        cls: The class.
        rule: The rule, and what to do.
    """
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
    """Check the constructor that a class defines itself; one that it inherits was checked before.

    Args:
        cls: The class.
        first: Name and type of the first argument, which hyrec passes, such as ``ctx: BuildContext``.
        keyword_only: Whether options must stand behind a ``*``.

    Raises:
        TypeError: With class, file and rule.
    """
    if "__init__" not in cls.__dict__:
        return
    parameters = list(inspect.signature(cls.__dict__["__init__"]).parameters.values())[1:]
    name, _, kind = first.partition(": ")
    if not parameters or parameters[0].name != name:
        got = parameters[0].name if parameters else "nothing"
        raise broken_definition(cls, f"the first argument of __init__ must be {name!r} (a {kind}), got {got}.")
    for parameter in parameters[1:]:
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            raise broken_definition(cls, f"__init__ must not take *{parameter.name}: a typo would pass unseen.")
        if keyword_only and parameter.kind is not parameter.KEYWORD_ONLY:
            raise broken_definition(
                cls, f"option {parameter.name!r} of __init__ must be keyword-only: put it after '*'."
            )
        if parameter.annotation is parameter.empty:
            raise broken_definition(
                cls, f"option {parameter.name!r} of __init__ needs a type hint; YAML is checked by it."
            )

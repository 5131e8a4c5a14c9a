"""What options may name: classes that a place asks for, and nothing else. A config or checkpoint is data, not code.

The parser builds whatever a ``class_path`` leads to, functions included, and imports it to find out what it is. So
options are checked before they are parsed, and again before anything is built of them. What is not understood is
refused: a class stands only where a type hint asks for one.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import functools
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import operator
import os
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hyrec.files import digest, write_text
from hyrec.messages import CommandError

CLASS_KEYS = ("class_path", "init_args", "dict_kwargs")
_LISTS = (list, tuple, set, collections.abc.Iterable, collections.abc.Sequence)
_PLAIN = (str, int, float, bool, bytes, complex, type(None), object, dict, *_LISTS)


class UntrustedCodeError(CommandError):
    """Options that name code which the place they stand at does not ask for."""


def refuse_code(hint: Any, value: Any, place: str) -> None:
    """Raise for options that name a function, or a class that ``hint``, their type, does not ask for at their place.

    Raises:
        UntrustedCodeError: With the place and what was named.

    Example:
        >>> refuse_code(Exception, {"class_path": "os.system", "init_args": {"command": "ls"}}, "model.mixer")
        Traceback (most recent call last):
            ...
        hyrec.trust.UntrustedCodeError: model.mixer: 'os.system' is no class but a builtin_function_or_method. ...
    """
    members = list(_members(hint))
    if isinstance(value, type) or value is None:
        return
    if (mapping := _mapping(value)) is not None:
        if "class_path" in mapping:  # one item, where a list of them may stand
            lists = [get_args(m)[0] for m in members if get_origin(m) in _LISTS and get_args(m)]
            members += [found for hint in lists for found in _members(hint)]
        _check_mapping(members, mapping, place)
    elif isinstance(value, (list, tuple, set)):
        inner = [args[0] for m in members if get_origin(m) in _LISTS and (args := get_args(m))]
        if not inner and _bases(members):
            raise CommandError(f"{place} takes one class, got a list.")
        for number, item in enumerate(value):
            refuse_code(_any_of(inner), item, f"{place}[{number}]")
    elif isinstance(value, str):
        inner = [get_args(m)[-1] for m in members if get_origin(m) in (dict, *_LISTS) and get_args(m)]
        _check_text([*members, *(found for hint in inner for found in _members(hint))], value, place)
    elif isinstance(value, (int, float)) and all(dataclasses.is_dataclass(m) or m is type(None) for m in members):
        raise CommandError(f"{place} must be a mapping of options, got {value!r}.")
    elif callable(value) and not _is_built(value, members):
        raise UntrustedCodeError(f"{place}: {value!r} is a function. A config names classes, never functions.")


def options_of(cls: type) -> dict[str, Any]:
    """Return the type hint of every option that a class takes from a config, by name."""
    try:
        parameters = [p for p in inspect.signature(cls).parameters.values() if p.kind is not p.VAR_KEYWORD]
    except ValueError:  # a class written in C, which tells nothing of its options
        return {}
    target: Any = cls if dataclasses.is_dataclass(cls) else inspect.getattr_static(cls, "__init__")
    try:
        hints = get_type_hints(target)
    except (NameError, TypeError):  # hints of foreign code that only its own imports resolve
        hints = {}
    skipped = ("self", "ctx", "schema", "params", "optimizer")
    return {p.name: hints.get(p.name, Any) for p in parameters if p.name not in skipped}


def _members(hint: Any) -> Iterator[Any]:
    """Yield the members of a union, or the hint itself."""
    if get_origin(hint) in (Union, types.UnionType):
        for member in get_args(hint):
            yield from _members(member)
    else:
        yield hint


def _any_of(hints: list[Any]) -> Any:
    return functools.reduce(operator.or_, hints) if hints else Any


def _bases(members: list[Any]) -> list[type]:
    """Return the classes that a config may name at a place: those of the hint, and those its factories return."""
    found: list[type] = []
    for member in members:
        if get_origin(member) is collections.abc.Callable and get_args(member):
            found += _bases(list(_members(get_args(member)[-1])))
        elif isinstance(member, type) and member is not Any and member not in _PLAIN:
            found.append(member)
    return found


def _check_mapping(members: list[Any], value: Mapping[str, Any], place: str) -> None:
    bases = _bases(members)
    if "class_path" in value:
        cls = _class_at(bases, value["class_path"], place)
        given = {**(_mapping(value.get("init_args")) or {}), **(_mapping(value.get("dict_kwargs")) or {})}
        given |= {key: item for key, item in value.items() if key not in CLASS_KEYS}
        hints = options_of(cls) if cls is not None else {}
    else:
        inside = _mapping(value.get("init_args"))
        given = dict(value if inside is None or set(value) - set(CLASS_KEYS) else inside)
        hints = options_of(bases[0]) if len(bases) == 1 and not inspect.isabstract(bases[0]) else {}
        inner = [args[1] for m in members if get_origin(m) in (dict, collections.abc.Mapping) and (args := get_args(m))]
        if inner and not hints:
            hints = dict.fromkeys(given, _any_of(inner))
    for key, item in given.items():
        refuse_code(hints.get(str(key).removesuffix("+"), Any), item, f"{place}.{key}")


def _check_text(members: list[Any], value: str, place: str) -> None:
    """Check a text, which names a class where the hint asks for one."""
    bases = _bases(members)
    plain = any(m in (str, Any) or get_origin(m) is Literal for m in members)
    names_code = any(m is collections.abc.Callable or get_origin(m) is collections.abc.Callable for m in members)
    if bases and "." in value and not (plain and _found(value) is None):
        _class_at(bases, value, place)
    elif names_code and not bases:
        raise UntrustedCodeError(f"{place}: {value!r} names a function. A config names classes, never functions.")


def _class_at(bases: list[type], path: Any, place: str) -> type | None:
    """Return the class that a path leads to; None for a name that the parser will not know either."""
    if not isinstance(path, str):
        raise UntrustedCodeError(f"{place}.class_path must be the name of a class, got {path!r}.")
    if not bases:
        raise UntrustedCodeError(f"{place}: {path!r} names a class, and no class can stand here.")
    if "." not in path:
        children = (cls for base in bases for cls in (base, *_children(base)))
        return next((cls for cls in children if cls.__name__ == path), None)
    found = _found(path)
    if found is None:
        return None
    if not isinstance(found, type):
        what = f"no class but a {type(found).__name__}"
        raise UntrustedCodeError(f"{place}: {path!r} is {what}. A config names classes, never functions.")
    if not any(issubclass(found, base) for base in bases):
        allowed = " or ".join(sorted({base.__name__ for base in bases}))
        raise UntrustedCodeError(f"{place}: {path!r} is no {allowed}.")
    return found


def _found(path: str) -> Any:
    """Return what an import path leads to; None when nothing does.

    Raises:
        UntrustedCodeError: For a module that is neither installed nor loaded: importing it would run a stranger's file.
    """
    module, _, name = path.rpartition(".")
    root = module.split(".")[0]
    if not (root in sys.modules or root in sys.stdlib_module_names or root in _installed()):
        if importlib.util.find_spec(root) is None:
            return None
        raise UntrustedCodeError(
            f"{path!r} is in {root!r}, which is no installed package. If you trust it, load it with --plugin {root}."
        )
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


@functools.cache
def _installed() -> frozenset[str]:
    """Return the top-level packages of everything that is installed, for development too."""
    names = (dist.metadata["Name"] or "" for dist in importlib.metadata.distributions())
    return frozenset(importlib.metadata.packages_distributions()) | {name.replace("-", "_") for name in names}


def _children(base: type) -> Iterator[type]:
    direct: list[type] = type.__subclasses__(base)
    for cls in direct:
        yield cls
        yield from _children(cls)


def _mapping(value: Any) -> Mapping[str, Any] | None:
    """Return a mapping, or what a parser's namespace holds; None for anything else."""
    if isinstance(value, Mapping):
        return value
    return vars(value) if type(value).__name__ == "Namespace" else None


def _is_built(value: Any, members: list[Any]) -> bool:
    """Whether a callable object is one of the classes that the place asks for, such as a module in a notebook."""
    return any(isinstance(value, base) for base in _bases(members))


def is_trusted(spec: str) -> bool:
    """Whether a config may load local code, which was named with ``--plugin`` before and is as it was then.

    Installed packages are trusted: whoever installed them has decided that.
    """
    if spec.split(".")[0] in _installed():
        return True
    code = _code_of(spec)
    return code is not None and _remembered().get(code[0]) == code[1]


def remember(spec: str) -> None:
    """Note local code that the user has named, so that a run's own config may name it again while it stays as it is."""
    code = _code_of(spec)
    if code is None or is_trusted(spec):
        return
    with contextlib.suppress(OSError):  # without a place to write to, the user names the code each time
        write_text(_memory(), json.dumps({**_remembered(), code[0]: code[1]}, indent=1))


def _memory() -> Path:
    root = Path(os.environ.get("HYREC_CACHE") or Path.home() / ".cache" / "hyrec").expanduser()
    return root / "plugins.json"


def _remembered() -> dict[str, str]:
    try:
        found = json.loads(_memory().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _code_of(spec: str) -> tuple[str, str] | None:
    """Return path and digest of local code; None when there is none."""
    path = Path(spec).expanduser()
    if not path.exists():
        try:
            found = importlib.util.find_spec(spec)
        except (ImportError, ValueError):
            return None
        if found is None or not found.origin or not Path(found.origin).is_file():
            return None
        path = Path(found.origin)
        path = path.parent if path.name == "__init__.py" else path
    path = path.resolve()
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    try:
        content = b"".join(str(file.relative_to(path.parent)).encode() + file.read_bytes() for file in files)
    except OSError:
        return None
    return str(path), digest(content, size=16)

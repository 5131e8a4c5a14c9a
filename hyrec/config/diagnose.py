"""Finds the option that is wrong, after the parser has refused a config.

Type hints of constructors say what is allowed. The walk follows them through the options in the order in
which the user gave them, so that it can name the place, the nearest right spelling and what is allowed.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import importlib
import inspect
import re
import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from lightning.pytorch.accelerators import AcceleratorRegistry
from lightning.pytorch.strategies import StrategyRegistry

from hyrec.config.sources import Source
from hyrec.messages import suggest, unknown
from hyrec.trust import CLASS_KEYS, options_of

_LISTS = (list, collections.abc.Iterable, collections.abc.Sequence)


@dataclasses.dataclass(frozen=True)
class Wrong:
    """One mistake: its dotted key, and what is wrong and what is allowed."""

    place: str
    text: str


def diagnose(sources: Iterable[Source], options: Mapping[str, Any]) -> str:
    """Return the message for the first mistake of the sources, the later ones stronger; empty when none is found.

    ``options`` are the types of all top-level options by name; classes and dataclasses are followed.
    """
    merged: dict[str, Any] = {}
    sources = list(sources)
    for source in sources:
        merge_options(merged, source.tree)
        for key, value in merged.items():
            if key in ("schema", "plugins", "name", "help", "print_config"):
                continue
            if key not in options:
                wrong: Wrong | None = Wrong(key, unknown("There is no option", key, options, allowed="Options"))
            else:
                wrong = _check(options[key], value, key)
            if wrong is not None:
                return wrong.text + _where(source)
    misplaced = ((_beside_class(source.tree), source) for source in sources)
    return next((text + _where(source) for text, source in misplaced if text), "")


def _where(source: Source) -> str:
    return "" if source.name.startswith("--") else f"\n(in {source.name})"


def _beside_class(tree: Mapping[str, Any], place: str = "") -> str:
    """Return the message for the first option that stands beside ``class_path`` in place of below ``init_args``."""
    if "class_path" in tree and (others := [key for key in tree if key not in CLASS_KEYS]):
        name, key = str(tree["class_path"]), others[0]
        return (
            f"{place} has {key!r} beside class_path. Options of a class stand below init_args: "
            f"{{class_path: {name}, init_args: {{{key}: ...}}}}"
        )
    for key, value in tree.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Mapping) and (found := _beside_class(item, f"{place}.{key}".removeprefix("."))):
                return found
    return ""


def wrong_option(cls: type, options: Mapping[str, Any]) -> str:
    """Return the message for the first option that a class does not take or whose value does not fit; else empty."""
    wrong = _check_options(cls, options, cls.__name__, what=cls.__name__)
    return wrong.text if wrong else ""


def refused_option(message: str) -> str:
    """Return the message for an option that jsonargparse refused of a class which no config names (a default)."""
    found = re.search(r"Option '(?P<key>[\w.]+)' is not accepted.*class_path='(?P<class>[\w.]+)'", message)
    found = found or re.search(r"class_path '(?P<class>[\w.]+)':\s+Option '(?P<key>[\w.]+)' is not accepted", message)
    if not found:
        return ""
    key, (module, _, name) = found["key"], found["class"].rpartition(".")
    options = options_of(getattr(importlib.import_module(module), name))
    return unknown(f"{name} has no option", key, options, allowed="Options", apart=True)


def merge_options(base: dict[str, Any], tree: Mapping[str, Any]) -> None:
    """Merge options into ``base`` as the parser does: another class drops the options of the class before it."""
    if "class_path" in base and any(key not in CLASS_KEYS for key in tree):
        # On the command line, init_args may be left out of a key.
        options = {key: value for key, value in tree.items() if key not in CLASS_KEYS}
        tree = {key: value for key, value in tree.items() if key in CLASS_KEYS}
        tree = {**tree, "init_args": {**(tree.get("init_args") or {}), **options}}
    for written, value in tree.items():
        key = str(written).removesuffix("+")
        old = base.get(key)
        if key != written and old is not None:
            base[key] = [*_as_list(old), *_as_list(value)]
        elif isinstance(old, list) and old and isinstance(value, Mapping) and "class_path" not in value:
            last: dict[str, Any] = {"last": old[-1]}  # options of the item that was added last
            merge_options(last, {"last": value})
            base[key] = [*old[:-1], last["last"]]
        elif isinstance(old, dict) and isinstance(value, Mapping) and not _is_other_class(old, value):
            merge_options(old, value)
        elif isinstance(old, dict) and "class_path" in old and isinstance(value, str):
            base[key] = {"class_path": value}
        elif isinstance(value, Mapping):
            copied: dict[str, Any] = {"class_path": old} if isinstance(old, str) and "class_path" not in value else {}
            merge_options(copied, value)
            base[key] = copied
        else:
            base[key] = value


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_other_class(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return "class_path" in old and new.get("class_path", old["class_path"]) != old["class_path"]


def _check(hint: Any, value: Any, place: str) -> Wrong | None:
    """Check one value against its type hint; None when nothing is found."""
    if hint is Any or hint is inspect.Parameter.empty:
        return None
    if isinstance(value, list) and _takes_no_list(hint):
        return Wrong(place, f"{place} takes one value, got the list {value!r}.")
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _check_union(args, value, place)
    if value is None:
        return None
    if origin is Literal:
        return None if value in args else _wrong_choice(args, value, place)
    if origin is collections.abc.Callable and args:
        return _check_class(args[-1], value, place) if isinstance(args[-1], type) else None
    if origin is dict and isinstance(value, Mapping):
        return _first(_check(args[1], item, f"{place}.{key}") for key, item in value.items())
    if origin in _LISTS and isinstance(value, list):
        return _first(_check(args[0], item, f"{place}[{i}]") for i, item in enumerate(value))
    if origin in _LISTS and isinstance(value, (str, Mapping)):  # one item, as `metrics+: AUC`
        return _check(args[0], value, place)
    if origin is None and isinstance(hint, type):
        return _check_type(hint, value, place)
    return None


def _takes_no_list(hint: Any) -> bool:
    """Whether a hint, or each member of a union, is a class that holds no items, a literal or a factory."""
    if get_origin(hint) in (Union, types.UnionType):
        return all(_takes_no_list(member) for member in get_args(hint))
    plain = isinstance(hint, type) and hint is not object
    return get_origin(hint) in (Literal, collections.abc.Callable) or (
        plain and get_origin(hint) is None and (hint is str or not issubclass(hint, collections.abc.Iterable))
    )


def _check_type(hint: type, value: Any, place: str) -> Wrong | None:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            return Wrong(place, f"{place} must be a mapping of options, got {value!r}.")
        return _check_options(hint, value, place, what=place)
    if hint in (int, float, bool, str):
        allowed = {int: (int,), float: (int, float), bool: (bool,), str: (str, int, float)}[hint]
        fits = isinstance(value, allowed) and (hint is bool or not isinstance(value, bool))
        if hint is float and isinstance(value, str):
            fits = _is_number(value)
        return None if fits else Wrong(place, f"{place} must be {hint.__name__}, got {value!r}.")
    if hint.__module__ in ("builtins", "datetime", "pathlib", "typing"):
        return None
    return _check_class(hint, value, place)


def _check_union(args: tuple[Any, ...], value: Any, place: str) -> Wrong | None:
    if value is None and type(None) in args:
        return None
    choices = [choice for arg in args if get_origin(arg) is Literal for choice in get_args(arg)]
    members = [arg for arg in args if arg is not type(None) and get_origin(arg) is not Literal]
    members = [arg for arg in members if _could_be(arg, value)] + ([Literal[tuple(choices)]] if choices else [])
    found = [_check(arg, value, place) for arg in members]
    if any(wrong is None for wrong in found):
        return None
    return found[0] if found else None


def _could_be(hint: Any, value: Any) -> bool:
    """Whether a member of a union is worth checking, by the shape of the value."""
    origin = get_origin(hint) or hint
    if isinstance(value, Mapping):
        return origin is dict or origin is collections.abc.Callable or hint not in (int, float, bool, str)
    if isinstance(value, list):
        return origin in _LISTS
    return origin not in (dict, *_LISTS)


def _check_class(base: type, value: Any, place: str) -> Wrong | None:
    if isinstance(value, str):
        value = {"class_path": value}
    if not isinstance(value, Mapping):
        return Wrong(place, f"{place} must be a {base.__name__} class, got {value!r}.")
    path = value.get("class_path")
    if path is not None:
        found = _find_class(base, str(path), place)
    elif inspect.isabstract(base) or subclasses(base):
        return None  # a later source says which
    else:
        found = base
    if isinstance(found, Wrong):
        return found
    flat, given = {k: v for k, v in value.items() if k not in CLASS_KEYS}, value.get("init_args") or {}
    if not isinstance(given, Mapping):
        return Wrong(place, f"{place}.init_args must be a mapping of options, got {given!r}.")
    return _check_options(found, {**given, **flat}, place, what=found.__name__)


def _find_class(base: type, path: str, place: str) -> type | Wrong:
    if "." in path:
        module, _, name = path.rpartition(".")
        try:
            found = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            package = (error.name or module).split(".")[0]
            return Wrong(
                place,
                f"{place}: {path!r} cannot be imported, there is no package or module {package!r}. "
                "Install it, or name its code with --plugin.",
            )
        except AttributeError:
            return Wrong(place, f"{place}: the module {module!r} has no class {name!r}.{suggest(path, _names(base))}")
        return found if isinstance(found, type) else base
    own = [] if inspect.isabstract(base) else [base]
    same = [cls for cls in [*own, *subclasses(base)] if cls.__name__ == path]
    if len(same) == 1:
        return same[0]
    if same:
        paths = " and ".join(sorted(f"{cls.__module__}.{cls.__qualname__}" for cls in same))
        return Wrong(place, f"{place}: {path!r} names several classes. Write one of {paths}.")
    what = f"{place}: there is no {base.__name__}"
    return Wrong(place, unknown(what, path, _names(base), allowed=base.__name__, apart=True))


def _check_options(cls: type, value: Mapping[str, Any], place: str, *, what: str) -> Wrong | None:
    hints = options_of(cls)
    for key, item in value.items():
        if key not in hints:
            if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(cls).parameters.values()):
                continue
            full = f"{place}.{key}"
            whose = place if what == place else f"{place}: {what}"
            return Wrong(full, unknown(f"{whose} has no option", key, hints, allowed="Options", apart=True))
        wrong = _check(hints[key], item, f"{place}.{key}")
        if wrong is not None:
            return wrong
    return None


def _wrong_choice(args: tuple[Any, ...], value: Any, place: str) -> Wrong:
    return Wrong(place, unknown(f"{place} is", value, args))


def subclasses(base: type) -> list[type]:
    """Return the subclasses of a class that a config can name, however far below it, by name and module."""
    direct: list[type] = type.__subclasses__(base)
    found = {cls for child in direct for cls in (child, *subclasses(child))}
    public = (cls for cls in found if not inspect.isabstract(cls) and not cls.__name__.startswith("_"))
    return sorted(public, key=lambda cls: (cls.__name__, cls.__module__))


def _names(base: type) -> list[str]:
    own = [] if inspect.isabstract(base) else [base]
    return sorted({cls.__name__ for cls in [*own, *subclasses(base)]})


def _first(found: Iterable[Wrong | None]) -> Wrong | None:
    return next((wrong for wrong in found if wrong is not None), None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def trainer_mistake(error: Exception, trainer: Any) -> str:
    """Return Lightning's words, and the nearest right name of a device or strategy."""
    text = str(error).splitlines()[0]
    names = {"accelerator": AcceleratorRegistry.available_accelerators() | {"auto", "gpu"}}
    names["strategy"] = {"auto", *StrategyRegistry.available_strategies()}
    for option, known in names.items():
        given = trainer[option]
        if isinstance(given, str) and given not in known:
            return unknown(f"trainer.{option} is", given, sorted(known))
    return f"trainer: {text}"

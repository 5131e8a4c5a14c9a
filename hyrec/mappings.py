"""Between YAML, plain mappings and dataclasses: what is not known is refused, nothing is dropped."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_type_hints

import yaml

from hyrec.files import read_yaml, yaml_problem
from hyrec.messages import suggest, unknown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_T = TypeVar("_T", bound="DataclassInstance")
_Built = TypeVar("_Built")


def plain_dataclass(value: Any) -> Any:
    """Turn dataclasses into plain mappings without the entries that equal their defaults."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        out = {}
        for f in dataclasses.fields(value):
            item = getattr(value, f.name)
            factory = f.default_factory
            default = factory() if factory is not dataclasses.MISSING else f.default
            if item != default:
                out[f.name] = plain_dataclass(item)
        return out
    if isinstance(value, Mapping):
        return {key: plain_dataclass(item) for key, item in value.items()}
    return [plain_dataclass(item) for item in value] if isinstance(value, (list, tuple)) else value


def build_dataclass(cls: type[_T], content: Any, where: str, error: type[ValueError] = ValueError) -> _T:
    """Turn plain mappings into dataclasses (their fields: dataclasses, lists, dicts, literals, plain values).

    What the dataclass does not know is refused with ``error``, which names its path from ``where`` on. A dataclass
    with a ``from_text`` may be written as text, and a list of one such as its text alone.
    """
    if not isinstance(content, Mapping):
        raise error(f"{where} must be a mapping of keys to values, got {type(content).__name__}.")
    hints = get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in fields:
            if isinstance(key, bool) and "on" in fields:
                raise error(f"{where} has the key on without quotes, which YAML reads as {key}: write 'on'.")
            raise error(unknown(f"{where} has no key", key, fields, allowed="Known keys"))
        values[key] = _coerce(hints[key], value, f"{where}.{key}", error)
    for name, f in fields.items():
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise error(f"{where} lacks the key {name!r}, which has no default.")
    return cls(**values)


def read_as(build: Callable[[Any], _Built], path: Path, what: str, error: type[ValueError]) -> _Built:
    """Build something from a YAML file, which messages of ``error`` call ``what`` where it is missing."""
    if not path.is_file():
        raise error(f"There is no {what} {str(path)!r}.{suggest(str(path), map(str, path.parent.glob('*.y*ml')))}")
    try:
        return build(read_yaml(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as wrong:
        raise error(f"{path} is not valid YAML{yaml_problem(wrong)}") from wrong
    except error as wrong:
        raise error(f"{path}: {wrong}") from wrong


def read_mapping(path: Path, named: str, error: type[Exception]) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping, or nothing; messages of ``error`` call the file ``named``."""
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as wrong:
        raise error(f"{named} is not valid YAML{yaml_problem(wrong)}.") from wrong
    except UnicodeDecodeError as wrong:
        raise error(f"{named} is not a text file in UTF-8.") from wrong
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise error(f"{named} must be a mapping of keys to values, got {type(content).__name__}.")
    return content


def _coerce(hint: Any, value: Any, where: str, error: type[ValueError]) -> Any:
    if hint is Any:
        return value
    if type(None) in get_args(hint):
        if value is None:
            return None
        (hint,) = (option for option in get_args(hint) if option is not type(None))
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        if isinstance(value, str) and (from_text := getattr(hint, "from_text", None)):
            try:
                return from_text(value)
            except ValueError as wrong:
                raise error(f"{where}: {wrong}") from wrong
        return build_dataclass(hint, value, where, error)
    origin, args = getattr(hint, "__origin__", None), get_args(hint)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise error(f"{where} must be a mapping from names to values, got {type(value).__name__}.")
        return {str(key): _coerce(args[1], item, f"{where}.{key}", error) for key, item in value.items()}
    if origin is list:
        if isinstance(value, str) and hasattr(args[0], "from_text"):
            value = [value]
        if not isinstance(value, (list, tuple)):
            raise error(f"{where} must be a list, got {value!r}.")
        return [_coerce(args[0], item, f"{where}[{i}]", error) for i, item in enumerate(value)]
    if origin is Literal:
        if value not in args:
            raise error(unknown(f"{where} is", value, args))
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is str and where.endswith(("validate_from", "test_from", "train_from", ".until", ".before")):
        return str(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise error(f"{where} must be {hint.__name__}, got {value!r}.")
    return value

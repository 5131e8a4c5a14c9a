"""Finds in which resolved options two command lines differ, and which arguments outlived their class."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from hyrec.config.diagnose import merge_options
from hyrec.studies.plan.plan import Change
from hyrec.studies.plan.study_file import RESERVED

_LEFT_OUT = (*RESERVED, "output", "model.schema", "data.schema")
"""What is no difference: options that every cell has its own of, and copies of the schema."""
_CLASS = ".class_path"


def changes_between(
    base: Mapping[str, Any],
    variant: Mapping[str, Any],
    *,
    given: Iterable[Mapping[str, Any]] = (),
    named: Iterable[Mapping[str, Any]] = (),
) -> tuple[Change, ...]:
    """Return the differences of two resolved configs in the short spelling, in the order of the variant.

    A class that was replaced is one change, ``model.mixer: RankMixer -> SelfAttentionMixer``, followed by all
    arguments of the new class. Those that the base was given for the old class and that nobody wrote for the new
    one are carried: Lightning keeps arguments that both classes have.

    Args:
        base: Resolved options of the base.
        variant: Resolved options of the variant.
        given: What the base's configs and options say, in order; decides what was given and not a default.
        named: What the variant's own configs and options say.
    """
    before, after = flatten(base), flatten(variant)
    in_base, in_variant = _keys_of(given), _keys_of(named)
    gone = [
        key.removesuffix(_CLASS)
        for key, new in after.items()
        if key.endswith(_CLASS) and new and before.get(key) not in (None, new)
    ]
    found = []
    for key in {**after, **before}:
        owner = next((place for place in reversed(gone) if key.startswith(f"{place}.") and key != place + _CLASS), None)
        old, new = before.get(key), after.get(key)
        if owner is not None and key not in after:
            continue  # an argument of the class that was replaced
        kept = owner is not None and key in before and old == new and key not in in_variant
        carried = kept and (key in in_base or new != _default(after[f"{owner}{_CLASS}"], key.removeprefix(f"{owner}.")))
        change = Change(key.removesuffix(_CLASS), _shown(key, old), _shown(key, new), carried)
        if carried or change.base != change.value:
            found.append(change)
    return tuple(found)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted keys in the short spelling, without ``init_args``; lists and empty mappings are values.

    Example:
        >>> flatten({"model": {"class_path": "A", "init_args": {"d_model": 8}}})
        {'model.class_path': 'A', 'model.d_model': 8}
    """
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        place = prefix if key == "init_args" else f"{prefix}.{key}" if prefix else str(key)
        if place in _LEFT_OUT or place.endswith(".dict_kwargs"):
            continue
        flat |= flatten(value, place) if isinstance(value, Mapping) and value else {place: value}
    return flat


def _keys_of(trees: Iterable[Mapping[str, Any]]) -> set[str]:
    merged: dict[str, Any] = {}
    for tree in trees:
        merge_options(merged, tree)
    return set(flatten(merged))


def _default(class_path: str, argument: str) -> Any:
    """Return the default of a class's argument; its own object when there is none."""
    module, _, name = class_path.rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    return parameters[argument].default if argument in parameters else inspect.Parameter.empty


def _shown(key: str, value: Any) -> Any:
    return value.rpartition(".")[2] if key.endswith(_CLASS) and isinstance(value, str) else value

"""Finds in which resolved options two command lines differ, and which arguments outlived their class."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from hyrec.config.diagnose import merge_options
from hyrec.studies.plan.plan import Change

NOT_A_DIFFERENCE = ("seed_everything", "name", "config", "trainer.default_root_dir", "ckpt_path", "output")
"""Options that every cell has its own of."""
_COPIES = ("model.schema", "data.schema")
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
    replaced = [
        key for key in after if key.endswith(_CLASS) and before.get(key) not in (None, after[key]) and after[key]
    ]
    gone = [key.removesuffix(_CLASS) for key in replaced]
    found = []
    for key in [*after, *(key for key in before if key not in after)]:
        owner = next((place for place in reversed(gone) if key.startswith(f"{place}.") and key != place + _CLASS), None)
        old, new = before.get(key), after.get(key)
        if owner is not None and key not in after:
            continue  # an argument of the class that was replaced
        kept = owner is not None and key in before and old == new and key not in in_variant
        carried = kept and (key in in_base or new != _default(after[f"{owner}{_CLASS}"], key.removeprefix(f"{owner}.")))
        if old != new or key not in before or carried or owner is not None:
            found.append(Change(key.removesuffix(_CLASS), _shown(key, old), _shown(key, new), carried))
    return tuple(change for change in found if change.carried or change.base != change.value)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted keys in the short spelling, without ``init_args``; lists and empty mappings are values.

    Example:
        >>> flatten({"model": {"class_path": "A", "init_args": {"d_model": 8}}})
        {'model.class_path': 'A', 'model.d_model': 8}
    """
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        place = prefix if key == "init_args" else f"{prefix}.{key}" if prefix else str(key)
        if place in NOT_A_DIFFERENCE or place in _COPIES or place.endswith(".dict_kwargs"):
            continue
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, place)
        else:
            flat[place] = value
    return flat


def _keys_of(trees: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the dotted keys that any of several sources names."""
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

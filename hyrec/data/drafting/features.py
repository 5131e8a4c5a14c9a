"""The features of a draft: which columns become one, of what kind, and why the others do not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import polars as pl

from hyrec.data.drafting.columns import REQUEST, Guess, words
from hyrec.data.drafting.joins import Joined
from hyrec.data.drafting.roles import Roles, Why
from hyrec.data.drafting.time_split import DraftedSplit

_LARGE = 1_000
"""Values from which rare ones share an id."""
_SURELY = 100
"""Rows that it takes to say that each has a value of its own."""
_BUCKETS = {"transform": "bucketize", "num_buckets": 16}


@dataclass(frozen=True)
class DraftedFeature:
    """A feature: its name and options in the recipe, why it is so, and how many values it has."""

    name: str
    options: dict[str, Any]
    why: Why
    distinct: int


def draft_features(
    roles: Roles, joined: list[Joined], split: DraftedSplit
) -> tuple[list[DraftedFeature], dict[str, Why]]:
    """Return the features of an impression, the item first, and the columns that are left out."""
    features: list[DraftedFeature] = []
    left: dict[str, Why] = {}
    own = [("item", roles.item, 3)]
    if split.known_users >= 0.5:
        own.append(("user", roles.user, 5))
    else:
        left[roles.user] = Why(f"only {split.known_users:.0%} of the test rows are by users that train has", sure=False)
    for role, column, min_count in own:
        name = feature_name(column)
        where = {"column": column} if name != column else {}
        options = {**where, "role": role, "group": f"{role}_id", "min_count": min_count}
        features.append(DraftedFeature(name, options, Why(f"the {role}"), _LARGE))
    known = {roles.user, roles.item, roles.time, *roles.group, *roles.outcomes}
    for column in [name for name in roles.log.columns if name and name not in known]:
        if words(column) & REQUEST and roles.log.guesses[column].kind == "id":
            left[column] = Why("it names a request or session: of later ones the model knows nothing")
            continue
        if _is_of_one_row(roles.log.sample[column], roles.log.guesses[column]):
            left[column] = Why("every row has a value of its own, as if it counted them", sure=False)
            continue
        role = roles.belongs.get(column, "context")
        _add(features, left, "log", column, roles.log.guesses[column], role)
    for of in joined:
        for column, seen in of.table.guesses.items() if not of.histories else ():
            if column not in ("", of.key):
                _add(features, left, of.name, column, seen, of.role)
    return features, left


def feature_name(column: str) -> str:
    """Return a column's name as one that a feature may have; RecBole's ``age:float`` is ``age``."""
    return re.sub(r"[^\w-]", "_", column.partition(":")[0]).lstrip("-") or "column"


def _is_of_one_row(values: pl.Series, seen: Guess) -> bool:
    """Whether no later row can hold an id or whole number again."""
    is_discrete = seen.kind in ("id", "dense") and not values.dtype.is_float()
    return is_discrete and len(values) >= _SURELY and values.n_unique() == len(values)


def _add(
    features: list[DraftedFeature], left: dict[str, Why], source: str, column: str, seen: Guess, role: str
) -> None:
    in_log, why, kind = source == "log", Why(seen.why, seen.sure), _options(seen)
    if not kind or ("derive" in kind and in_log):
        left[column if in_log else f"{source}.{column}"] = why
        return
    name = feature_name(column)
    if name in {feature.name for feature in features}:
        name = f"{source}_{name}"
    options = {"role": role} if in_log else {"source": source}
    options |= {"column": column} if name != column else {}
    features.append(DraftedFeature(name, {**options, "group": role, **kind}, why, seen.distinct))


def _options(seen: Guess) -> dict[str, Any]:
    """Return what a column is as a feature; nothing for one that is left out."""
    rare = {"min_count": 5} if seen.distinct > _LARGE else {}
    if seen.kind == "id":
        return {"kind": "id", **rare}
    if seen.kind == "multi_id":
        between = {"separator": seen.separator} if seen.separator else {}
        return {"kind": "multi_id", **between, **rare, "max_length": 50}
    if seen.kind == "dense":
        return {"kind": "dense", **(_BUCKETS if seen.distinct > 16 else {"transform": "standardize"})}
    return {"kind": "dense", "derive": "age", **_BUCKETS} if seen.kind == "day" and not seen.unit else {}

"""The logs beside the log: files of what the same users did elsewhere, drafted as event logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hyrec.data.drafting.columns import ITEM, USER, is_named
from hyrec.data.drafting.joins import REFERS, share_known
from hyrec.data.drafting.raw_table import RawTable
from hyrec.data.drafting.roles import Roles, Why, time_column
from hyrec.data.logs.times import SECONDS_A_DAY, are_local

_FEATURES, _LONGEST = 5, 8
"""Side information of an event, and ids of a list."""
_NO_ZONE = " that do not say their zone: name it"


@dataclass(frozen=True)
class DraftedEvents:
    """A file that seems to be an event log.

    Args:
        name: What the recipe calls it.
        table: The file.
        options: Its event log.
        features: Side information of its events.
        why: How it was found.
    """

    name: str
    table: RawTable
    options: dict[str, Any]
    features: dict[str, dict[str, Any]]
    why: Why


def draft_events(roles: Roles, others: list[RawTable]) -> list[DraftedEvents]:
    """Return the tables that have a time and users of the log."""
    found: list[DraftedEvents] = []
    for table in others:
        time, users = time_column(table), roles.log.ids(roles.user)
        named = [name for name in table.columns if name == roles.user or is_named(name, USER)]
        known = {name: share_known(users, table.ids(name)) for name in named}
        user = max(known, key=lambda name: known[name], default="")
        if time is None or not user or known[user] < REFERS or user == time[0]:
            continue
        seen = table.guesses[time[0]]
        options: dict[str, Any] = {"files": [table.pattern], **table.named, "user": user, "time": time[0]}
        options |= {"time_unit": seen.unit} if seen.unit not in ("", "s") else {}
        is_local = are_local(table.sample[time[0]])
        options |= {"time_zone": "UTC"} if is_local else {}
        options |= {"delay": SECONDS_A_DAY} if seen.kind == "day" else {}
        name = re.sub(r"\W", "_", table.name)
        if name in ("log", *(of.name for of in found)):
            name = f"{name}_events"
        features = _features(roles, table, {user, time[0]})
        if features:
            left = [f"{name}: {own.why}" for name, own in table.guesses.items() if own.kind == "none" and not own.sure]
            told = f"{user} has {known[user]:.0%} of the log's users; times are {seen.why}{_NO_ZONE * is_local}"
            why = Why("; left out: ".join([told, *left]), sure=False)
            found.append(DraftedEvents(name, table, options, features, why))
    return found


def _features(roles: Roles, table: RawTable, taken: set[str]) -> dict[str, dict[str, Any]]:
    features: dict[str, dict[str, Any]] = {}
    for name, seen in table.guesses.items():
        if name in taken or seen.kind not in ("id", "multi_id", "dense") or len(features) == _FEATURES:
            continue
        options: dict[str, Any] = {} if seen.kind == "id" else {"kind": seen.kind}
        if seen.kind == "multi_id":
            options |= {"separator": seen.separator} if seen.separator else {}
            options |= {"max_length": _LONGEST}
        is_item = seen.kind == "id" and (name == roles.item or is_named(name, ITEM))
        if is_item and share_known(roles.log.ids(roles.item), table.ids(name)) > REFERS:
            options["table"] = roles.item
        features[re.sub(r"\W", "_", name)] = options | ({"column": name} if re.search(r"\W", name) else {})
    return features

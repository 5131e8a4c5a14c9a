"""The draft of a recipe: what was guessed, written as YAML with a comment beside every guess."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from hyrec.condition import Condition
from hyrec.data.drafting.event_logs import draft_events
from hyrec.data.drafting.features import DraftedFeature, draft_features
from hyrec.data.drafting.joins import Joined, join
from hyrec.data.drafting.raw_table import RawTable, open_tables
from hyrec.data.drafting.roles import Label, Roles, Why, find_roles
from hyrec.data.drafting.time_split import DraftedSplit, split_by_time, time_zone
from hyrec.data.drafting.unread import unread_times
from hyrec.data.logs.times import are_local
from hyrec.files import yaml_line

_SIDE, _WEEK = 4, 8
"""Features of an event beside its item; days above which a week of them trains."""


@dataclass(frozen=True)
class Draft:
    """A drafted file.

    Args:
        text: Its YAML.
        directory: The folder that holds the files.
        files: Those of the log, or of the rows.
        decisions: What was decided: what, how, and why.
        left_out: Columns of the log, and ``table.column``, that are no features, with the reason.
    """

    text: str
    directory: Path
    files: list[Path]
    decisions: list[tuple[str, str, str]]
    left_out: dict[str, str] = field(default_factory=dict)


def draft_recipe(
    names: Iterable[str], given: dict[str, list[str]], headers: Mapping[str, list[str]] | None = None
) -> Draft:
    """Draft a recipe for files (or all files of folders).

    Args:
        names: The files and folders.
        given: What ``--user`` and the like name.
        headers: Names of the columns of CSV files without a header, by the name of a file or a glob.

    Raises:
        RecipeError: When the log, its user, item, time or label cannot be found.
    """
    return draft_tables(*open_tables(names, headers), given)


def draft_tables(directory: Path, tables: list[RawTable], given: dict[str, list[str]]) -> Draft:
    """Draft a recipe for files that are open, in a folder; the rest is as of ``draft_recipe``."""
    roles = find_roles(tables, given)
    joined, unused = join(roles, [table for table in tables if table is not roles.log])
    events = draft_events(roles, unused)
    unused = [table for table in unused if table not in [of.table for of in events]]
    zone, why_zone = time_zone(roles)
    split = split_by_time(roles, zone)
    features, left = draft_features(roles, joined, split)
    lines = [
        "# Drafted by 'hyrec data init'. Look at '# CHECK:' first; 'hyrec data build --explain KEY' tells of a key."
    ]
    lines += _log_lines(roles, zone, why_zone, split) + _table_lines(joined)
    lines += ["", "event_logs:"] if events else []
    lines += [line(1, of.name, of.options, of.why) for of in events]
    lines += _feature_lines(features, left, _derived(roles, split)) + _history_lines(roles, features, split, joined)
    for of in events:
        lines += [line(1, f"earlier_{of.name}", {"log": of.name, "features": of.features})]
    labels = ", ".join(f"{of.column} above {of.threshold:g}" for of in roles.labels.values())
    log = roles.log
    decisions = [
        ("log", log.pattern, f"{log.num_rows:,} rows, {log.sample.height:,} looked at"),
        ("user", roles.user, _told(roles.why["user"])),
        ("item", roles.item, _told(roles.why["item"])),
        ("time", f"{roles.time} in {roles.unit}", _told(roles.why["time"])),
        ("label", labels, _told(roles.why["label"])),
        ("outcomes", shortened(roles.outcomes), "known only after the impression: never features of it"),
        ("group", ", ".join(roles.group), _told(roles.why["group"])),
        ("split", f"{split.validate_from} | {split.test_from}", _told(split.why)),
        *((f"events {of.name}", of.table.pattern, _told(of.why)) for of in events),
        *((f"table {of.name}", f"{of.table.pattern} by {of.key}", _told(of.why)) for of in joined),
        ("features", shortened(feature.name for feature in features), f"{len(features)} of an impression"),
        ("left out", shortened(left) or "nothing", "the file says why"),
    ]
    if unused:
        unread = {table.pattern: unread_times(table, table.columns) for table in unused}
        decisions += [("not used", pattern, f"CHECK: {told}") for pattern, told in unread.items() if told]
        if others := [pattern for pattern, told in unread.items() if not told]:
            decisions.append(("not used", shortened(others), "the log refers to no unique column of theirs"))
    return Draft(
        "\n".join([*lines, ""]), directory, log.files, decisions, {name: _told(why) for name, why in left.items()}
    )


def _log_lines(roles: Roles, zone: str, why_zone: Why, split: DraftedSplit) -> list[str]:
    lines = ["log:", line(1, "files", [roles.log.pattern])]
    lines += [line(1, key, value) for key, value in roles.log.named.items()]
    lines += [line(1, role, getattr(roles, role), roles.why[role]) for role in ("user", "item", "time")]
    lines += [line(1, "time_unit", roles.unit)]
    if are_local(roles.log.sample[roles.time]):
        lines += [line(1, "naive_zone", "UTC", Why("the times do not say their zone: name it", sure=False))]
    lines += [line(1, "time_zone", zone, why_zone)] if roles.is_clock else []
    lines += ["  outcomes:  # known only after the impression: labels and events of the past, never features of it"]
    lines += [f"    - {yaml_line(name)}{_comment(why)}" for name, why in roles.outcomes.items()]
    bounds = {"validate_from": split.validate_from, "test_from": split.test_from}
    lines += ["", line(0, "split", bounds, split.why), "", "tasks:"]
    why = roles.why["label"]
    for task, label in roles.labels.items():
        text = f"above {label.threshold:g} is positive, {label.rate:.1%} of the rows"
        lines.append(line(1, task, label.options, Why(f"{why.text}; {text}" if why.text else text, why.sure)))
    if roles.others:
        lines.append(f"  # CHECK: these could be labels as well, as NAME: {{column: ...}}: {', '.join(roles.others)}")
    return [*lines, "", line(0, "group", roles.group, roles.why["group"])]


def _table_lines(joined: list[Joined]) -> list[str]:
    tables, lines = [of for of in joined if not of.histories], list[str]()
    lines += ["", "tables:"] if tables else []
    for of in tables:
        on = {"on": of.on} if of.on != of.key else {}
        lines.append(line(1, of.name, {**_files(of.table), "key": of.key, **on, "role": of.role}, of.why))
    for of in _snapshots(joined):
        times = [name for name, seen in of.table.guesses.items() if seen.kind == "time"]
        last = {"last_time": times[0]} if times else {}
        why = Why(f"it holds lists of the log's items: {', '.join(of.histories)}", sure=False)
        lines += ["", line(0, "snapshot", {**_files(of.table), "user": of.key, **last}, why)]
    return lines


def _files(table: RawTable) -> dict[str, Any]:
    return {"files": [table.pattern], **table.named}


def _snapshots(joined: list[Joined]) -> list[Joined]:
    return [of for of in joined if of.histories][:1]


def _feature_lines(features: list[DraftedFeature], left: dict[str, Why], derived: list[str]) -> list[str]:
    lines = ["", "features:", *(line(1, feature.name, feature.options, feature.why) for feature in features)]
    taken = {feature.name for feature in features}
    lines += [line(1, name, {"derive": name, "group": "context"}) for name in derived if name not in taken]
    return lines + [f"  # {'' if why.sure else 'CHECK: '}left out: {name}: {why.text}" for name, why in left.items()]


def _derived(roles: Roles, split: DraftedSplit) -> list[str]:
    """Return what the time tells: hours, and weekdays if those of the test rows can be among those that train."""
    hour = ["hour"] if roles.log.guesses[roles.time].kind == "time" else []
    return [*hour, "weekday"] if roles.is_clock and split.num_days > _WEEK else hour


def _history_lines(
    roles: Roles, features: list[DraftedFeature], split: DraftedSplit, joined: list[Joined]
) -> list[str]:
    """Write counters by item and user and two sequences, refreshed so that they do not rank a group backwards."""
    (task, label), *_ = roles.labels.items()
    refresh = "day" if split.num_days >= 3 and roles.is_clock else "train"
    positive = [_condition(label, roles.log.sample[label.column])]
    prior = {"positive": positive, "prior": round(min(max(label.rate, 0.001), 0.999), 4)}
    by_item = {"keys": [roles.item], **prior, "role": "item", "group": "item_history"}
    by_user = {"keys": [roles.user], **prior, "strength": 5, "refresh": refresh, "group": "user_history"}
    why = Why(
        f"a user's rate rises after a positive: 'event' would rank a group's rows backwards, {refresh!r} does not"
    )
    lines = ["", "counters:", line(1, f"{task}_by_item", by_item), line(1, f"{task}_by_user", by_user, why)]
    lines += ["", "sequences:", "  shown:  # what the user was shown earlier"]
    for of in _snapshots(joined):
        why = Why(f"which of {', '.join(of.histories)} holds what was shown?", sure=False)
        lines.append(line(2, "snapshot", of.histories[0], why))
    item = features[0].name
    lines += ["    features: &side", line(3, item, {"column": roles.item, "table": item})]
    side = [of for of in features[1:] if of.options["group"] in ("item", "context") and of.options["kind"] != "dense"]
    for feature in sorted(side, key=lambda of: -of.distinct)[:_SIDE]:
        options = {key: feature.options[key] for key in ("source", "column", "separator") if key in feature.options}
        first = {"derive": "first"} if feature.options["kind"] == "multi_id" else {}
        lines.append(line(3, feature.name, {**options, **first, "table": feature.name}))
    lines += [f"  {task}_before:  # what of it was positive", line(2, "where", positive)]
    if refresh == "day" and split.later_days < 0.5:
        why = Why(
            f"only {split.later_days:.0%} of the rows have an earlier day of their user; 'day' hides its own",
            sure=False,
        )
        return [*lines, line(2, "refresh", "event", why), "    features: *side"]
    return [*lines, line(2, "refresh", refresh), "    features: *side"]


def _condition(label: Label, values: pl.Series) -> str:
    """Return the condition of a positive, in the form that the label's column has."""
    if values.dtype == pl.Boolean:
        return str(Condition(label.column, "==", True))
    if not label.threshold and values.max() == 1 and values.n_unique() - (values.null_count() > 0) == 2:
        return str(Condition(label.column))
    return str(Condition(label.column, ">", label.threshold))


def line(depth: int, key: str, value: Any, why: Why | None = None) -> str:
    """Write a key and its value on a line of YAML, with the reason as a comment."""
    return f"{'  ' * depth}{yaml_line(key)}: {yaml_line(value)}{_comment(why) if why else ''}"


def shortened(names: Iterable[str], most: int = 5) -> str:
    """Write a few names, and how many more there are."""
    known = list(names)
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")


def _comment(why: Why) -> str:
    return f"  # {'guessed' if why.sure else 'CHECK'}: {why.text}" if why.text else ""


def _told(why: Why) -> str:
    return (why.text if why.sure else f"CHECK: {why.text}") or "given"

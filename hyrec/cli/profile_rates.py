"""The section of a profile's page on label rates: by split, by day, and by the values of small features."""

from __future__ import annotations

import math

from hyrec.cli.profile import share
from hyrec.data.profiling.labels import Rate
from hyrec.data.profiling.profile import Profile
from hyrec.studies.report.blocks import Block, Figure, Inline, Section, Table
from hyrec.studies.report.charts import rate_chart
from hyrec.studies.report.numbers import fixed, slug

_PANELS, _LEAST_SHARE = 6, 0.005


def rates_section(profile: Profile) -> Section:
    """Show how often each label is positive."""
    tasks = list(next(iter(profile.splits.values())).rates)
    blocks = _splits(profile, tasks)
    for task in tasks:
        blocks += [*_days(profile, task), *_slices(profile, task)]
    return Section("labels", "Labels", tuple(blocks))


def _splits(profile: Profile, tasks: list[str]) -> list[Block]:
    last = f"Last ({profile.zone})"
    header = [
        "Split",
        "Rows",
        *_titles(("Label rate", "Unknown"), tasks),
        "First",
        last,
        "Repeated rows",
        "Same user, item, time",
    ]
    rows: list[tuple[Inline, ...]] = []
    inside: list[tuple[Inline, ...]] = []
    for name, f in profile.splits.items():
        rates = [text for task in tasks for text in (fixed(f.rates[task]), share(f.unknown[task]))]
        rows.append(
            (name, f"{f.rows:,}", *rates, f.begin, f.end, share(f.repeated_rows), share(f.repeated_impressions))
        )
        if f.groups is not None:
            both = [share(part[task]) for task in tasks for part in (f.groups.with_both, f.groups.rows_in_both)]
            inside.append((name, f"{f.groups.count:,}", *both))
    right = [i for i, word in enumerate(header) if word not in ("Split", "First", last)]
    blocks: list[Block] = [Table(tuple(header), tuple(rows), right)]
    if inside:
        names = ("Split", "Groups", *_titles(("Groups with both labels", "Rows in those"), tasks))
        caption = "Only groups with both labels tell how well rows are ranked within a group."
        blocks.append(Table(names, tuple(inside), range(1, len(names)), caption))
    return blocks


def _titles(words: tuple[str, ...], tasks: list[str]) -> list[str]:
    return [word if len(tasks) == 1 else f"{word} ({task})" for task in tasks for word in words]


def _days(profile: Profile, task: str) -> list[Block]:
    days = sorted({day.value for f in profile.splits.values() for day in f.days})
    if not days:
        return []
    series = []
    for split, f in profile.splits.items():
        rates = {day.value: day.rates[task] for day in f.days}
        series.append((split, [rates.get(day) for day in days]))
    title = f"Label rate of {task} by day ({profile.zone})"
    chart = rate_chart(f"days-{slug(task)}", title, [day[5:] for day in days], series, joined=True)
    rows = tuple(
        (day.value, split, f"{day.rows:,}", fixed(day.rates[task]))
        for split, f in profile.splits.items()
        for day in f.days
    )
    numbers = Table(("Day", "Split", "Rows", "Label rate"), rows, (2, 3))
    return [Figure(f"Label rate of {task} by day", (chart,), table=numbers)]


def _slices(profile: Profile, task: str) -> list[Block]:
    """Show the features whose values differ most in label rate, and all of them as numbers."""
    first = next(iter(profile.splits))
    ordered = sorted(profile.slices, key=lambda name: -_spread(profile.slices[name].get(first, []), task))[:_PANELS]
    charts, rows = [], []
    for name in ordered:
        parts = {split: _usual(profile, split, rates, task) for split, rates in profile.slices[name].items()}
        values = sorted({value for rates in parts.values() for value in rates}, key=_natural)
        series = [(split, [rates.get(value) for value in values]) for split, rates in parts.items()]
        title = f"Label rate of {task} by {name}"
        charts.append(rate_chart(f"slice-{slug(task)}-{slug(name)}", title, values, series, heading=name, joined=False))
        for split, rates in profile.slices[name].items():
            rows += [(name, r.value, split, f"{r.rows:,}", fixed(r.rates[task])) for r in rates]
    if not charts:
        return []
    caption = (
        f"The features with few values that differ most in label rate; values of {_LEAST_SHARE:.1%} of a split's rows "
        "or more. All such features are in profile.json."
    )
    numbers = Table(("Feature", "Value", "Split", "Rows", "Label rate"), tuple(rows), (3, 4))
    return [Figure(f"Label rate of {task} by value", tuple(charts), caption, numbers)]


def _usual(profile: Profile, split: str, rates: list[Rate], task: str) -> dict[str, float | None]:
    """Return the label rates of values that are not too rare for one."""
    least = _LEAST_SHARE * profile.splits[split].rows_read
    return {rate.value: rate.rates[task] for rate in rates if rate.rows >= least}


def _spread(rates: list[Rate], task: str) -> float:
    """Return the standard deviation of the label rate over the rows."""
    known = [(r.rows, rate) for r in rates if (rate := r.rates[task]) is not None]
    total = sum(rows for rows, _ in known)
    if not total:
        return 0.0
    mean = sum(rows * rate for rows, rate in known) / total
    return math.sqrt(sum(rows * (rate - mean) ** 2 for rows, rate in known) / total)


def _natural(value: str) -> tuple[int, float, str]:
    """Sort numbers as numbers, then words."""
    text = value.removeprefix("id ")
    return (0, float(text), "") if text.isdigit() else (1, 0.0, value)

"""The draft of a schema for Parquet files that hold training rows already."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from hyrec.data.drafting.columns import ITEM, REQUEST, USER, Guess, is_named, words
from hyrec.data.drafting.features import feature_name
from hyrec.data.drafting.raw_table import RawTable, open_tables
from hyrec.data.drafting.recipe_draft import Draft, line, shortened
from hyrec.data.drafting.roles import Why, find_labels, find_outcomes
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.feature import NUM_RESERVED_IDS

_LARGEST = 2**22
"""Rows of a table above which whole numbers are hashed."""


def draft_schema(names: Iterable[str], given: dict[str, list[str]]) -> Draft:
    """Draft a schema for files (or all files of folders); ``given`` is what ``--user`` and the like name.

    Raises:
        RecipeError: For other files than Parquet of one kind, and when no label can be found.
    """
    directory, tables = open_tables(names)
    table = max(tables, key=lambda one: one.num_rows)
    if len(tables) > 1 or table.separators:
        raise RecipeError(
            f"--schema is for Parquet files with the same columns, got {shortened(one.pattern for one in tables)}.\n"
            "Write CSV as Parquet first, with pandas, polars or DuckDB; a recipe reads CSV: drop --schema."
        )
    sample, guesses = table.sample, table.guesses
    labels, others, why_label = find_labels(table, given.get("label", []), (), {})
    times = given.get("time") or [name for name, seen in guesses.items() if seen.kind == "time"][:1]
    groups = given.get("user") or _groups(table)
    columns = [label.column for label in labels.values()]
    outcomes = find_outcomes(
        sample, [name for name in sample.columns if name not in columns], next(iter(labels.values())), others, {}
    )
    known = {*times, *outcomes, *columns}
    features: list[str] = []
    left: list[str] = []
    prefixes = Counter(_prefix(name) for name in sample.columns)
    for name in [name for name in sample.columns if name not in known]:
        options = _options(table, name)
        if not options:
            left.append(f"  # left out: {name}: {guesses[name].why}")
            continue
        role = "item" if words(name) & ITEM else "user" if words(name) & USER else "context"
        own = {"column": name} if feature_name(name) != name else {}
        group = _prefix(name) if prefixes[_prefix(name)] > 1 else role
        why = Why(guesses[name].why, guesses[name].sure)
        features.append(line(1, feature_name(name), {**own, **options, "role": role, "group": group}, why))
    left += [f"  # CHECK: left out: {name}: {why.text}" for name, why in outcomes.items()]
    lines = ["# Drafted by 'hyrec data init --schema'. Look at '# CHECK:' first.", "tasks:"]
    for task, label in labels.items():
        lines.append(
            line(1, task, label.options, Why(f"{why_label.text}; {label.rate:.1%} are positive", why_label.sure))
        )
    lines += [line(0, "group_column", name, Why("query-level AUC compares its rows")) for name in groups]
    lines += _time_lines(table, times) if times else []
    lines += ["features:", *features, *left]
    decisions = [
        ("rows", table.pattern, f"{table.num_rows:,}, of which {sample.height:,} were looked at"),
        ("label", ", ".join(columns), why_label.text),
        ("group", ", ".join(groups) or "none", "" if groups else "no query-level metrics; --user names a column"),
        ("split", ", ".join(times) or "none", "80/10/10 by time" if times else "by files: train, validate, test"),
        ("features", shortened(feature_name(name) for name in sample.columns if name not in known), f"{len(features)}"),
        ("left out", shortened(outcomes) or "nothing", "they may tell the label" if outcomes else ""),
    ]
    return Draft("\n".join([*lines, ""]), directory, table.files, decisions)


def _groups(table: RawTable) -> list[str]:
    sample, guesses = table.sample, table.guesses
    ids = [
        name for name in sample.columns if guesses[name].kind == "id" and sample.height > 1.2 * guesses[name].distinct
    ]
    return [name for of in (REQUEST, USER) for name in ids if is_named(name, of)][:1]


def _time_lines(table: RawTable, times: list[str]) -> list[str]:
    name, seen = times[0], table.guesses[times[0]]
    moments = table.column(name).drop_nulls().sort()
    bounds = [moments[int(part * len(moments))] for part in (0.8, 0.9)]
    texts = [bound.isoformat() if hasattr(bound, "isoformat") else str(int(bound)) for bound in bounds]
    split = dict(zip(("validate_from", "test_from"), texts, strict=True))
    why, unit = Why(seen.why, seen.sure), seen.unit or "s"
    return [line(0, "time_column", name, why), line(0, "time_unit", unit), line(0, "split", split, Why("80/10/10"))]


def _prefix(name: str) -> str:
    """Return what names of one group begin with: ``C`` of ``C12``, ``user`` of ``user_age``."""
    return re.split(r"[\d_.]", name, maxsplit=1)[0] or name


def _options(table: RawTable, name: str) -> dict[str, Any]:
    """Return what a column is as a feature; nothing for one that is left out."""
    values, seen = table.sample[name], table.guesses[name]
    if isinstance(values.dtype, (pl.List, pl.Array)) and seen.kind == "none":
        widths = values.drop_nulls().cast(pl.List(values.dtype.inner)).list.len()
        is_vector = values.dtype.inner.is_numeric() and widths.n_unique() == 1
        return {"kind": "dense", "width": int(widths[0])} if is_vector else {}
    if seen.kind in ("id", "multi_id"):
        between = {"separator": seen.separator} if seen.separator else {}
        lists = {"max_length": 50} if seen.kind == "multi_id" else {}
        return {"kind": seen.kind, **between, **_size(table.column(name), seen), **lists}
    if seen.kind == "dense":
        return {"kind": "dense", **_scaling(values.drop_nulls().cast(pl.Float64).to_numpy())}
    return {}


def _size(values: pl.Series, seen: Guess) -> dict[str, int]:
    """Return the size of an embedding table: small whole numbers count from 0, others are hashed."""
    while values.dtype.is_nested():
        values = values.explode()
    if values.dtype.is_integer() and len(known := values.drop_nulls()):
        low, high = map(int, (known.min(), known.max()))  # type: ignore[arg-type]
        if low >= 0 and high < _LARGEST:
            return {"vocab_size": high + 1 + NUM_RESERVED_IDS, "offset": NUM_RESERVED_IDS}
    return {"hash_size": max(1_000, 2 ** (4 * seen.distinct).bit_length())}


def _scaling(numbers: np.ndarray) -> dict[str, Any]:
    numbers = numbers[np.isfinite(numbers)]
    if numbers.min() >= 0 and numbers.max() > 100 * max(1.0, float(np.median(numbers))):
        return {"transform": "log1p"}
    mean, std = float(f"{numbers.mean():.6g}"), float(f"{numbers.std():.6g}")
    return {"transform": "standardize", "mean": mean, "std": std or 1.0}

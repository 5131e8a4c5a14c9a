"""Columns that hold times or labels in a form that is not read, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from hyrec.data.drafting.columns import share
from hyrec.data.drafting.raw_table import RawTable
from hyrec.data.moments import parse_iso
from hyrec.messages import listed

_DATE = (
    r"^\s*(\d{1,4}([./-])\d{1,2}([./-])\d{1,4}|\d{1,2}[ -][A-Za-z]{3,9}[ -]\d{2,4}|[A-Za-z]{3,9}\.? \d{1,2},? \d{4})"
    r"([ T,]+\d{1,2}:\d{2}.*)?\s*$"
)


def unread_times(table: RawTable, names: Iterable[str]) -> str:
    """Say which columns hold dates in a form that is not read, and in which they would be."""
    found = {name: entry for name in names if (entry := _unread_time(table.sample[name]))}
    if not found:
        return ""
    held = " and ".join(f"{name!r} of {table.pattern} holds {entry!r}" for name, entry in found.items())
    return (
        f"{held}: nothing tells day from month there. Write ISO date-times, as 2024-01-25 06:07:00, timestamps, or "
        "numbers since 1970."
    )


def of_words(sample: pl.DataFrame) -> str:
    """Tell of columns with two words, which may be labels once they are numbers."""
    texts = [values for values in sample if values.dtype == pl.String and values.drop_nulls().n_unique() == 2]
    held = [f"{of.name} ({' and '.join(map(repr, sorted(of.drop_nulls().unique())))})" for of in texts]
    return f"\n{listed(held, 'Columns of two words, which are labels once they are 0 and 1')}" if held else ""


def _unread_time(values: pl.Series) -> str:
    """Return an entry of a column of dates in a form that is not read, such as ``25/01/2024 06:07``; else nothing."""
    known = values.drop_nulls().head(1000) if values.dtype == pl.String else pl.Series([], dtype=pl.String)
    if not len(known) or share(known.str.contains(_DATE)) < 0.9 or all(parse_iso(text) is not None for text in known):
        return ""
    return str(known[0])

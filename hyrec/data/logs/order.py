"""Which rows of a log are used, and in which order: by time, and rows of one time by what they hold."""

from __future__ import annotations

import numpy as np
import polars as pl

from hyrec.data.logs.event_log import EventLog
from hyrec.data.logs.files import Source
from hyrec.data.logs.history import Positions, key_codes, runs
from hyrec.data.logs.recipe_parts import Log, RecipeError
from hyrec.data.logs.rows import Mask, Rows, matching

_TIE, _PLACE = "number of the tie", "row of the ties"


def ordered_rows(
    log: Log | EventLog,
    source: Source,
    keys: pl.DataFrame,
    named: dict[str, str],
    where: str,
    is_event: Mask | None = None,
) -> tuple[Positions, dict[str, int], int]:
    """Return the rows that are used in their order, how many are not, by reason, and how many repeat another.

    ``keys`` are sorted by, the first of them first; ``named`` are the columns of the log that they are, and what
    messages call them. ``where`` is the log's place in the recipe. Rows that are no event repeat none by
    ``log.unique``; None: all are events.
    """
    order, dropped = _kept(log, source, keys, named, where)
    if log.unique:
        events = order if is_event is None else order[is_event[order]]
        repeats = _repeats(log, source, keys.select(pl.all().gather(events)), named, events, where)
        dropped[f"repeats another by {', '.join(log.unique)}"] = len(repeats)
        order = np.setdiff1d(order, repeats, assume_unique=True)
    kept = keys if len(order) == keys.height else keys[order]
    order = order[kept.select(pl.arg_sort_by(*keys.columns)).to_series().to_numpy()]
    del kept
    order, repeated = _break_ties(log, source, keys, order, set(named), where)
    if log.repeated == "drop":
        dropped["repeats another row"] = repeated
    return order, dropped, repeated


def _kept(
    log: Log | EventLog, source: Source, keys: pl.DataFrame, named: dict[str, str], where: str
) -> tuple[Positions, dict[str, int]]:
    keep = keys.select(pl.all_horizontal(pl.all().is_not_null())).to_series().to_numpy().copy()
    *first, last = [name for name in ("user", "item", "time") if name in keys.columns]
    dropped = {f"{', '.join(first)} or {last} missing": int((~keep).sum())}
    as_stored = Rows(
        keys.height,
        source.columns,
        lambda name, as_id: keys[named[name]] if name in named else source.read(name, as_id=as_id),
    )
    for condition in log.keep:
        fulfilled = matching(as_stored, [condition], f"{where}.keep")
        dropped[f"not {condition}"] = int((keep & ~fulfilled).sum())
        keep &= fulfilled
    return np.flatnonzero(keep).astype(np.uint32), dropped


def _repeats(
    log: Log | EventLog, source: Source, keys: pl.DataFrame, named: dict[str, str], rows: Positions, where: str
) -> Positions:
    """Return those of some rows that another, the first or last by ``log.unique``, stands for; ``keys`` are theirs."""
    columns = [
        keys[named[name]] if name in named else source.read(name, as_id=True).gather(rows) for name in log.unique
    ]
    code = key_codes(columns)
    known = np.flatnonzero(pl.DataFrame(columns).select(pl.all_horizontal(pl.all().is_not_null())).to_series())
    by_time = np.lexsort((rows[known], ~source.is_kept()[rows[known]], keys["time"].gather(known), code[known]))
    order = known[by_time]
    starts, ends = runs(code[order])
    one_each = order[ends - 1 if log.repeated == "last" else starts]
    repeats = np.setdiff1d(known, one_each, assume_unique=True)
    if log.repeated == "error" and len(repeats):
        most = int(np.argmax(ends - starts))
        example = ", ".join(f"{column.name} {column[int(order[starts[most]])]!r}" for column in columns)
        raise RecipeError(
            f"{where}.repeated is 'error', and {len(repeats):,} of {len(rows):,} rows repeat another by {where}.unique "
            f"({', '.join(log.unique)}); {int(ends[most] - starts[most]):,} rows have {example}. Write 'first' or "
            "'last' to use one of them, or mend the log."
        )
    return rows[repeats]


def _break_ties(
    log: Log | EventLog, source: Source, keys: pl.DataFrame, order: Positions, own: set[str], where: str
) -> tuple[Positions, int]:
    """Order rows with the same keys by their other columns; treat those that repeat another, and count them.

    Of rows that are alike in all columns those that a build has kept come first, then those of earlier lines.
    """
    same = np.ones(len(order), dtype=np.bool_)
    same[:1] = False
    for key in keys.columns:
        ordered = keys[key].gather(order)
        same &= (ordered == ordered.shift(1)).fill_null(False).to_numpy()
    tied = np.flatnonzero(same | np.append(same[1:], False))
    if not len(tied):
        return order, 0
    others = sorted(source.columns - own)
    by_line = np.lexsort((order[tied], ~source.is_kept()[order[tied]]))
    rows = order[tied][by_line]
    number = pl.Series(_TIE, np.cumsum(~same)[tied][by_line])
    frame = pl.DataFrame([number, *(source.read(name).gather(rows) for name in others)])
    by = [name for name in frame.columns if not frame[name].dtype.is_nested()]
    frame = frame.with_row_index(_PLACE).sort(by, maintain_order=True)
    order = order.copy()
    order[tied] = rows[frame[_PLACE].to_numpy()]
    repeats = ~frame.select(pl.struct(_TIE, *others).is_first_distinct()).to_series().to_numpy()
    if log.repeated == "error" and repeats.any():
        first = keys.row(int(order[tied[np.flatnonzero(repeats)[0]]]), named=True)
        raise RecipeError(
            f"{where}.repeated is 'error', and {int(repeats.sum()):,} rows repeat another in all "
            f"{len(others) + len(keys.columns)} columns that the recipe reads; one of them has {first}. Write 'keep' "
            "or 'drop', or mend the log."
        )
    if log.repeated == "drop":
        order = np.delete(order, tied[repeats])
    return order, int(repeats.sum())

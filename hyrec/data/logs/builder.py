"""``build``: logs in, training Parquet and schema out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from hyrec.data.logs.counters import Floats, count_before, log_odds
from hyrec.data.logs.encode import Encoded, Encoder, Mask
from hyrec.data.logs.history import UNTIMED, EventIndex, Ints, key_codes
from hyrec.data.logs.reading import LIST, Logs, matching, read_logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import Column, Counter, RecipeError
from hyrec.data.logs.report import BuildReport, LengthStats
from hyrec.data.logs.times import UNITS, bound
from hyrec.data.logs.writer import ColumnReader, SequenceColumns, jagged, scalar, write
from hyrec.messages import suggest
from hyrec.schema import MISSING_ID, OOV_ID, Schema, SchemaError, SequenceSpec, Task

SPLITS = ("train", "validate", "test")


@dataclass(frozen=True)
class _Rows:
    """The log by role.

    Args:
        logs: What was read, without the rows from ``split.until`` on.
        split: 0, 1, 2 for rows that train, validate, test; -1 for history only.
        is_event: Rows that histories may hold (not those that the snapshot covers).
        sees_snapshot: Rows that are later than their user's snapshot.
        sees_all_snapshots: Rows that are later than everybody's.
        seen: First moment that each row does not see any more: its time less ``log.delay``.
    """

    logs: Logs
    split: Ints
    is_event: Mask
    sees_snapshot: Mask
    sees_all_snapshots: Mask
    seen: Ints

    def seen_by(self, refresh: str) -> Ints:
        """Return the first moment that is not seen any more, when figures are refreshed so often."""
        return self.seen if refresh == "event" else np.minimum(self.seen, self.logs.day_start)

    def known(self, refresh: str) -> Ints:
        """Return the moment from which on each row counts, when figures are refreshed so often.

        A row that began before the midnight of its ``log.day`` counts from that midnight on: what is refreshed
        by day then never sees rows of the same logged day.
        """
        return self.logs.time if refresh == "event" else np.maximum(self.logs.time, self.logs.day_start)


def build(recipe: Recipe, input_dir: str | Path, out_dir: str | Path, *, row_group_size: int = 8192) -> BuildReport:
    """Turn logs into ``train.parquet``, ``validate.parquet``, ``test.parquet`` and ``schema.yaml``.

    Every row holds what was known strictly before its impression. Beside those files come ``vocabulary/``
    (value to id, by embedding table), ``recipe.yaml`` and ``report.json``. The same input gives the same
    files.

    Args:
        recipe: How.
        input_dir: Where the files are that the recipe names.
        out_dir: Where the data set goes; created when missing, its files replaced.
        row_group_size: Rows of a Parquet row group.

    Raises:
        RecipeError: When the logs do not fit the recipe.
    """
    rows = _part(recipe, read_logs(recipe, Path(input_dir)))
    logs, used = rows.logs, rows.split >= 0
    events_to_fit = rows.is_event & (logs.moment < bound(recipe.split.validate_from, recipe, "split.validate_from"))
    encoder = Encoder(recipe, logs, rows.split == 0, events_to_fit)
    encoded = {name: encoder.feature(name) for name in recipe.features}
    encoded |= _counters(recipe, rows, encoder)
    sequences = {name: _sequence(recipe, name, rows, encoder) for name in recipe.sequences}
    schema = _schema(recipe, encoded, {name: spec for name, (spec, _) in sequences.items()})

    out = Path(out_dir)
    (out / "vocabulary").mkdir(parents=True, exist_ok=True)
    for table, vocabulary in encoder.vocabularies.items():
        vocabulary.save(out / "vocabulary" / f"{table}.parquet")
    columns = _raw_columns(recipe, logs)
    for name, column in encoded.items():
        if column.feature.column in columns:
            raise RecipeError(f"features.{name} and a column of the log would both be {column.feature.column!r}.")
        columns[column.feature.column] = (
            scalar(column.values) if column.offsets is None else jagged(column.values, column.offsets)
        )
    lists = [columns_of for _, columns_of in sequences.values()]
    for number, split in enumerate(SPLITS):
        write(out / f"{split}.parquet", np.flatnonzero(rows.split == number), columns, lists, row_group_size)
    schema.save(out / "schema.yaml")
    recipe.save(out / "recipe.yaml")
    report = BuildReport(
        files=logs.files,
        rows_read=logs.rows.height + sum(logs.dropped.values()),
        dropped=logs.dropped,
        history_only=int((~used).sum()),
        splits={split: int((rows.split == i).sum()) for i, split in enumerate(SPLITS)},
        base_rates={split: _base_rates(recipe, logs.rows, rows.split == i) for i, split in enumerate(SPLITS)},
        vocabulary={table: vocabulary.size for table, vocabulary in encoder.vocabularies.items()},
        rare_values={table: vocabulary.num_rare for table, vocabulary in encoder.vocabularies.items()},
        oov={split: _shares(encoded, rows.split == i, OOV_ID) for i, split in enumerate(SPLITS)},
        missing={split: _shares(encoded, rows.split == i, MISSING_ID) for i, split in enumerate(SPLITS)},
        history_lengths={name: _lengths(columns_of, used) for name, (_, columns_of) in sequences.items()},
        snapshot_events=logs.past.height,
        snapshot_hidden=int((used & ~rows.sees_snapshot).sum()),
        notes=_notes(recipe, logs),
    )
    report.save(out / "report.json")
    return report


def _part(recipe: Recipe, logs: Logs) -> _Rows:
    """Decide which rows train, validate, test, and which are history."""
    split = recipe.split
    limits = [
        bound(split.validate_from, recipe, "split.validate_from"),
        bound(split.test_from, recipe, "split.test_from"),
    ]
    if limits[0] > limits[1]:
        raise RecipeError(f"split.validate_from {split.validate_from} is after split.test_from {split.test_from}.")
    if split.until:
        keep = logs.moment < bound(split.until, recipe, "split.until")
        dropped = logs.dropped | {f"from split.until {split.until} on": int((~keep).sum())}
        logs = replace(
            logs,
            rows=logs.rows.filter(pl.Series(keep)),
            time=logs.time[keep],
            moment=logs.moment[keep],
            day_start=logs.day_start[keep],
            dropped=dropped,
        )
    number = np.searchsorted(np.array(limits), logs.moment, side="right").astype(np.int64)
    if split.train_from:
        number[logs.moment < bound(split.train_from, recipe, "split.train_from")] = -1
    if not (number == 0).any():
        raise RecipeError(
            f"No row trains: the log's days are {_day_range(logs, recipe)}, split.train_from is "
            f"{split.train_from or 'open'} and split.validate_from {split.validate_from}."
        )
    seen = logs.time - round(recipe.log.delay * UNITS[recipe.log.time_unit])
    is_event = np.ones(logs.rows.height, dtype=np.bool_)
    sees = everyone = np.ones(logs.rows.height, dtype=np.bool_)
    spec = recipe.snapshot
    if spec is not None and logs.snapshot is not None:
        if spec.before:
            is_event = logs.moment >= bound(spec.before, recipe, "snapshot.before")
        if spec.last_time:
            last = logs.snapshot[spec.last_time]
            by_user = logs.rows.select(recipe.log.user).join(
                logs.snapshot.select(recipe.log.user, last.alias("last")),
                on=recipe.log.user,
                how="left",
                maintain_order="left",
            )["last"]
            sees = by_user.fill_null(UNTIMED).to_numpy() < seen
            newest = last.max()
            everyone = seen > (newest if isinstance(newest, int) else UNTIMED)
    return _Rows(logs, number, is_event, sees, everyone, seen)


def _counters(recipe: Recipe, rows: _Rows, encoder: Encoder) -> dict[str, Encoded]:
    """Compute every counter for every row of the log."""
    logs, unit = rows.logs, UNITS[recipe.log.time_unit]
    rates: dict[str, Floats] = {}
    encoded: dict[str, Encoded] = {}
    for name, counter in recipe.counters.items():
        where = f"counters.{name}"
        keys = [_key(logs.rows, key, where) for key in counter.keys]
        code = key_codes(keys)
        event = rows.is_event & matching(logs.rows, counter.where, f"{where}.where")
        positive = matching(logs.rows, counter.positive, f"{where}.positive") & bool(counter.positive)
        seen = rows.seen_by(counter.refresh)
        known = None if counter.refresh == "event" else rows.known(counter.refresh)[event]
        counts = count_before(code[event], logs.time[event], positive[event], code, logs.time, seen, known)
        counts = counts.plus(
            _snapshot_counts(recipe, rows, counter, counter.snapshot_events, where),
            _snapshot_counts(recipe, rows, counter, counter.snapshot_positives, where),
        )
        prior = rates[counter.backoff] if counter.backoff else np.full(len(code), counter.prior)
        rates[name] = counts.rate(prior, counter.strength)
        made = {
            "rate": log_odds(rates[name].clip(1e-6, 1 - 1e-6)),
            "count": np.log1p(counts.events),
            "age": np.log1p(counts.age / unit),
        }
        for value in counter.values:
            floats = made[value].astype(np.float32)
            column = Column(kind="dense", transform=counter.transform, num_buckets=counter.num_buckets)
            feature = encoder.dense(
                column, floats, encoder.train_rows, counter.group, counter.role, f"f_{name}_{value}"
            )
            encoded[f"{name}_{value}"] = Encoded(feature, pa.array(floats, from_pandas=True))
    return encoded


def _key(frame: pl.DataFrame, key: str, where: str) -> pl.Series:
    if key not in frame.columns:
        raise RecipeError(f"{where}.keys names {key!r}, which is no column.{suggest(key, frame.columns)}")
    return frame[key]


def _snapshot_counts(recipe: Recipe, rows: _Rows, counter: Counter, column: str, where: str) -> Floats:
    """Return how many events of the snapshot each row's key has, 0 for rows that do not see it."""
    logs, user = rows.logs, recipe.log.user
    if not column or logs.snapshot is None:
        return np.zeros(logs.rows.height)
    seen = rows.sees_snapshot if user in counter.keys else rows.sees_all_snapshots
    if column in logs.snapshot.columns:
        if counter.keys != [user]:
            raise RecipeError(f"{where} counts the numbers of {column!r}: that is for keys [{user}] alone.")
        numbers = logs.rows.select(user).join(
            logs.snapshot.select(user, pl.col(column).alias("number")),
            on=user,
            how="left",
            maintain_order="left",
        )["number"]
        known = numbers.fill_null(0).cast(pl.Float64).to_numpy()
        return np.where(seen, known, 0.0)
    past = logs.past.filter(pl.col(LIST) == column)
    if absent := [key for key in counter.keys if key not in past.columns]:
        raise RecipeError(f"{where} counts the snapshot by {absent[0]!r}, but its events have users and items only.")
    code = key_codes([pl.concat([logs.rows[key], past[key]]) for key in counter.keys])
    counted = np.bincount(code[logs.rows.height :], minlength=int(code.max(initial=0)) + 1)
    return np.where(seen, counted[code[: logs.rows.height]], 0).astype(np.float64)


def _sequence(recipe: Recipe, name: str, rows: _Rows, encoder: Encoder) -> tuple[SequenceSpec, SequenceColumns]:
    spec, logs, user = recipe.sequences[name], rows.logs, recipe.log.user
    fulfilled = rows.is_event & matching(logs.rows, spec.where, f"sequences.{name}.where")
    listed = np.zeros(0, dtype=np.int64)
    users = logs.rows[user]
    if spec.snapshot and logs.snapshot is not None:
        listed = np.flatnonzero((logs.past[LIST] == spec.snapshot).to_numpy())
        users = pl.concat([users, logs.past[user]])
    pool = np.concatenate([listed + logs.rows.height, np.flatnonzero(fulfilled)])
    code = key_codes([users])
    untimed = np.full(logs.past.height, UNTIMED)
    time = np.concatenate([logs.time, untimed])[pool]
    index = EventIndex(code[pool], np.concatenate([rows.known(spec.refresh), untimed])[pool])
    since = np.where(rows.sees_snapshot, UNTIMED, UNTIMED + 1)
    start, end = index.before(code[: logs.rows.height], rows.seen_by(spec.refresh), since)
    # An unknown time is null in the file, which readers take as missing and not as a very long time ago.
    events = {f"s_{name}__time": pa.array(time, mask=time == UNTIMED)}
    features = {}
    for side in spec.features:
        column = encoder.side_information(name, side, fulfilled)
        features[side] = column.feature
        events[column.feature.column] = column.values.take(pa.array(pool))
    written = SequenceSpec(features=features, time_column=f"s_{name}__time", max_length=spec.max_length)
    return written, SequenceColumns(index, start, end, events, spec.max_length)


def _schema(recipe: Recipe, encoded: dict[str, Encoded], sequences: dict[str, SequenceSpec]) -> Schema:
    log = recipe.log
    try:
        return Schema(
            features={name: column.feature for name, column in encoded.items()},
            tasks={name: replace(task, column=task.column or name) for name, task in recipe.tasks.items()},
            sequences=sequences,
            groups=recipe.groups,
            group_column=recipe.group_column,
            time_column=log.time,
            time_unit=log.time_unit,
            id_columns=list(dict.fromkeys([log.user, log.item])),
        )
    except SchemaError as error:
        raise RecipeError(f"The recipe describes a schema that cannot be used: {error}") from error


def _raw_columns(recipe: Recipe, logs: Logs) -> dict[str, ColumnReader]:
    """Return the columns that are written as they are: ids, time, group and labels."""
    log = recipe.log
    labels = [task.column or name for name, task in recipe.tasks.items()]
    names = dict.fromkeys([log.user, log.item, log.time, recipe.group_column, *labels])
    return {name: scalar(logs.rows[name].rechunk().to_arrow()) for name in names}


def _base_rates(recipe: Recipe, frame: pl.DataFrame, mask: Mask) -> dict[str, float]:
    rates = {}
    for name, task in recipe.tasks.items():
        known = frame[task.column or name].filter(pl.Series(mask)).drop_nulls()
        positive = _is_positive(known, task).to_numpy()
        rates[name] = float(positive.mean()) if len(positive) else 0.0
    return rates


def _is_positive(values: pl.Series, task: Task) -> pl.Series:
    values = values.cast(pl.Float64)
    return values.is_in(task.positive) if task.positive else values > task.threshold


def _shares(encoded: dict[str, Encoded], mask: Mask, counted: int) -> dict[str, float]:
    """Return the share of one reserved id by feature; for dense features the share of missing values."""
    shares = {}
    for name, column in encoded.items():
        marked = mask if column.offsets is None else np.repeat(mask, np.diff(column.offsets))
        values = column.values.filter(pa.array(marked))
        if column.feature.kind == "dense":
            share = values.null_count / len(values) if counted == MISSING_ID and len(values) else 0.0
        else:
            ids = values.to_numpy()
            ids = ids[ids != MISSING_ID] if counted == OOV_ID else ids
            share = float((ids == counted).mean()) if len(ids) else 0.0
        if share > 0:
            shares[name] = round(share, 6)
    return shares


def _lengths(columns: SequenceColumns, used: Mask) -> LengthStats:
    lengths = np.minimum(columns.end - columns.start, columns.max_length)[used]
    return LengthStats(
        round(float(lengths.mean()), 4),
        float(np.quantile(lengths, 0.95)),
        int(lengths.max()),
        round(float((lengths == 0).mean()), 6),
    )


def _day_range(logs: Logs, recipe: Recipe) -> str:
    if not len(logs.moment):
        return "none (no rows)"
    ends = pl.from_epoch(pl.Series([logs.moment.min(), logs.moment.max()]), time_unit=recipe.log.time_unit)
    local = ends.dt.replace_time_zone("UTC").dt.convert_time_zone(recipe.log.time_zone)
    first, last = local.dt.strftime("%Y-%m-%d")
    return f"{first} to {last}"


def _notes(recipe: Recipe, logs: Logs) -> list[str]:
    notes = []
    if recipe.snapshot is not None and logs.snapshot is None:
        notes.append(f"No snapshot ({', '.join(recipe.snapshot.files)}) was found: histories begin with the log.")
    return notes

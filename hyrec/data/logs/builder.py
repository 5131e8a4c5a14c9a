"""``build``: logs in, training Parquet and schema out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from hyrec.data.logs.counters import EventCounts, Floats, log_odds
from hyrec.data.logs.encode import Encoded, Encoder
from hyrec.data.logs.groups import Groups
from hyrec.data.logs.history import UNTIMED, EventIndex, key_codes, slices
from hyrec.data.logs.ids import one_form
from hyrec.data.logs.output import data_set_folder
from hyrec.data.logs.reading import LIST, Logs, read_logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import Column, Counter, RecipeError
from hyrec.data.logs.report import SPLITS, BuildReport, LengthStats, length_stats, report_of
from hyrec.data.logs.roles import Roles, of_user, part
from hyrec.data.logs.rows import Rows, matching
from hyrec.data.logs.times import bound
from hyrec.data.logs.writer import ColumnReader, SequenceColumns, Store, column, write
from hyrec.data.moments import UNITS
from hyrec.schema import Schema, SchemaError, SequenceSpec


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
    with data_set_folder(Path(out_dir)) as (folder, working):
        return _build(recipe, Path(input_dir), folder, Store(working), row_group_size)


def _build(recipe: Recipe, input_dir: Path, out: Path, store: Store, row_group_size: int) -> BuildReport:
    logs = read_logs(recipe, input_dir, store)
    rows = part(recipe, logs)
    events_to_fit = rows.is_event & (logs.moment < bound(recipe.split.validate_from, recipe, "split.validate_from"))
    encoder = Encoder(recipe, logs, store, rows.split == 0, events_to_fit)
    encoded = {name: encoder.feature(name) for name in recipe.features}
    groups = Groups(recipe, rows)
    encoded |= _counters(recipe, rows, encoder, groups)
    sequences = {name: _sequence(recipe, name, rows, encoder) for name in recipe.sequences}
    schema = replace(
        _schema(recipe, encoded, {name: spec for name, (spec, _, _) in sequences.items()}),
        fingerprint={table: vocabulary.fingerprint for table, vocabulary in sorted(encoder.vocabularies.items())},
    )

    for table, vocabulary in encoder.vocabularies.items():
        vocabulary.save(out / "vocabulary" / f"{table}.parquet")
    columns = _raw_columns(recipe, logs, store, groups)
    for name, of_feature in encoded.items():
        if of_feature.feature.column in columns:
            raise RecipeError(f"features.{name} and a column of the log would both be {of_feature.feature.column!r}.")
        columns[of_feature.feature.column] = column(of_feature.stored, of_feature.index)
    lists = [columns_of for _, columns_of, _ in sequences.values()]
    lengths = {name: stats for name, (_, _, stats) in sequences.items()}
    report = report_of(recipe, rows, encoder, encoded, lengths, groups.told())
    split = rows.split
    del logs, rows, encoder, groups  # the files are written from what waits on the disk
    for number, name in enumerate(SPLITS):
        write(
            out / f"{name}.parquet", np.flatnonzero(split == number), columns, lists, schema.fingerprint, row_group_size
        )
    schema.save(out / "schema.yaml")
    recipe.save(out / "recipe.yaml")
    report.save(out / "report.json")
    return report


def _counters(recipe: Recipe, rows: Roles, encoder: Encoder, groups: Groups) -> dict[str, Encoded]:
    """Compute every counter for every row of the log."""
    rates: dict[str, Floats] = {}
    encoded: dict[str, Encoded] = {}
    for name, counter in recipe.counters.items():
        prior = rates.get(counter.backoff, counter.prior)
        rate, made = _counter(recipe, rows, counter, f"counters.{name}", prior, groups)
        if any(other.backoff == name for other in recipe.counters.values()):
            rates[name] = rate
        del rate
        for value, floats in made.items():
            column = Column(kind="dense", transform=counter.transform, num_buckets=counter.num_buckets)
            feature = encoder.dense(
                column, floats, encoder.train_rows, counter.group, counter.role, f"f_{name}_{value}"
            )
            encoded[f"{name}_{value}"] = Encoded(feature, encoder.store.put(pa.array(floats, from_pandas=True)))
        del made, floats
    return encoded


def _counter(
    recipe: Recipe, rows: Roles, counter: Counter, where: str, prior: Floats | float, groups: Groups
) -> tuple[Floats, dict[str, NDArray[np.float32]]]:
    """Return the rate of every row of the log, and each value that is asked for."""
    logs, unit = rows.logs, UNITS[recipe.log.time_unit]
    keys = [_key(logs.rows, key, where) for key in counter.keys]
    code = key_codes(keys)
    event = rows.is_event & matching(logs.rows, counter.where, f"{where}.where")
    positive = matching(logs.rows, counter.positive, f"{where}.positive") & bool(counter.positive)
    # Only logged days, and rows that never count, make rows count later than at their time.
    late = counter.refresh == "train" or (counter.refresh == "day" and recipe.log.day)
    known = rows.known(counter.refresh)[event] if late else None
    earlier = EventCounts(code[event], logs.time[event], positive[event], known, with_age="age" in counter.values)
    past_events = _snapshot_counts(recipe, rows, counter, counter.snapshot_events, where)
    past_positives = _snapshot_counts(recipe, rows, counter, counter.snapshot_positives, where)
    rate = np.empty(len(code))
    made: dict[str, NDArray[np.float32]] = {value: np.empty(len(code), np.float32) for value in counter.values}
    for some in slices(len(code)):
        events, positives, age = earlier.before(code[some], logs.time[some], rows.seen_by(counter.refresh, some))
        events, positives = events + past_events[some], positives + past_positives[some]
        leaning = counter.strength * (prior if isinstance(prior, float) else prior[some])
        rate[some] = (positives + leaning) / (events + counter.strength)
        for value, floats in made.items():
            if value == "rate":
                floats[some] = log_odds(rate[some].clip(1e-6, 1 - 1e-6))
            else:
                floats[some] = np.log1p(events if value == "count" else age / unit)
    groups.look(where, counter.refresh, keys, code, {value: made[value] for value in made if value != "age"})
    return rate, made


def _key(rows: Rows, key: str, where: str) -> pl.Series:
    values = rows.column(key, as_id=True)
    if values.dtype.is_nested():
        raise RecipeError(f"{where}.keys names {key!r}, a column of {values.dtype}; a key is a number or a string.")
    return values


def _snapshot_counts(recipe: Recipe, rows: Roles, counter: Counter, column: str, where: str) -> Floats:
    """Return how many events of the snapshot each row's key has, 0 for rows that do not see it."""
    logs, user = rows.logs, recipe.log.user
    if not column or logs.snapshot is None:
        return np.broadcast_to(0.0, logs.rows.height)
    seen = rows.sees_snapshot if user in counter.keys else rows.sees_all_snapshots
    if column in logs.snapshot.columns:
        if counter.keys != [user]:
            raise RecipeError(f"{where} counts the numbers of {column!r}: that is for keys [{user}] alone.")
        known = of_user(recipe, logs, logs.snapshot[column]).fill_null(0).cast(pl.Float64).to_numpy()
        return np.where(seen, known, 0.0)
    if absent := [key for key in counter.keys if not logs.past.has(key)]:
        raise RecipeError(f"{where} counts the snapshot by {absent[0]!r}, but its events have users and items only.")
    listed = pl.Series(logs.past.column(LIST) == column)
    pairs = [(_key(logs.rows, key, where), logs.past.column(key, as_id=True).filter(listed)) for key in counter.keys]
    code = key_codes([pl.concat(one_form([*pair])) for pair in pairs])
    counted = np.bincount(code[logs.rows.height :], minlength=int(code.max(initial=0)) + 1)
    return np.where(seen, counted[code[: logs.rows.height]], 0).astype(np.float64)


def _sequence(
    recipe: Recipe, name: str, rows: Roles, encoder: Encoder
) -> tuple[SequenceSpec, SequenceColumns, LengthStats]:
    spec, logs, store = recipe.sequences[name], rows.logs, encoder.store
    fulfilled = rows.is_event & matching(logs.rows, spec.where, f"sequences.{name}.where")
    listed = np.zeros(0, dtype=np.uint32)
    users, height, since = logs.rows.column(recipe.log.user), logs.rows.height, None
    if spec.snapshot and logs.snapshot is not None:
        listed = np.flatnonzero((logs.past.column(LIST) == spec.snapshot).to_numpy()).astype(np.uint32)
        users = pl.concat(one_form([users, logs.past.column(recipe.log.user)]))
        since = np.where(rows.sees_snapshot, UNTIMED, UNTIMED + 1)
    code, untimed = key_codes([users]), np.full(len(listed), UNTIMED)
    events = np.concatenate([listed + np.uint32(height), np.flatnonzero(fulfilled).astype(np.uint32)])
    index = EventIndex(code[events], np.concatenate([untimed, rows.known(spec.refresh)[fulfilled]]))
    start, end = index.before(code[:height], rows.seen_by(spec.refresh), since)
    lengths = length_stats(start, end, spec.max_length, rows.split >= 0)
    first, last = store.put(pa.array(start)), store.put(pa.array(end))
    order, place = index.order, None
    if spec.refresh == "day" and recipe.log.day:  # events may count in another order than that of their times
        place = store.put(pa.array(order))
    del users, code, index, start, end, since
    events, time = events[order], np.concatenate([untimed, logs.time[fulfilled]])[order]
    # An unknown time is null in the file, which readers take as missing and not as a very long time ago.
    columns = {f"s_{name}__time": store.put(pa.array(time, mask=time == UNTIMED))}
    del order, time
    features = {}
    for side in spec.features:
        encoded = encoder.side_information(name, side, fulfilled, events)
        features[side] = encoded.feature
        columns[encoded.feature.column] = encoded.stored
    written = SequenceSpec(features=features, time_column=f"s_{name}__time", max_length=spec.max_length)
    return written, SequenceColumns(first, last, columns, spec.max_length, place), lengths


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


def _raw_columns(recipe: Recipe, logs: Logs, store: Store, groups: Groups) -> dict[str, ColumnReader]:
    """Return the columns that are written as they are: ids, time, group and labels."""
    log = recipe.log
    labels = [task.column or name for name, task in recipe.tasks.items()]
    values = {name: logs.rows.column(name) for name in dict.fromkeys([log.user, log.item, log.time, *labels])}
    if recipe.group_column in values and len(recipe.group_by) > 1:
        raise RecipeError(f"The groups would be the column {recipe.group_column!r}, which the log has already.")
    values[recipe.group_column] = groups.ids()
    return {name: column(store.put(values[name].rechunk().to_arrow())) for name in values}

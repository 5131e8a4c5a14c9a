"""Behaviour sequences: which events each impression sees, and what is told of an event."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from hyrec.data.logs.encode import Encoder
from hyrec.data.logs.history import UNTIMED, EventIndex, key_codes
from hyrec.data.logs.ids import one_form
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import LOG
from hyrec.data.logs.report import LengthStats, length_stats
from hyrec.data.logs.roles import Roles
from hyrec.data.logs.rows import matching
from hyrec.data.logs.snapshot import LIST
from hyrec.data.logs.writer import SequenceColumns
from hyrec.schema import SequenceSpec


def sequence(
    recipe: Recipe, name: str, rows: Roles, encoder: Encoder
) -> tuple[SequenceSpec, SequenceColumns, LengthStats]:
    """Return one sequence of the rows that are asked for: its schema entry, its lists, and their lengths."""
    spec, logs, store = recipe.sequences[name], rows.logs, encoder.store
    history = rows.history(spec.log)
    fulfilled = history.is_event & matching(history.rows, spec.where, f"sequences.{name}.where")
    listed = np.zeros(0, dtype=np.uint32)
    users, height, since = logs.rows.column(recipe.log.user), logs.rows.height, None
    if spec.log != LOG:
        of_log = logs.events[spec.log]
        users = of_log.together(history.rows.column(of_log.user), users)
    if spec.snapshot and logs.snapshot is not None:
        listed = np.flatnonzero((logs.past.column(LIST) == spec.snapshot).to_numpy()).astype(np.uint32)
        users = pl.concat(one_form([users, logs.past.column(recipe.log.user)]))
        since = np.where(rows.sees_snapshot, UNTIMED, UNTIMED + 1)
    code, untimed = key_codes([users]), np.full(len(listed), UNTIMED)
    # The codes of the impressions come first, then those of what else there is: of an event log, or of the snapshot.
    of_event = code[:height] if spec.log == LOG else code[height:]
    if logs.asked is not None:  # events of other users are not needed
        wanted = np.zeros(int(code.max(initial=0)) + 1, dtype=np.bool_)
        wanted[code[:height][logs.asked]] = True
        fulfilled, listed = fulfilled & wanted[of_event], listed[wanted[code[height:][listed]]]
        untimed = untimed[: len(listed)]
    events = np.concatenate([listed + np.uint32(height), np.flatnonzero(fulfilled).astype(np.uint32)])
    key = np.concatenate([code[height:][listed], of_event[fulfilled]])
    index = EventIndex(key, np.concatenate([untimed, rows.known(spec.refresh, spec.log)[fulfilled]]))
    asked = rows.asked
    since = None if since is None else since[asked]
    start, end = index.before(code[:height][asked], rows.seen_by(spec.refresh, asked, spec.log), since)
    lengths = length_stats(start, end, spec.max_length, rows.is_impression)
    first, last = store.put(pa.array(start)), store.put(pa.array(end))
    order, place = index.order, None
    if spec.refresh == "day" and recipe.log.day:  # events may count in another order than that of their times
        place = store.put(pa.array(order))
    del users, code, of_event, key, index, start, end, since
    events, time = events[order], np.concatenate([untimed, history.time[fulfilled]])[order]
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

"""What is known about each test row: history length, user activity, item frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hyrec.schema import MISSING_ID, OOV_ID, Role
from hyrec.studies.plan.counted import counted_features
from hyrec.studies.plan.study import StudyError

if TYPE_CHECKING:
    from hyrec.batch import Batch
    from hyrec.data.base import RankingData

ROWS_FILE = "rows.parquet"
"""What is known about each test row of a study, in its folder."""
COUNT_COLUMNS: dict[Role, str] = {"user": "user_activity", "item": "item_frequency"}
"""Column of ``rows.parquet`` by the role of the feature whose training impressions it counts."""

_Ints: TypeAlias = npt.NDArray[np.int64]


class UnnumberedRowsError(StudyError):
    """Data whose batches do not say which rows they hold, so that predictions cannot be told apart by row."""


def describe_rows(data: RankingData, user: str | None = None, item: str | None = None) -> pa.Table:
    """Return what slices of a study's metrics are made of, a row for each test row.

    Columns: ``row`` as in predictions; ``group``, where the data has groups; ``history_length``, events of all
    sequences of the sample's request, as many as the schema lets a model read; the same of each sequence as
    ``history_<name>``; ``user_activity`` and ``item_frequency``, training impressions with the same value of the user
    and of the item feature. Such a count is null where the value is missing, and 0 where the vocabulary does not hold
    it. What the schema has no sequence or feature for is left out.

    Args:
        data: Data whose rows of ``train`` and ``test`` can be read.
        user: Feature that tells users apart. None: the id feature of role ``user`` with the most values.
        item: Feature that tells items apart. None: the id feature of role ``item`` with the most values.

    Raises:
        StudyError: When a feature does not exist or is no id, or there are no test rows.
        UnnumberedRowsError: When the data leave ``Batch.row`` out.
    """
    features = counted_features(data.schema, user, item)
    names = list(dict.fromkeys(features.values()))
    counts = _count(data, names)
    sequences = list(data.schema.sequences)
    parts: list[dict[str, npt.NDArray[Any]]] = []
    for batch in data.scan("test", names, sequences=sequences):
        if batch.row is None:
            raise UnnumberedRowsError(f"{type(data).__name__} does not number its rows (Batch.row)")
        part = {"row": batch.row.numpy()}
        if batch.group is not None:
            part["group"] = batch.group.numpy()
        part |= _histories(batch, sequences)
        part |= {COUNT_COLUMNS[role]: counts[name][batch.features[name].numpy()] for role, name in features.items()}
        parts.append(part)
    if not parts:
        raise StudyError("The data has no test rows to slice.")
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return pa.table({name: _column(name, values) for name, values in columns.items()})


def _count(data: RankingData, names: list[str]) -> dict[str, _Ints]:
    """Return the training impressions of every id by feature; -1 for ids that stand for no value."""
    counts = {name: np.zeros(data.schema.features[name].num_ids, np.int64) for name in names}
    for batch in data.scan("train", names) if names else ():
        for name, total in counts.items():
            total += np.bincount(batch.features[name].numpy(), minlength=len(total))
    for total in counts.values():
        total[: MISSING_ID + 1] = -1
        total[OOV_ID] = 0
    return counts


def _histories(batch: Batch, sequences: list[str]) -> dict[str, _Ints]:
    """Return the events of each sample's request, in all and by sequence."""
    lengths: dict[str, _Ints] = {}
    for name in sequences:
        events = batch.sequences[name].offsets.diff()
        lengths[f"history_{name}"] = (events if batch.request_of is None else batch.request_of.expand(events)).numpy()
    if not lengths:
        return {}
    total: _Ints = np.sum(list(lengths.values()), axis=0)
    return {**lengths, "history_length": total}  # a sequence that is named "length" gives way to the total


def _column(name: str, values: npt.NDArray[Any]) -> pa.Array:
    mask = values < 0 if name in COUNT_COLUMNS.values() else None
    return pa.array(values.astype(np.int64), mask=mask)

"""Prepares the data of a study, and describes each test row: history length, user activity, item frequency."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from hyrec.batch import Batch
from hyrec.config.experiment import Experiment
from hyrec.data.base import RankingData
from hyrec.files import digest, replaced
from hyrec.parquet import write_parquet
from hyrec.schema import MISSING_ID, OOV_ID, Role
from hyrec.studies.plan.plan import Plan
from hyrec.studies.plan.planner import counted_features
from hyrec.studies.plan.study import StudyError
from hyrec.studies.run.cell import ROWS_FILE

COUNT_COLUMNS: dict[Role, str] = {"user": "user_activity", "item": "item_frequency"}
"""Column of ``rows.parquet`` by the role of the feature whose training impressions it counts."""
_DATA_OPTIONS = ("--config=", "--plugin=", "--data=", "--data.", "--schema=", "--schema.")
_LOG = logging.getLogger(__name__)
_SOURCE = b"hyrec.source"
"""Key in the file's metadata: a hash of what the rows were described from."""
_Ints: TypeAlias = npt.NDArray[np.int64]


class UnnumberedRowsError(StudyError):
    """Data whose batches do not say which rows they hold, so that predictions cannot be told apart by row."""


def write_rows(plan: Plan, folder: str | Path) -> Path | None:
    """Prepare the data of every variant, once each, and describe the test rows of the baseline.

    Cells that start together then find their data and do not make it twice. Of the baseline's points of the grid, the
    one that reads the longest histories describes the rows. A file that describes the same data is kept.

    Returns:
        The path of ``rows.parquet``; None for data that do not number their rows, after a note.
    """
    modules: dict[str, RankingData] = {}
    baselines: dict[str, RankingData] = {}
    for planned in plan.variants:
        arguments = _data_arguments(planned.arguments)
        key = json.dumps(arguments)
        if key not in modules:
            modules[key] = Experiment.parse(["fit", *arguments]).data()
            modules[key].prepare_data()
        if planned.variant.family == plan.study.baseline:
            baselines[key] = modules[key]
    longest = {key: sum(s.max_length for s in data.schema.sequences.values()) for key, data in baselines.items()}
    key = max(longest, key=longest.__getitem__)
    data, slices = baselines[key], dict(plan.study.slices)
    source = digest([key, slices], size=16).encode()
    path = Path(folder) / ROWS_FILE
    if not (path.is_file() and (pq.read_schema(path).metadata or {}).get(_SOURCE) == source):
        data.setup("test")
        try:
            table = describe_rows(data, slices.get("user"), slices.get("item"))
        except UnnumberedRowsError as error:
            path.unlink(missing_ok=True)  # it describes other data
            _LOG.warning("Note: %s, so there is no %s and the report will have no slices.", error, ROWS_FILE)
            return None
        with replaced(path) as partial:
            write_parquet(table.replace_schema_metadata({_SOURCE: source}), partial)
    return path


def _data_arguments(arguments: tuple[str, ...]) -> list[str]:
    """Return those arguments of ``hyrec fit`` that say something about the data, in order."""
    return [argument for argument in arguments if argument.startswith(_DATA_OPTIONS)]


def describe_rows(data: RankingData, user: str | None = None, item: str | None = None) -> pa.Table:
    """Return what slices of a study's metrics are made of, a row for each test row.

    Columns: ``row`` as in predictions; ``group``, where the data has groups; ``history_length``, events of all
    sequences of the sample's request, as many as the schema lets a model read; the same of each sequence as
    ``history_<name>``; ``user_activity`` and ``item_frequency``, training impressions with the same value of the user
    and of the item feature. Such a count is null where the value is missing, and 0 where the vocabulary does not hold
    it. What the schema has no sequence or feature for is left out.
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
    columns = {name: np.concatenate([part[name] for part in parts]).astype(np.int64) for name in parts[0]}
    counted = COUNT_COLUMNS.values()  # a count below zero is that of no value
    return pa.table({name: pa.array(x, mask=x < 0 if name in counted else None) for name, x in columns.items()})


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

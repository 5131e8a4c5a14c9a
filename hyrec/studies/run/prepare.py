"""Prepares the data of a study before its cells start, and writes ``rows.parquet``."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from hyrec.config.experiment import Experiment
from hyrec.data.base import RankingData
from hyrec.files import digest, replaced
from hyrec.studies.plan.plan import Plan
from hyrec.studies.run.rows import ROWS_FILE, UnnumberedRowsError, describe_rows

_DATA_OPTIONS = ("--config", "-c", "--plugin", "--data", "--schema")
_LOG = logging.getLogger(__name__)
_SOURCE = b"hyrec.source"
"""Key in the file's metadata: a hash of what the rows were described from."""


def write_rows(plan: Plan, folder: str | Path) -> Path | None:
    """Prepare the data of every variant, once each, and describe the test rows of the baseline.

    Cells that start together then find their data and do not make it twice. Of the baseline's points of the grid, the
    one that reads the longest histories describes the rows. A file that describes the same data is kept.

    Args:
        plan: The study.
        folder: Folder of the study; made when missing.

    Returns:
        The path of ``rows.parquet``; None for data that do not number their rows, after a note.

    Raises:
        CommandError: For arguments of a variant that cannot be used.
        StudyError: When ``slices`` names a feature that cannot be counted.
    """
    modules: dict[str, RankingData] = {}
    baselines: dict[str, RankingData] = {}
    for planned in plan.variants:
        arguments = data_arguments(planned.arguments)
        key = json.dumps(arguments)
        if key not in modules:
            modules[key] = Experiment.parse(["fit", *arguments]).data()
            modules[key].prepare_data()
        if planned.variant.family == plan.study.baseline:
            baselines[key] = modules[key]
    key, data = max(baselines.items(), key=lambda entry: _longest(entry[1]))
    slices = dict(plan.study.slices)
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
            pq.write_table(table.replace_schema_metadata({_SOURCE: source}), partial, compression="zstd")
    return path


def data_arguments(arguments: tuple[str, ...]) -> list[str]:
    """Return those arguments of ``hyrec fit`` that say something about the data, in order.

    Args:
        arguments: Options as for ``fit``.

    Example:
        >>> data_arguments(("--config", "a.yaml", "--model.d_model", "32", "--data.batch_size=8"))
        ['--config', 'a.yaml', '--data.batch_size=8']
    """
    return [token for option in _options(arguments) for token in option if _is_of_data(option[0])]


def _options(arguments: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield each option with its value."""
    option: list[str] = []
    for token in arguments:
        if token.startswith("--") or token == "-c":
            if option:
                yield option
            option = [token]
        else:
            option.append(token)
    if option:
        yield option


def _is_of_data(token: str) -> bool:
    name = token.partition("=")[0]
    return name in _DATA_OPTIONS or name.startswith(("--data.", "--schema."))


def _longest(data: RankingData) -> int:
    return sum(sequence.max_length for sequence in data.schema.sequences.values())

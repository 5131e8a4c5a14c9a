"""``SimulatedData``: hyrec's own data, with known click probabilities."""

from __future__ import annotations

from typing import Any

from hyrec.data.base import Split
from hyrec.data.parquet.data import ParquetData
from hyrec.data.parquet.policy import DataError
from hyrec.data.parquet.source import SplitIndex
from hyrec.data.simulation import spec as simulation
from hyrec.data.simulation.files import PROBABILITY_COLUMN, SPLITS, cache_path, ensure_cached, read_report
from hyrec.data.simulation.spec import SimulatorSpec
from hyrec.messages import suggest
from hyrec.schema import NUM_RESERVED_IDS, Feature, Schema

_OPTIONS = {"user_id": "num_users", "position": "max_candidates", "item": "num_items", "category": "num_categories"}
_OPTIONS |= {"theme": "num_themes", "surface": "num_surfaces"}
"""Option that sets how many ids there are, by column or table."""


class SimulatedData(ParquetData):
    """Read a simulated log, which is written to a cache the first time it is needed.

    The click probability of every sample is planted, so it is known what no model can pass: ``references``
    gives the AUC, query AUC and log loss of the true probabilities, and those without each effect. They
    assume whole histories: with a ``max_length`` below the simulated one, no model can reach all of it. Nulls
    are drawn on purpose (``simulator.missing``).

    Args:
        schema: What the data is; ``SimulatedData.make_schema`` writes it.
        simulator: What to simulate.
        cache_dir: Where simulated logs are kept. Empty: ``$HYREC_CACHE``, or else ``~/.cache/hyrec``.
        batch_size: Requests of a training batch, on each process.
        eval_batch_size: Requests of any other batch. 0: as in training.
        num_workers: Processes that read ahead. 0 reads in the training process.
        shuffle: Whether training requests are shuffled.
        shuffle_rows: Most requests that are shuffled together, by each worker.
        shuffle_memory: GiB that the requests shuffled together may take in memory, as in ``ParquetData``.
        seed: Of the order; ``simulator.seed`` is that of the log.
        drop_last: Whether training leaves out the requests that do not fill a batch on every process.
        prefetch: Batches that each worker reads ahead.
        worker_timeout: Seconds to wait for a worker's batch before the run ends with an error; 0 waits forever.
        persistent_workers: Whether workers outlive an epoch.
        pin_memory: Whether batches are put into page-locked memory, from which a GPU copies faster.

    Raises:
        DataError: When the schema and the options disagree, with the option to change and its value.
    """

    def __init__(
        self,
        schema: Schema,
        simulator: SimulatorSpec = SimulatorSpec(),  # noqa: B008  (frozen)
        cache_dir: str = "",
        batch_size: int = 64,
        eval_batch_size: int = 0,
        num_workers: int = 0,
        shuffle: bool = True,
        shuffle_rows: int = 65536,
        shuffle_memory: float = 1.0,
        seed: int = 0,
        drop_last: bool = False,
        prefetch: int = 2,
        worker_timeout: int = 600,
        persistent_workers: bool = False,
        pin_memory: bool = False,
    ) -> None:
        _check(schema, simulator)
        folder = cache_path(simulator, cache_dir)
        files: dict[str, Any] = {split: str(folder / f"{split}.parquet") for split in SPLITS}
        super().__init__(
            schema,
            **files,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
            shuffle=shuffle,
            shuffle_rows=shuffle_rows,
            shuffle_memory=shuffle_memory,
            seed=seed,
            drop_last=drop_last,
            prefetch=prefetch,
            worker_timeout=worker_timeout,
            persistent_workers=persistent_workers,
            pin_memory=pin_memory,
        )
        self.simulator, self.cache_dir = simulator, cache_dir

    @staticmethod
    def make_schema(simulator: SimulatorSpec = SimulatorSpec()) -> Schema:  # noqa: B008  (frozen)
        """Return the schema of the log that ``simulator`` describes."""
        return simulation.schema(simulator)

    def prepare_data(self) -> None:
        """Write the log to the cache unless it is there."""
        ensure_cached(self.simulator, self.cache_dir)

    def index(self, split: Split) -> SplitIndex:
        """Return the rows of a split, simulating them first if nobody has."""
        if split not in self._indices:
            self.prepare_data()
        return super().index(split)

    def references(self, split: Split) -> dict[str, dict[str, float]]:
        """Return AUC, query AUC and log loss (nats) of the true probabilities on the drawn clicks of a split.

        Beside them those without each effect; ``hyrec.data.simulation.attainable.references`` says what they bound.
        """
        report = read_report(ensure_cached(self.simulator, self.cache_dir))
        assert report is not None
        found: dict[str, dict[str, float]] = report["references"]["test" if split == "predict" else split]
        return found


def _check(schema: Schema, simulator: SimulatorSpec) -> None:
    """Refuse a schema that is not of this log, naming the option to change."""
    made = simulation.schema(simulator)
    remedy = "hyrec data simulate --out DIR writes the schema that fits."
    if schema.layout != made.layout:
        raise DataError(f"Simulated data have layout {made.layout!r}, the schema says {schema.layout!r}. {remedy}")
    known = {_column(where, feature): feature for where, _, feature in made.every_feature()}
    for where, _, feature in schema.every_feature():
        column = _column(where, feature)
        if PROBABILITY_COLUMN in (column, feature.weight_column):
            raise DataError(f"{where} reads {column!r}: that is the answer, and no model may see it.")
        if column not in known:
            raise DataError(
                f"{where} reads column {column!r}, which simulated data do not have.{suggest(column, known)} {remedy}"
            )
        expected = known[column]
        if feature.offset:
            raise DataError(f"{where}.offset is {feature.offset}, but simulated files hold final ids: remove it.")
        if expected.vocab_size and not feature.hash_size and feature.vocab_size != expected.vocab_size:
            got, wanted = feature.vocab_size, expected.vocab_size
            option = _OPTIONS.get(column) or _OPTIONS.get(expected.table)
            other = f", or data.init_args.simulator.{option} to {got - NUM_RESERVED_IDS}" if option else ""
            raise DataError(
                f"{where}.vocab_size is {got}, but the simulated data need {wanted} "
                f"({wanted - NUM_RESERVED_IDS} values and {NUM_RESERVED_IDS} reserved ids). "
                f"Set it to {wanted}{other}."
            )


def _column(where: str, feature: Feature) -> str:
    return feature.column or where.rsplit(".", 1)[-1]

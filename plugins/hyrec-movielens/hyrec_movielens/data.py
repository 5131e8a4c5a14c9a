"""``MovieLensData``: MovieLens in the data slot."""

from __future__ import annotations

from pathlib import Path

from hyrec.data.base import Split
from hyrec.data.parquet.data import ParquetData
from hyrec.data.parquet.policy import DataError
from hyrec.data.parquet.source import SplitIndex
from hyrec.schema import Feature, Schema
from hyrec_movielens.archive import Archive, find_archive
from hyrec_movielens.dataset import ensure_built

SPLITS = ("train", "validate", "test")


class MovieLensData(ParquetData):
    """Read MovieLens: each rating is an impression, and 4 stars or more are positive.

    ``path`` names the official files of any edition (100K, 1M, 10M, 20M, 25M, 32M, latest; zip file or folder) or
    RecBole's atomic files (folder, or the wheel of recbole 1.2.1). Ratings are split by time: the earliest train, the
    latest test. Each comes with the user's strictly earlier ratings and likes, oldest first. The data set is built
    once and kept in a cache.

    The shipped schema is that of MovieLens-100K with the default shares. For others, write the schema that fits with
    ``python -m hyrec_movielens --path FILE --out FOLDER`` and give it as ``--schema FOLDER/schema.yaml``.

    Args:
        schema: What the data is.
        path: The edition. Empty: MovieLens-100K of the installed distribution recbole, which is not imported.
        validate_share: Share of the ratings that validate, those just before the test's.
        test_share: Share of the ratings that test.
        cache_dir: Where built data sets are kept. Empty: ``$HYREC_CACHE``, or else ``~/.cache/hyrec``.
        batch_size: Ratings of a training batch, on each process.
        eval_batch_size: Ratings of any other batch. 0: as in training.
        num_workers: Processes that read ahead. 0 reads in the training process.
        shuffle: Whether training ratings are shuffled.
        seed: Of the order.
        pin_memory: Whether batches are put into page-locked memory, from which a GPU copies faster.

    Raises:
        DataError: When the edition cannot be found or read, and when the schema is that of another edition, with the
            command that writes the right one.
    """

    def __init__(
        self,
        schema: Schema,
        path: str = "",
        validate_share: float = 0.1,
        test_share: float = 0.1,
        cache_dir: str = "",
        batch_size: int = 256,
        eval_batch_size: int = 0,
        num_workers: int = 0,
        shuffle: bool = True,
        seed: int = 0,
        pin_memory: bool = False,
    ) -> None:
        super().__init__(
            schema,
            train="train.parquet",
            validate="validate.parquet",
            test="test.parquet",
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            num_workers=num_workers,
            shuffle=shuffle,
            seed=seed,
            pin_memory=pin_memory,
        )
        self.edition, self.cache_dir = path, cache_dir
        self.validate_share, self.test_share = validate_share, test_share
        self._is_placed = False

    def prepare_data(self) -> None:
        """Build the data set unless it is in the cache."""
        self._build(find_archive(self.edition))

    def index(self, split: Split) -> SplitIndex:
        """Return the rows of a split, building the data set first if nobody has."""
        if not self._is_placed:
            archive = find_archive(self.edition)
            folder = self._build(archive)
            _check(self.schema, Schema.load(folder / "schema.yaml"), archive)
            self.paths |= {name: str(folder / f"{name}.parquet") for name in SPLITS}
            self._is_placed = True
        return super().index(split)

    def _build(self, archive: Archive) -> Path:
        return ensure_built(archive, validate=self.validate_share, test=self.test_share, cache_dir=self.cache_dir)


def _check(given: Schema, built: Schema, archive: Archive) -> None:
    """Refuse a schema whose tables have other sizes than the data."""
    sizes = {feature.column: feature.vocab_size for feature in _features(built).values() if feature.vocab_size}
    for where, feature in _features(given).items():
        needed = sizes.get(feature.column, 0)
        if needed and feature.vocab_size != needed and not feature.hash_size:
            raise DataError(
                f"{where}.vocab_size is {feature.vocab_size}, but {archive.path} has {needed} ids: the schema is that "
                "of another edition or split. Write the one that fits:\n"
                f"  python -m hyrec_movielens --path {archive.path} --out FOLDER\n"
                "and add --schema FOLDER/schema.yaml."
            )


def _features(schema: Schema) -> dict[str, Feature]:
    found = {f"features.{name}": feature for name, feature in schema.features.items()}
    for sequence, spec in schema.sequences.items():
        found |= {f"sequences.{sequence}.features.{name}": feature for name, feature in spec.features.items()}
    return found

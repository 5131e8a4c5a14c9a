"""KuaiRand-Pure in both layouts: the real rows of some users, batch by batch and event by event."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from hyrec.batch import Batch, expand_requests
from hyrec.data.logs import Recipe, build
from hyrec.data.parquet import ParquetData
from hyrec.schema import Schema

ROOT = Path(__file__).parents[2]
LOGS = ROOT.parent / "shared" / "data" / "kuairand-pure"
RECIPE = ROOT / "configs" / "recipes" / "kuairand_pure.yaml"
USERS, SPLITS, LAYOUTS = 2000, ("train", "validate", "test"), ("flat", "log")

pytestmark = pytest.mark.skipif(
    not (LOGS / "log_standard_0425_0504.parquet").is_file(),
    reason="needs the KuaiRand-Pure extract in ../shared/data/kuairand-pure",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the rows of some users, built in both layouts."""
    folder = tmp_path_factory.mktemp("kuairand")
    (folder / "logs").mkdir()
    for name in ("log_standard_0425_0504", "history_until_0424"):
        rows = pl.scan_parquet(LOGS / f"{name}.parquet").filter(pl.col("user_id") < USERS)
        rows.sink_parquet(folder / "logs" / f"{name}.parquet")
    for name in ("user_features_pure.csv", "video_features_basic_pure.csv"):
        (folder / "logs" / name).symlink_to(LOGS / name)
    for layout in LAYOUTS:
        build(Recipe.load(RECIPE), folder / "logs", folder / layout, layout=layout)
    return folder


def data_of(folder: Path) -> ParquetData:
    files = {split: str(folder / f"{split}.parquet") for split in SPLITS}
    return ParquetData(Schema.load(folder / "schema.yaml"), batch_size=256, **files)


def by_sample(batch: Batch) -> Batch:
    """Return a batch in which each sample has events of its own."""
    request_of = batch.request_of
    if request_of is None:
        return batch
    for events in batch.sequences.values():
        lengths = events.offsets.diff()[request_of.index]
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        first = events.offsets[request_of.index] - offsets[:-1]
        index = torch.arange(int(offsets[-1])) + first.repeat_interleave(lengths)
        events.features = {name: values[index] for name, values in events.features.items()}
        events.time, events.offsets = events.time[index], offsets
    batch.time, batch.request_of = expand_requests(batch.time, request_of), None
    return batch


@pytest.mark.parametrize("split", SPLITS)
def test_the_log_layout_gives_the_batches_of_the_flat_one(folder, split):
    flat, log = data_of(folder / "flat"), data_of(folder / "log")
    rows = events = shared = 0
    for expected, got in zip(flat.loader(split), log.loader(split), strict=True):
        shared += got.num_samples - got.num_requests
        left, right = (dict(pytree.tree_flatten_with_path(batch)[0]) for batch in (by_sample(got), expected))
        assert left.keys() == right.keys()
        for path, value in right.items():
            if isinstance(value, Tensor):
                assert torch.equal(left[path].nan_to_num(-7), value.nan_to_num(-7)), pytree.keystr(path)
            else:
                assert left[path] == value, pytree.keystr(path)
        rows += got.num_samples
        events += len(got.sequences["impressions"].time)
    assert rows == flat.num_samples(split)
    assert events > rows
    assert shared
    assert log.counts[split].as_dict() == flat.counts[split].as_dict()


def test_rows_that_name_their_events_take_a_fraction_of_the_disk(folder):
    flat, log = (sum((folder / layout / f"{split}.parquet").stat().st_size for split in SPLITS) for layout in LAYOUTS)
    assert log < 0.4 * flat

"""What the model gets: time split, strictly earlier histories, a cache, and a schema that fits."""

from __future__ import annotations

from pathlib import Path

import editions
import polars as pl
import pytest
from hyrec_movielens import MovieLensData
from hyrec_movielens.__main__ import main
from hyrec_movielens.archive import find_archive
from hyrec_movielens.dataset import cache_folder, recipe_for
from hyrec_movielens.files import read

from hyrec.data.parquet.policy import DataError
from hyrec.schema import Schema


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "edition"
    made.mkdir()
    return made


@pytest.fixture
def built(folder: Path, tmp_path: Path) -> Path:
    editions.write_100k(folder)
    assert main(["--path", str(folder), "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def frames(built: Path) -> dict[str, pl.DataFrame]:
    return {split: pl.read_parquet(built / f"{split}.parquet") for split in ("train", "validate", "test")}


def test_later_ratings_are_never_in_an_earlier_split(built: Path) -> None:
    split = frames(built)
    assert split["train"]["time"].max() < split["validate"]["time"].min()
    assert split["validate"]["time"].max() < split["test"]["time"].min()
    assert sum(frame.height for frame in split.values()) == len(editions.ratings())
    assert split["test"].height == pytest.approx(0.1 * len(editions.ratings()), abs=3)


def test_histories_hold_exactly_the_ratings_of_strictly_earlier_seconds(built: Path) -> None:
    everything = editions.ratings()
    for frame in frames(built).values():
        for row in frame.iter_rows(named=True):
            mine = [r for r in everything if r[0] == row["user_id"] and r[3] < row["time"]]
            assert row["s_ratings__time"] == sorted(r[3] for r in mine)[-100:]
            assert sorted(row["s_ratings__rating"]) == sorted(r[2] for r in mine)
            assert row["s_likes__time"] == sorted(r[3] for r in mine if r[2] >= 4)[-50:]


def test_no_column_of_the_model_holds_the_rating_of_the_impression(built: Path) -> None:
    schema = Schema.load(built / "schema.yaml")
    assert {feature.column for feature in schema.features.values()}.isdisjoint({"rating", "f_rating"})


def data(folder: Path, schema: Schema, **options: object) -> MovieLensData:
    return MovieLensData(schema, path=str(folder), cache_dir=str(folder.parent / "cache"), batch_size=64, **options)


def test_the_data_module_reads_every_rating_once(folder: Path, built: Path) -> None:
    module = data(folder, Schema.load(built / "schema.yaml"))
    module.setup("fit")
    seen = [batch for split in ("train", "validate", "test") for batch in module.scan(split)]
    pairs = {(int(u), int(i)) for b in seen for u, i in zip(b.ids["user_id"], b.ids["item_id"], strict=True)}
    assert pairs == {(u, i) for u, i, _, _ in editions.ratings()}
    assert sum(b.num_samples for b in seen) == len(editions.ratings())
    likes = sum(float(b.labels["like"].sum()) for b in seen)
    assert likes == sum(r >= 4 for _, _, r, _ in editions.ratings())


def test_the_data_set_is_built_once(folder: Path, built: Path) -> None:
    schema = Schema.load(built / "schema.yaml")
    data(folder, schema).prepare_data()
    cached = cache_folder(find_archive(folder), 0.1, 0.1, folder.parent / "cache")
    before = (cached / "train.parquet").stat().st_mtime_ns
    data(folder, schema).setup("fit")
    assert (cached / "train.parquet").stat().st_mtime_ns == before
    data(folder, schema, test_share=0.2).prepare_data()
    assert len(list(cached.parent.glob("movielens-*"))) == 2


def test_a_schema_of_another_edition_is_refused_with_the_command_that_writes_the_right_one(
    folder: Path, built: Path
) -> None:
    content = Schema.load(built / "schema.yaml").to_dict()
    content["features"]["gender"]["vocab_size"] = 9
    with pytest.raises(DataError, match=r"features\.gender\.vocab_size is 9(.|\n)*python -m hyrec_movielens --path"):
        data(folder, Schema.from_dict(content)).setup("fit")


def test_an_edition_without_users_has_no_features_of_them(tmp_path: Path, folder: Path) -> None:
    assert main(["--path", str(editions.write_25m(folder)), "--out", str(tmp_path / "out")]) == 0
    assert set(Schema.load(tmp_path / "out" / "schema.yaml").features) & {"age", "gender", "occupation"} == set()


@pytest.mark.parametrize(("validate", "test"), [(0.0, 0.1), (0.5, 0.5), (0.1, -0.1)])
def test_shares_that_leave_a_split_empty_are_refused(folder: Path, validate: float, test: float) -> None:
    edition = read(find_archive(editions.write_100k(folder)))
    with pytest.raises(DataError, match=r"0\.1 and 0\.1 work"):
        recipe_for(edition, validate, test)


def test_the_command_reports_a_mistake_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--path", str(tmp_path / "absent"), "--out", str(tmp_path / "out")]) == 2
    assert "does not exist" in capsys.readouterr().err

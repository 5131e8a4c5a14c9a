"""Every dialect gives the same tables, and what cannot be read is refused with a remedy."""

from __future__ import annotations

from pathlib import Path

import editions
import pytest
from hyrec_movielens.archive import find_archive
from hyrec_movielens.files import read
from polars.testing import assert_frame_equal

from hyrec.data.parquet.policy import DataError

WRITERS = {"100K": editions.write_100k, "1M": editions.write_1m, "RecBole": editions.write_recbole}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "edition"
    made.mkdir()
    return made


def test_the_tables_hold_what_was_written(folder: Path) -> None:
    tables = read(find_archive(editions.write_100k(folder)))
    assert tables.ratings.rows() == [(u, i, float(r), t) for u, i, r, t in editions.ratings()]
    assert tables.items.rows() == [(i, year, "|".join(sorted(genres))) for i, _, year, genres in editions.items()]
    assert tables.users is not None
    assert tables.users.rows() == [(*row[:4], row[4][0]) for row in editions.users()]


@pytest.mark.parametrize("dialect", ["1M", "RecBole"])
def test_every_dialect_with_users_gives_the_same_tables(dialect: str, tmp_path: Path) -> None:
    results = []
    for name in ("100K", dialect):
        made = tmp_path / name
        made.mkdir()
        results.append(read(find_archive(WRITERS[name](made))))
    for table in ("ratings", "items", "users"):
        assert_frame_equal(getattr(results[0], table), getattr(results[1], table))


def test_editions_without_users_give_the_same_ratings_and_items(tmp_path: Path) -> None:
    results = []
    for name, write in (("100K", editions.write_100k), ("25M", editions.write_25m)):
        made = tmp_path / name
        made.mkdir()
        results.append(read(find_archive(write(made))))
    assert results[1].users is None
    assert_frame_equal(results[0].ratings, results[1].ratings)
    assert_frame_equal(results[0].items, results[1].items)


@pytest.mark.parametrize("dialect", list(WRITERS))
def test_a_zip_file_reads_as_the_folder_does(dialect: str, folder: Path, tmp_path: Path) -> None:
    WRITERS[dialect](folder)
    archive = find_archive(editions.zipped(folder, tmp_path / "edition.zip", "deep/inside"))
    for table in ("ratings", "items", "users"):
        assert_frame_equal(getattr(read(archive), table), getattr(read(find_archive(folder)), table))


def test_a_path_that_does_not_exist_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not exist.*grouplens\.org/datasets/movielens"):
        find_archive(tmp_path / "ml-1m.zip")


def test_a_folder_without_an_edition_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds none of u\.data, ratings\.dat, ratings\.csv, \*\.inter"):
        find_archive(tmp_path)


def test_several_editions_in_one_folder_are_refused(tmp_path: Path) -> None:
    for name, write in WRITERS.items():
        (tmp_path / name).mkdir()
        write(tmp_path / name)
    with pytest.raises(DataError, match=r"holds 3 editions .*folder of one"):
        find_archive(tmp_path)


def test_a_missing_neighbour_is_named(folder: Path) -> None:
    editions.write_100k(folder)
    (folder / "u.item").unlink()
    with pytest.raises(DataError, match=r"u\.data but no u\.item beside it"):
        read(find_archive(folder))


def test_other_columns_are_refused_with_their_names(folder: Path) -> None:
    editions.write_25m(folder)
    (folder / "ratings.csv").write_text("user,movie\n1,2\n")
    with pytest.raises(DataError, match=r"not those of a known edition.*Columns: user, movie"):
        read(find_archive(folder))

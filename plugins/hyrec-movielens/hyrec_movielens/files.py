"""Reads the three dialects of MovieLens into the same tables."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from hyrec.data.parquet.policy import DataError
from hyrec_movielens.archive import Archive

GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
"""Genres of MovieLens-100K in the order of its columns."""


@dataclass(frozen=True)
class MovieLens:
    """One edition.

    Args:
        ratings: ``user_id``, ``item_id`` (int64), ``rating`` (float64) and ``time`` (int64 seconds).
        items: ``item_id``, ``year`` (int64, null where unknown) and ``genres`` (text, separated by ``|``).
        users: ``user_id``, ``age`` (int64 years), ``gender``, ``occupation``, ``zip_region`` (first character of the
            postal code), or None: editions from 10M on have no users.
    """

    ratings: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame | None


def read(archive: Archive) -> MovieLens:
    """Read an edition.

    Raises:
        DataError: When a file is missing or has other columns than its edition has.
    """
    if archive.is_recbole:
        return _recbole(archive)
    if archive.ratings.endswith("u.data"):
        return _edition_100k(archive)
    return _edition_dat(archive) if archive.ratings.endswith(".dat") else _edition_csv(archive)


def _recbole(archive: Archive) -> MovieLens:
    ratings = _table(archive, ".inter", "\t").rename(lambda name: name.split(":")[0])
    items = _table(archive, ".item", "\t").rename(lambda name: name.split(":")[0])
    users = _table(archive, ".user", "\t").rename(lambda name: name.split(":")[0])
    genre = "class" if "class" in items.columns else "genre"
    return MovieLens(
        _ratings(archive, ratings.rename({"timestamp": "time"}, strict=False)),
        _items(archive, items, pl.col("release_year"), pl.col(genre).str.replace_all(" ", "|")),
        _users(archive, users),
    )


def _edition_100k(archive: Archive) -> MovieLens:
    ratings = _table(archive, "u.data", "\t", ["user_id", "item_id", "rating", "time"])
    flags = [f"flag_{i}" for i in range(len(GENRES_100K))]
    items = _table(archive, "u.item", "|", ["item_id", "title", "released", "video", "url", *flags])
    names = [pl.when(pl.col(flag) == "1").then(pl.lit(genre)) for flag, genre in zip(flags, GENRES_100K, strict=True)]
    users = _table(archive, "u.user", "|", ["user_id", "age", "gender", "occupation", "zip_code"])
    return MovieLens(
        _ratings(archive, ratings),
        _items(
            archive, items, pl.col("released").str.slice(-4), pl.concat_str(names, separator="|", ignore_nulls=True)
        ),
        _users(archive, users),
    )


def _edition_dat(archive: Archive) -> MovieLens:
    ratings = _table(archive, "ratings.dat", "::", ["user_id", "item_id", "rating", "time"])
    items = _table(archive, "movies.dat", "::", ["item_id", "title", "genres"])
    users = None
    if archive.read("users.dat") is not None:
        users = _table(archive, "users.dat", "::", ["user_id", "gender", "age", "occupation", "zip_code"])
    return MovieLens(
        _ratings(archive, ratings),
        _items(archive, items, _year_in_title(), pl.col("genres")),
        None if users is None else _users(archive, users),
    )


def _edition_csv(archive: Archive) -> MovieLens:
    names = {"userId": "user_id", "movieId": "item_id", "timestamp": "time"}
    ratings = _table(archive, "ratings.csv", ",").rename(names, strict=False)
    items = _table(archive, "movies.csv", ",").rename(names, strict=False)
    return MovieLens(_ratings(archive, ratings), _items(archive, items, _year_in_title(), pl.col("genres")), users=None)


def _year_in_title() -> pl.Expr:
    return pl.col("title").str.extract(r"\((\d{4})\)\s*$", 1)


def _table(archive: Archive, name: str, separator: str, columns: list[str] | None = None) -> pl.DataFrame:
    """Read a file as text columns; the first line names them unless ``columns`` does."""
    content = archive.read(name)
    if content is None:
        raise DataError(f"MovieLens: {archive.path} holds {archive.ratings} but no {name} beside it.")
    try:
        content.decode()
    except UnicodeDecodeError:
        content = content.decode("latin-1").encode()
    if separator == "::":
        content, separator = content.replace(b"::", b"\t"), "\t"
    try:
        return pl.read_csv(
            content,
            separator=separator,
            has_header=columns is None,
            new_columns=columns,
            infer_schema=False,
            quote_char='"' if separator == "," else None,
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"MovieLens: {name} in {archive.path} cannot be read: {error}") from error


def _ratings(archive: Archive, table: pl.DataFrame) -> pl.DataFrame:
    return _select(
        archive,
        table,
        pl.col("user_id").cast(pl.Int64),
        pl.col("item_id").cast(pl.Int64),
        pl.col("rating").cast(pl.Float64),
        pl.col("time").cast(pl.Float64).cast(pl.Int64),
    )


def _items(archive: Archive, table: pl.DataFrame, year: pl.Expr, genres: pl.Expr) -> pl.DataFrame:
    listed = genres.str.replace("(no genres listed)", "", literal=True).str.split("|").list.sort().list.join("|")
    return _select(
        archive,
        table,
        pl.col("item_id").cast(pl.Int64),
        year.cast(pl.Int64, strict=False).alias("year"),
        listed.alias("genres"),
    )


def _users(archive: Archive, table: pl.DataFrame) -> pl.DataFrame:
    return _select(
        archive,
        table,
        pl.col("user_id").cast(pl.Int64),
        pl.col("age").cast(pl.Int64, strict=False),
        pl.col("gender"),
        pl.col("occupation"),
        pl.col("zip_code").str.slice(0, 1).alias("zip_region"),
    )


def _select(archive: Archive, table: pl.DataFrame, *columns: pl.Expr) -> pl.DataFrame:
    try:
        return table.select(columns)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"MovieLens: the files beside {archive.ratings} in {archive.path} are not those of a known edition: "
            f"{reason}. Columns: {', '.join(table.columns)}."
        ) from error

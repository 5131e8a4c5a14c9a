"""From the files of an edition to training Parquet and ``schema.yaml``, kept in a cache."""

from __future__ import annotations

import datetime
import hashlib
import os
import shutil
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from hyrec.data.logs import BuildReport, Recipe, build
from hyrec.data.parquet.policy import DataError
from hyrec.parquet import write_parquet
from hyrec_movielens.archive import Archive
from hyrec_movielens.files import MovieLens, read

RECIPE = "recipe.yaml"
COMPLETE = "report.json"
"""The last file that a build writes."""


def recipe_for(edition: MovieLens, validate: float, test: float) -> Recipe:
    """Return the recipe of an edition, split by time.

    Args:
        edition: The tables.
        validate: Share of the ratings that validate, those before the test's.
        test: Share of the ratings that test, the latest ones.

    Raises:
        DataError: When the shares leave nothing to train on.
    """
    if not (validate > 0 and test > 0 and validate + test < 1):
        raise DataError(
            f"MovieLens needs validate and test above 0 with a sum below 1, got {validate} and {test}; "
            "0.1 and 0.1 work."
        )
    content: dict[str, Any] = yaml.safe_load(_recipe_text())
    time = edition.ratings["time"].sort()
    first = {"validate_from": 1 - validate - test, "test_from": 1 - test}
    content["split"] = {name: _iso(int(time[int(len(time) * share)])) for name, share in first.items()}
    if edition.users is None:
        del content["tables"]["user"]
        content["features"] = {n: f for n, f in content["features"].items() if f.get("source") != "user"}
    return Recipe.from_dict(content)


def build_movielens(archive: Archive, out: str | Path, *, validate: float = 0.1, test: float = 0.1) -> BuildReport:
    """Write ``train``, ``validate`` and ``test.parquet`` and ``schema.yaml`` of an edition.

    Args:
        archive: The edition.
        out: Folder to write to; made when missing, its files replaced.
        validate: Share of the ratings that validate.
        test: Share of the ratings that test.

    Raises:
        DataError: When the files are not those of a known edition.
    """
    edition = read(archive)
    recipe = recipe_for(edition, validate, test)
    with tempfile.TemporaryDirectory(prefix="movielens-") as folder:
        tables = {"ratings": edition.ratings, "items": edition.items, "users": edition.users}
        for name, table in tables.items():
            if table is not None:
                write_parquet(table.to_arrow(), Path(folder) / f"{name}.parquet")
        return build(recipe, folder, out)


def cache_folder(archive: Archive, validate: float, test: float, cache_dir: str | Path = "") -> Path:
    """Return the folder in which an edition's data set is cached, whether it is there or not.

    Its name follows from the content of the ratings, the recipe and the shares.

    Args:
        archive: The edition.
        validate: Share of the ratings that validate.
        test: Share of the ratings that test.
        cache_dir: Where caches live. Empty: ``$HYREC_CACHE``, or else ``~/.cache/hyrec``.
    """
    root = Path(cache_dir or os.environ.get("HYREC_CACHE") or Path.home() / ".cache" / "hyrec").expanduser()
    name = ".inter" if archive.is_recbole else Path(archive.ratings).name
    key = hashlib.blake2b(archive.read(name) or b"", digest_size=8)
    key.update(f"{_recipe_text()} {archive.is_recbole} {validate} {test}".encode())
    return root / f"movielens-{key.hexdigest()}"


def ensure_built(archive: Archive, *, validate: float = 0.1, test: float = 0.1, cache_dir: str | Path = "") -> Path:
    """Return the folder with the data set of an edition, building it first unless it is there and complete.

    Several processes may call this at once: each builds in a folder of its own and moves it into place in one
    step; the first wins, and the others use its files.
    """
    target = cache_folder(archive, validate, test, cache_dir)
    if (target / COMPLETE).is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
        made = Path(folder) / "new"
        build_movielens(archive, made, validate=validate, test=test)
        if target.is_dir() and not (target / COMPLETE).is_file():
            shutil.rmtree(target)
        try:
            made.rename(target)
        except OSError:
            if not (target / COMPLETE).is_file():
                raise
    return target


def _recipe_text() -> str:
    return (resources.files("hyrec_movielens") / RECIPE).read_text(encoding="utf-8")


def _iso(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()

"""Finds the files of a MovieLens edition in a folder, a zip file or a wheel."""

from __future__ import annotations

import importlib.metadata
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hyrec.data.parquet.policy import DataError

RATING_FILES = ("u.data", "ratings.dat", "ratings.csv")
"""The file that every official edition has; RecBole's is ``<name>.inter``."""


@dataclass(frozen=True)
class Archive:
    """The files of one edition.

    Args:
        path: Folder, or zip file (a wheel is one).
        ratings: Name of the file with the ratings, relative to ``path``.
    """

    path: Path
    ratings: str

    @property
    def is_recbole(self) -> bool:
        """Whether these are RecBole's atomic files."""
        return self.ratings.endswith(".inter")

    def read(self, name: str) -> bytes | None:
        """Return the content of a file beside the ratings, or None when there is none.

        Args:
            name: Name of the file; for RecBole's files only the suffix, such as ``.item``.
        """
        ratings = PurePosixPath(self.ratings)
        member = str(ratings.with_suffix(name) if self.is_recbole else ratings.with_name(name))
        if not self.path.is_dir():
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(member) if member in archive.namelist() else None
        file = self.path / member
        return file.read_bytes() if file.is_file() else None


def find_archive(path: str | Path = "") -> Archive:
    """Return the one edition that a folder or zip file holds.

    Args:
        path: Folder, zip file or wheel. Empty: the installed distribution ``recbole``, which carries MovieLens-100K.

    Raises:
        DataError: When there is no edition, or several, with what to do about it.
    """
    place = Path(path).expanduser() if str(path) else _recbole_example()
    if place.is_dir():
        names = [p.relative_to(place).as_posix() for p in sorted(place.rglob("*")) if p.is_file()]
    elif place.is_file() and zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            names = sorted(archive.namelist())
    else:
        what = "is neither a folder nor a zip file" if place.exists() else "does not exist"
        raise DataError(f"MovieLens: path {str(place)!r} {what}. {_REMEDY}")
    found = [n for n in names if PurePosixPath(n).name in RATING_FILES or n.endswith(".inter")]
    if not found:
        known = ", ".join([*RATING_FILES, "*.inter"])
        raise DataError(f"MovieLens: {place} holds none of {known}. {_REMEDY}")
    if len(found) > 1:
        raise DataError(
            f"MovieLens: {place} holds {len(found)} editions ({', '.join(found[:4])}). Point path to the folder of one."
        )
    return Archive(place, found[0])


_REMEDY = (
    "Set data.init_args.path to an edition from grouplens.org/datasets/movielens (zip file or folder) or to the "
    "wheel of recbole 1.2.1; or run 'pip install --no-deps recbole==1.2.1' and leave path empty."
)


def _recbole_example() -> Path:
    """Return the folder of MovieLens-100K inside the installed RecBole, which is not imported."""
    try:
        files = importlib.metadata.distribution("recbole").files or []
    except importlib.metadata.PackageNotFoundError:
        raise DataError(
            f"MovieLens: no path is given and the distribution recbole is not installed. {_REMEDY}"
        ) from None
    for file in files:
        if file.name == "ml-100k.inter":
            return Path(str(file.locate())).parent
    raise DataError(f"MovieLens: the installed recbole carries no ml-100k.inter. {_REMEDY}")

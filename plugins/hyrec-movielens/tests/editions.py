"""One small, invented MovieLens in every dialect that the plugin reads."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

from hyrec_movielens.files import GENRES_100K

NUM_USERS, NUM_ITEMS = 30, 40
FIRST_SECOND = 880_000_000
OCCUPATIONS = ("artist", "doctor", "writer")


def users() -> list[tuple[int, int, str, str, str]]:
    rng = random.Random(1)
    return [
        (u, rng.randint(15, 60), rng.choice("FM"), rng.choice(OCCUPATIONS), rng.choice(("94110", "V5A2B", "10003")))
        for u in range(1, NUM_USERS + 1)
    ]


def items() -> list[tuple[int, str, int | None, list[str]]]:
    rng = random.Random(2)
    found = []
    for i in range(1, NUM_ITEMS + 1):
        genres = sorted(rng.sample(GENRES_100K[1:], rng.randint(1, 3)), key=GENRES_100K.index)
        found.append((i, f"Café No. {i}", None if i == 7 else rng.randint(1930, 1998), genres))
    return found


def ratings() -> list[tuple[int, int, int, int]]:
    """Users rate in bursts, several items in the same second."""
    rng = random.Random(3)
    found = []
    for u in range(1, NUM_USERS + 1):
        time = FIRST_SECOND + rng.randint(0, 10_000_000)
        for item in rng.sample(range(1, NUM_ITEMS + 1), 25):
            time += rng.choice((0, 0, 1, 40, 90_000))
            found.append((u, item, rng.randint(1, 5), time))
    rng.shuffle(found)
    return found


def write_100k(folder: Path) -> Path:
    lines = ["\t".join(map(str, row)) for row in ratings()]
    (folder / "u.data").write_text("\n".join(lines) + "\n")
    lines = []
    for item, title, year, genres in items():
        flags = ["1" if genre in genres else "0" for genre in GENRES_100K]
        lines.append("|".join([str(item), f"{title} ({year})", f"01-Jan-{year}" if year else "", "", "", *flags]))
    (folder / "u.item").write_text("\n".join(lines) + "\n", encoding="latin-1")
    (folder / "u.user").write_text("\n".join("|".join(map(str, row)) for row in users()) + "\n")
    return folder


def write_1m(folder: Path, *, with_users: bool = True) -> Path:
    (folder / "ratings.dat").write_text("\n".join("::".join(map(str, row)) for row in ratings()) + "\n")
    lines = [f"{i}::{_titled(title, year)}::{'|'.join(genres)}" for i, title, year, genres in items()]
    (folder / "movies.dat").write_text("\n".join(lines) + "\n", encoding="latin-1")
    lines = [f"{u}::{gender}::{age}::{occupation}::{code}" for u, age, gender, occupation, code in users()]
    if with_users:
        (folder / "users.dat").write_text("\n".join(lines) + "\n")
    return folder


def write_25m(folder: Path) -> Path:
    rows = [f"{u},{i},{r}.0,{t}" for u, i, r, t in ratings()]
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *rows]) + "\n")
    rows = [f'{i},"{_titled(title, year)}",{"|".join(genres)}' for i, title, year, genres in items()]
    (folder / "movies.csv").write_text("\n".join(["movieId,title,genres", *rows]) + "\n", encoding="utf-8")
    return folder


def write_recbole(folder: Path) -> Path:
    rows = ["\t".join(map(str, row)) for row in ratings()]
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
    (folder / "ml-100k.inter").write_text("\n".join([header, *rows]) + "\n")
    header = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq"
    rows = [f"{i}\t{title}\t{year or ''}\t{' '.join(genres)}" for i, title, year, genres in items()]
    (folder / "ml-100k.item").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    header = "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token"
    rows = ["\t".join(map(str, row)) for row in users()]
    (folder / "ml-100k.user").write_text("\n".join([header, *rows]) + "\n")
    return folder


def zipped(folder: Path, archive: Path, inside: str) -> Path:
    with zipfile.ZipFile(archive, "w") as out:
        for file in sorted(folder.iterdir()):
            out.write(file, f"{inside}/{file.name}")
    return archive


def _titled(title: str, year: int | None) -> str:
    return f"{title} ({year})" if year else title

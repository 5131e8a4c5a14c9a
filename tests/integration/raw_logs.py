"""Raw logs as a shop would hand them over: impressions with clicks, three logs of other events, users and items."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

CATEGORIES = ("shoes", "books", "games", "garden", "music")
START = datetime(2026, 1, 1, tzinfo=timezone.utc)
NUM_USERS, NUM_ITEMS = 60, 40
_DAY = 24 * 3600


class Shop:
    """A simulated shop; a user clicks what matches the latest search, and more often what was bought and played."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.users = [f"u{number:03d}" for number in range(NUM_USERS)]
        self.items = {100 + number: self.random.choice(CATEGORIES) for number in range(NUM_ITEMS)}
        self.tastes = {user: self.random.choice(CATEGORIES) for user in self.users}

    def write(self, folder: Path, days: range, *, labels: bool = True, tables: bool = True) -> None:
        """Write the logs of some days, and the tables of users and items."""
        folder.mkdir(parents=True, exist_ok=True)
        rows: dict[str, list[Sequence[Any]]] = {"impressions": [], "searches": [], "purchases": [], "plays": []}
        for day in days:
            for user in self.random.sample(self.users, NUM_USERS // 2):
                self._visit(rows, user, day)
        clicked = ["is_click"] if labels else []
        heads = {
            "impressions": ["user_id", "item_id", "timestamp", "position", "device", *clicked],
            "searches": ["user_id", "searched_at", "topic"],
            "purchases": ["customer", "product", "bought_at", "price"],
            "plays": ["user_id", "item_id", "timestamp", "seconds"],
        }
        if not labels:
            rows["impressions"] = [row[:-1] for row in rows["impressions"]]
        for name, head in heads.items():
            _write(folder / f"{name}.csv", head, rows[name])
        if tables:
            people = [[user, 18 + i % 50, ("de", "fr", "cn")[i % 3]] for i, user in enumerate(self.users)]
            _write(folder / "users.csv", ["user_id", "age", "country"], people)
            goods = [[item, topic, round(5 + item % 37 * 1.5, 2)] for item, topic in self.items.items()]
            _write(folder / "items.csv", ["item_id", "category", "list_price"], goods)

    def _visit(self, rows: dict[str, list[Sequence[Any]]], user: str, day: int) -> None:
        draw = self.random
        now = int((START + timedelta(days=day)).timestamp()) + draw.randrange(_DAY - 3600)
        topic = self.tastes[user] if draw.random() < 0.5 else draw.choice(CATEGORIES)
        searched = datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        rows["searches"].append([user, searched, topic])
        for position, item in enumerate(draw.sample(sorted(self.items), 3)):
            now += draw.randrange(20, 200)
            chance = 0.08 + 0.5 * (self.items[item] == topic) + 0.2 * (self.items[item] == self.tastes[user])
            clicked = int(draw.random() < chance)
            device = draw.choice(("phone", "phone", "desktop"))
            rows["impressions"].append([user, item, now, position, device, clicked])
            if clicked and draw.random() < 0.6:
                rows["plays"].append([user, item, now + 5, draw.randrange(5, 300)])
            if clicked and draw.random() < 0.3:
                rows["purchases"].append([user, item, 1000 * (now + 9), round(draw.uniform(5, 60), 2)])


def _write(path: Path, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)

"""What a simulated log is made of: its options, the strengths of its planted effects, and its schema."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field, replace
from typing import Any

from hyrec.schema import NUM_RESERVED_IDS, Feature, Schema, SequenceSpec, Task

DAY = 86_400
START = 1_767_571_200  # Monday 5 January 2026, 00:00 UTC
CLICK_DAYS = 14  # days of clicks before the first request
LOG_PRICE = 3.0  # mean of the logarithm of a price
NUM_BRANDS, NUM_TAGS, MAX_TAGS, MAX_TOPICS, NUM_AGES, NUM_DEVICES, PROFILE_WIDTH = 50, 40, 3, 3, 7, 4, 4
DURATION_LIMITS = [15.0, 30.0, 60.0, 120.0, 240.0]


@dataclass(frozen=True)
class Strengths:
    """Standard deviation of each planted effect over the log, in log-odds; 0 turns an effect off.

    Args:
        item: An item's own appeal; part of it is said by its tags.
        user: A user's readiness to click; part of it is said by age band and device.
        context: Surface and hour.
        interest: Share of the user's clicks, recent ones weighted more, that have the candidate's category.
        cross: A table over surface and the candidate's category, without main effects.
        numeric: Distance of the candidate's log price from the user's spending level.
        one_hop_a: A table over the sought theme.
        one_hop_b: Share of the user's views of the candidate's theme that have the candidate's category.
        two_hop: Share of the user's views of the *sought* theme that have the candidate's category.
    """

    item: float = 0.6
    user: float = 0.4
    context: float = 0.3
    interest: float = 0.5
    cross: float = 0.35
    numeric: float = 0.35
    one_hop_a: float = 0.75
    one_hop_b: float = 0.7
    two_hop: float = 0.95

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not 0 <= value < float("inf"):
                raise ValueError(f"strengths.{name} is a standard deviation in log-odds, at least 0: got {value}.")


@dataclass(frozen=True)
class SimulatorSpec:
    """Size and make of a simulated log.

    Args:
        seed: The same seed and options give the same log.
        num_requests: Requests over all days; the last day is the test split, the day before it validates.
        num_users: Users.
        num_items: Items; at least one for every pair of category and theme.
        num_categories: Categories of items.
        num_themes: Themes of items.
        num_surfaces: Surfaces that show candidates; also the most searches of a user.
        min_candidates: Fewest candidates drawn for a request (an item drawn twice is shown once).
        max_candidates: Most candidates drawn for a request.
        mean_clicks: Mean clicks in a history, in events.
        max_clicks: Longest click history kept, in events.
        mean_views: Mean views in a history, in events (before the cut to ``max_views``).
        max_views: Longest view history kept, in events.
        num_days: Days that the requests span, at least 3.
        drift: Share of a user's interest that is forgotten per day; 0 keeps interests for ever.
        noise: Share of views whose category is random instead of the favourite within the theme.
        missing: Share of values that are absent, in features that may be.
        base_rate: Mean click probability.
        strengths: How much each planted effect matters.
    """

    seed: int = 0
    num_requests: int = 80_000
    num_users: int = 10_000
    num_items: int = 3_000
    num_categories: int = 4
    num_themes: int = 4
    num_surfaces: int = 8
    min_candidates: int = 3
    max_candidates: int = 7
    mean_clicks: float = 20.0
    max_clicks: int = 64
    mean_views: float = 50.0
    max_views: int = 1000
    num_days: int = 10
    drift: float = 0.15
    noise: float = 0.3
    missing: float = 0.1
    base_rate: float = 0.25
    strengths: Strengths = field(default_factory=Strengths)

    def __post_init__(self) -> None:
        least = dict.fromkeys(("num_users", "num_surfaces", "max_clicks", "max_views", "min_candidates"), 1)
        least |= {"seed": 0, "num_categories": 2, "num_themes": 2, "num_days": 3, "num_requests": self.num_days}
        least |= {"num_items": self.num_categories * self.num_themes, "max_candidates": self.min_candidates}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be at least {bound}, got {getattr(self, name)}.")
        for name in ("drift", "noise", "missing"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share and must lie in [0, 1], got {getattr(self, name)}.")
        if not 0 < self.base_rate < 1:
            raise ValueError(f"base_rate must lie strictly between 0 and 1, got {self.base_rate}.")
        for name in ("mean_clicks", "mean_views"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}.")

    @property
    def split_starts(self) -> dict[str, int]:
        """First second of each split, in Unix time."""
        end = START + self.num_days * DAY
        return {"train": START, "validate": end - 2 * DAY, "test": end - DAY}


def schema(spec: SimulatorSpec) -> Schema:
    """Return the schema of the log that ``spec`` describes."""

    def ids(count: int, table: str = "", **options: Any) -> Feature:
        return Feature(vocab_size=count + NUM_RESERVED_IDS, table=table, **options)

    def events(prefix: str, max_length: int, **features: Feature) -> SequenceSpec:
        stored = {name: replace(feature, column=f"{prefix}_{name}") for name, feature in features.items()}
        return SequenceSpec(features=stored, time_column=f"{prefix}_time", max_length=max_length)

    item = ids(spec.num_items, "item")
    category = ids(spec.num_categories, "category")
    theme = ids(spec.num_themes, "theme")
    surface = ids(spec.num_surfaces, "surface")
    dwell = Feature(kind="dense", transform="log1p")
    return Schema(
        layout="requests",
        group_column="request_id",
        time_column="time",
        id_columns=["request_id", "item_id"],
        tasks={"click": Task(column="is_click")},
        features={
            "user_id": ids(spec.num_users, group="user"),
            "age_band": ids(NUM_AGES, group="user"),
            "device": ids(NUM_DEVICES, group="user"),
            "topics": replace(category, kind="multi_id", group="profile"),
            "spend_level": Feature(kind="dense", group="profile"),
            "profile": Feature(kind="dense", width=PROFILE_WIDTH, group="profile"),
            "num_views": Feature(kind="dense", transform="log1p", group="profile"),
            "item_id": replace(item, role="item", group="item"),
            "brand": ids(NUM_BRANDS, role="item", group="item"),
            "tags": ids(NUM_TAGS, kind="weighted_ids", weight_column="tag_weights", role="item", group="item"),
            "category": replace(category, role="item", group="attributes"),
            "theme": replace(theme, role="item", group="attributes"),
            "price": Feature(kind="dense", transform="log1p", role="item", group="attributes"),
            "duration": Feature(
                kind="dense", transform="bucketize", boundaries=DURATION_LIMITS, role="item", group="attributes"
            ),
            "surface": replace(surface, role="context", group="context"),
            "hour": ids(24, role="context", group="context"),
            "position": ids(spec.max_candidates, role="cross", group="context"),
        },
        sequences={
            "searches": events("search", spec.num_surfaces, surface=surface, theme=theme),
            "clicks": events("click", spec.max_clicks, item=item, category=category, theme=theme),
            "views": events("view", spec.max_views, item=item, category=category, theme=theme, dwell=dwell),
        },
    )

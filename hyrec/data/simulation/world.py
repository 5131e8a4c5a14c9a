"""Items and users of the simulated world."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from hyrec.data.simulation import spec as sizes
from hyrec.data.simulation.attainable import Floats, Ints
from hyrec.data.simulation.spec import CLICK_DAYS, DAY, LOG_PRICE, START, SimulatorSpec


@dataclass(frozen=True)
class Items:
    """Items; NaN and -1 mark what is missing. ``appeal`` is latent.

    Shape:
        ``(I,)``; tags and tag_weights ``(I, MAX_TAGS)``, of which the first ``num_tags`` count.
    """

    category: Ints
    theme: Ints
    brand: Ints
    price: Floats
    duration: Floats
    num_tags: Ints
    tags: Ints
    tag_weights: Floats
    appeal: Floats
    popularity: Floats


@dataclass(frozen=True)
class Users:
    """Users; NaN and -1 mark what is missing. ``readiness``, ``interest`` and ``favourite`` are latent.

    Shape:
        ``(U,)``; topics ``(U, MAX_TOPICS)``, profile ``(U, PROFILE_WIDTH)``, interest
        ``(U, days, categories)`` from ``CLICK_DAYS`` before the first request on, favourite
        ``(U, themes)``, a category.
    """

    age: Ints
    device: Ints
    spend: Floats
    num_topics: Ints
    topics: Ints
    profile: Floats
    readiness: Floats
    activity: Floats
    interest: Floats
    favourite: Ints


def rng_of(spec: SimulatorSpec, stream: str) -> np.random.Generator:
    """Return the random stream of one part of the world."""
    return np.random.default_rng([spec.seed, zlib.crc32(stream.encode())])


def draw_items(spec: SimulatorSpec) -> Items:
    """Draw the items; every pair of category and theme has at least one."""
    rng = rng_of(spec, "items")
    num, pairs = spec.num_items, spec.num_categories * spec.num_themes
    more = rng.choice(pairs, num - pairs, p=rng.dirichlet(np.full(pairs, 5.0)))
    pair = rng.permutation(np.concatenate([np.arange(pairs), more]))
    tags = np.argsort(rng.random((num, sizes.NUM_TAGS)), axis=1)[:, : sizes.MAX_TAGS]
    num_tags = rng.integers(sizes.MAX_TAGS + 1, size=num)
    shown = np.arange(sizes.MAX_TAGS) < num_tags[:, None]
    tag_weights = np.round(rng.uniform(0.1, 1.0, (num, sizes.MAX_TAGS)), 3)
    from_tags = (rng.standard_normal(sizes.NUM_TAGS)[tags] * tag_weights * shown).sum(1)
    return Items(
        category=pair // spec.num_themes,
        theme=pair % spec.num_themes,
        brand=hide(rng, rng.integers(sizes.NUM_BRANDS, size=num), spec.missing, -1),
        price=hide(rng, np.round(np.exp(LOG_PRICE + rng.standard_normal(num)), 2) + 0.01, spec.missing, np.nan),
        duration=hide(rng, np.round(np.exp(4.0 + 0.8 * rng.standard_normal(num)), 1), spec.missing, np.nan),
        num_tags=num_tags,
        tags=tags,
        tag_weights=tag_weights,
        appeal=0.6 * from_tags + 0.8 * rng.standard_normal(num),
        popularity=rng.permutation(1.0 / (np.arange(num) + 10.0)),
    )


def draw_users(spec: SimulatorSpec) -> Users:
    """Draw the users, with interests for every day."""
    rng = rng_of(spec, "users")
    num, days = spec.num_users, CLICK_DAYS + spec.num_days
    age, device = rng.integers(sizes.NUM_AGES, size=num), rng.integers(sizes.NUM_DEVICES, size=num)
    said = rng.standard_normal(sizes.NUM_AGES)[age] + rng.standard_normal(sizes.NUM_DEVICES)[device]
    interest = rng.standard_normal((num, days, spec.num_categories), dtype=np.float32).astype(np.float64)
    keep = 1.0 - spec.drift
    for today in range(1, days):
        interest[:, today] = keep * interest[:, today - 1] + np.sqrt(1.0 - keep**2) * interest[:, today]
    topics = np.argsort(rng.standard_normal(interest[:, 0].shape) - 2 * interest[:, 0], axis=1)[:, : sizes.MAX_TOPICS]
    noise = 0.5 * rng.standard_normal((num, sizes.PROFILE_WIDTH))
    return Users(
        age=hide(rng, age, spec.missing, -1),
        device=device,
        spend=hide(rng, np.round(rng.standard_normal(num), 3), spec.missing, np.nan),
        num_topics=rng.integers(topics.shape[1] + 1, size=num),
        topics=topics,
        profile=interest[:, 0] @ rng.standard_normal((spec.num_categories, sizes.PROFILE_WIDTH)) + noise,
        readiness=0.5 * said + rng.standard_normal(num),
        activity=rng.lognormal(0.0, 0.7, num),
        interest=interest,
        favourite=rng.integers(spec.num_categories, size=(num, spec.num_themes)),
    )


def items_of(rng: np.random.Generator, spec: SimulatorSpec, items: Items, category: Ints, theme: Ints) -> Ints:
    """Draw an item by popularity for each pair of category and theme; -1 as category draws from all items."""
    pair = items.category * spec.num_themes + items.theme
    order = np.argsort(pair, kind="stable")
    first = np.searchsorted(pair[order], np.arange(spec.num_categories * spec.num_themes + 1))
    mass = np.concatenate([[0.0], np.cumsum(items.popularity[order])])
    wanted = category * spec.num_themes + theme
    low = np.where(category < 0, 0, first[wanted])
    high = np.where(category < 0, len(pair), first[wanted + 1])
    point = mass[low] + rng.random(len(wanted)) * (mass[high] - mass[low])
    drawn: Ints = order[np.clip(np.searchsorted(mass, point, side="right") - 1, low, high - 1)]
    return drawn


def pick(rng: np.random.Generator, weights: Floats) -> Ints:
    """Draw one column per row of ``weights (n, k)``, which need not sum to one."""
    steps = np.cumsum(weights, axis=1)
    drawn: Ints = (rng.random((len(steps), 1)) * steps[:, -1:] >= steps[:, :-1]).sum(1)
    return drawn


def hide(rng: np.random.Generator, values: np.ndarray, share: float, missing: float) -> np.ndarray:
    """Replace a random share of the values by ``missing``."""
    return np.where(rng.random(len(values)) < share, missing, values).astype(values.dtype)


def day_of(time: Ints) -> Ints:
    """Return the row of ``Users.interest`` at a moment."""
    return (time - START) // DAY + CLICK_DAYS

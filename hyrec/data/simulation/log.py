"""The simulated log, with the true click probability of every sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyrec.data.simulation import behaviour
from hyrec.data.simulation.attainable import Floats, Ints
from hyrec.data.simulation.effects import terms_of
from hyrec.data.simulation.impressions import Impressions
from hyrec.data.simulation.spec import DAY, START, SimulatorSpec
from hyrec.data.simulation.world import Items, Users, day_of, draw_items, draw_users, items_of, pick, rng_of

VERSION = 1
"""Raised whenever the same spec makes another log, so that no cache of an older generator is read."""


@dataclass(frozen=True)
class Log:
    """A simulated log in order of time.

    Shape:
        probability, clicked and every term: ``(B,)``.
    """

    spec: SimulatorSpec
    items: Items
    users: Users
    shown: Impressions
    terms: dict[str, Floats]
    intercept: float
    probability: Floats
    clicked: Ints

    @property
    def logit(self) -> Floats:
        """True log-odds: the intercept plus the sum of the terms, ``(B,)``."""
        logit: Floats = self.intercept + np.sum(list(self.terms.values()), axis=0)
        return logit

    def requests_of(self, split: str) -> slice:
        """Return the requests of ``train``, ``validate`` or ``test``: whole days, in that order."""
        starts = [*self.spec.split_starts.values(), START + self.spec.num_days * DAY]
        number = list(self.spec.split_starts).index(split)
        first, last = np.searchsorted(self.shown.time, starts[number : number + 2])
        return slice(int(first), int(last))

    def samples_of(self, split: str) -> slice:
        """Return the samples of a split."""
        requests = self.requests_of(split)
        return slice(int(self.shown.offsets[requests.start]), int(self.shown.offsets[requests.stop]))


def generate(spec: SimulatorSpec) -> Log:
    """Simulate the log that ``spec`` describes."""
    items, users = draw_items(spec), draw_users(spec)
    shown = _impressions(spec, items, users)
    terms = terms_of(spec, items, users, shown)
    total = np.sum(list(terms.values()), axis=0)
    intercept = _intercept(total, spec.base_rate)
    probability = _sigmoid(intercept + total)
    clicked = (rng_of(spec, "labels").random(len(total)) < probability).astype(np.int64)
    return Log(spec, items, users, shown, terms, intercept, probability, clicked)


def _impressions(spec: SimulatorSpec, items: Items, users: Users) -> Impressions:
    """Draw who asks when on which surface, what they did before, and what they are shown."""
    rng = rng_of(spec, "requests")
    num = spec.num_requests
    traffic = np.exp(np.cos((np.arange(24) - 20) * np.pi / 12))  # of the hours; the evening is busiest
    day = np.arange(num) * spec.num_days // num
    second = rng.choice(24, num, p=traffic / traffic.sum()) * 3600 + rng.integers(3600, size=num)
    time = np.sort(START + day * DAY + second)
    user = rng.choice(spec.num_users, num, p=users.activity / users.activity.sum())
    surface = rng.integers(spec.num_surfaces, size=num)
    searches, sought = behaviour.searches(spec, user, time, surface)
    events = {
        "searches": searches,
        "clicks": behaviour.clicks(spec, items, users, user, time),
        "views": behaviour.views(spec, items, users, user, time),
    }
    request_of, item = _candidates(spec, items, users, user, time)
    offsets = np.searchsorted(request_of, np.arange(num + 1))
    return Impressions(user, time, surface, sought, events, offsets, item)


def _candidates(spec: SimulatorSpec, items: Items, users: Users, user: Ints, time: Ints) -> tuple[Ints, Ints]:
    """Return request and item of each candidate: popular, of present interest, or of a favourite category."""
    rng = rng_of(spec, "candidates")
    counts = rng.integers(spec.min_candidates, spec.max_candidates + 1, size=len(user))
    request_of = np.repeat(np.arange(len(user)), counts)
    num = len(request_of)
    source = rng.choice(3, num, p=[0.4, 0.3, 0.3])
    theme = rng.integers(spec.num_themes, size=num)
    liked = pick(rng, np.exp(1.5 * users.interest[user, day_of(time)])[request_of])
    favourite = users.favourite[user[request_of], theme]
    item = items_of(rng, spec, items, np.choose(source, [np.full(num, -1), liked, favourite]), theme)
    _, first = np.unique(request_of * spec.num_items + item, return_index=True)
    first.sort()
    return request_of[first], item[first]


def _intercept(total: Floats, base_rate: float) -> float:
    """Return the constant that makes the mean probability ``base_rate``, by bisection."""
    low, high = -50.0, 50.0
    for _ in range(45):
        middle = (low + high) / 2
        low, high = (middle, high) if _sigmoid(total + middle).mean() < base_rate else (low, middle)
    return (low + high) / 2


def _sigmoid(logit: Floats) -> Floats:
    """Return probabilities without overflow."""
    return np.exp(-np.logaddexp(0.0, -logit))

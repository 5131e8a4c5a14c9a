"""What users do before a request: searches, clicks and views."""

from __future__ import annotations

import numpy as np

from hyrec.data.packing import to_offsets
from hyrec.data.simulation.attainable import Ints
from hyrec.data.simulation.impressions import Events
from hyrec.data.simulation.spec import CLICK_DAYS, DAY, START, SimulatorSpec
from hyrec.data.simulation.world import Items, Users, day_of, hide, items_of, pick, rng_of

VIEW_DAYS, SEARCH_DAYS = 30, 30  # days of behaviour before the first request
SEARCHES_PER_SURFACE = 3.5  # of one user, over all days


def searches(spec: SimulatorSpec, user: Ints, time: Ints, surface: Ints) -> tuple[Events, Ints]:
    """Return the last search on every surface before each request, and the theme sought on its own."""
    rng = rng_of(spec, "searches")
    days = SEARCH_DAYS + spec.num_days
    num = int(spec.num_users * spec.num_surfaces * SEARCHES_PER_SURFACE)
    owner = rng.integers(spec.num_users * spec.num_surfaces, size=num)  # user and surface as one number
    key = np.sort(owner * (days * DAY) + rng.integers(days * DAY, size=num))
    owner, when = key // (days * DAY), START - SEARCH_DAYS * DAY + key % (days * DAY)
    theme = rng.integers(spec.num_themes, size=num)
    surfaces = np.arange(spec.num_surfaces)
    wanted = user[:, None] * spec.num_surfaces + surfaces
    begin, end = _seen(owner, when, wanted.ravel(), np.repeat(time, spec.num_surfaces), 1)
    found = (end > begin).reshape(wanted.shape)
    last = np.where(found, begin.reshape(wanted.shape), 0)
    own = np.arange(len(user)), surface
    sought = np.where(found[own], theme[last[own]], -1)
    order = np.argsort(np.where(found, when[last], np.iinfo(np.int64).max), axis=1, kind="stable")
    ordered = np.take_along_axis(found, order, axis=1)
    last = np.take_along_axis(last, order, axis=1)[ordered]
    offsets = to_offsets(found.sum(1))
    columns = {"time": when[last], "surface": owner[last] % spec.num_surfaces, "theme": theme[last]}
    return Events(columns, offsets[:-1], offsets[1:]), sought


def clicks(spec: SimulatorSpec, items: Items, users: Users, user: Ints, time: Ints) -> Events:
    """Return clicks, whose categories follow the interests of their day."""
    rng = rng_of(spec, "clicks")
    who, when = _timeline(rng, spec, spec.mean_clicks, 0.7, CLICK_DAYS)
    category = pick(rng, np.exp(1.5 * users.interest[who, day_of(when)]))
    item = items_of(rng, spec, items, category, rng.integers(spec.num_themes, size=len(who)))
    columns = {"time": when, "item": item, "category": category, "theme": items.theme[item]}
    return Events(columns, *_seen(who, when, user, time, spec.max_clicks))


def views(spec: SimulatorSpec, items: Items, users: Users, user: Ints, time: Ints) -> Events:
    """Return views, whose category is the user's favourite within the theme, or random."""
    rng = rng_of(spec, "views")
    who, when = _timeline(rng, spec, spec.mean_views, 1.0, VIEW_DAYS)
    theme = rng.integers(spec.num_themes, size=len(who))
    any_category = rng.integers(spec.num_categories, size=len(who))
    category = np.where(rng.random(len(who)) < spec.noise, any_category, users.favourite[who, theme])
    item = items_of(rng, spec, items, category, theme)
    dwell = hide(rng, np.round(np.exp(3.0 + rng.standard_normal(len(who))), 1), spec.missing, np.nan)
    columns = {"time": when, "item": item, "category": category, "theme": theme, "dwell": dwell}
    return Events(columns, *_seen(who, when, user, time, spec.max_views))


def _timeline(
    rng: np.random.Generator, spec: SimulatorSpec, mean: float, spread: float, history_days: int
) -> tuple[Ints, Ints]:
    """Return user and time of events: log-normally many a user, halfway through the log ``mean`` on average."""
    days = history_days + spec.num_days
    span, scale = days * DAY, mean * days / (history_days + spec.num_days / 2)
    counts = rng.poisson(rng.lognormal(np.log(scale) - spread**2 / 2, spread, spec.num_users))
    user = np.repeat(np.arange(spec.num_users), counts)
    key = np.sort(user * span + rng.integers(span, size=len(user)))
    return key // span, START - history_days * DAY + key % span


def _seen(event_user: Ints, event_time: Ints, user: Ints, time: Ints, most: int) -> tuple[Ints, Ints]:
    """Return the range of each user's last ``most`` events strictly before each request."""
    span = 1 << 32  # seconds; Unix time stays below this until 2106
    key = event_user * span + event_time
    end = np.searchsorted(key, user * span + time, side="left")
    begin = np.searchsorted(key, user * span, side="left")
    return np.maximum(begin, end - most), end

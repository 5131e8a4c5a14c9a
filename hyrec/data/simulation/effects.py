"""The planted effects: what each adds to the log-odds of a click."""

from __future__ import annotations

import dataclasses

import numpy as np

from hyrec.data.simulation.attainable import Floats, Ints
from hyrec.data.simulation.impressions import Impressions, chunks
from hyrec.data.simulation.spec import DAY, LOG_PRICE, SimulatorSpec
from hyrec.data.simulation.world import Items, Users, rng_of

CLICK_MEMORY = 2.0 * DAY  # seconds in which a click's weight in the interest effect falls by a factor e


def terms_of(spec: SimulatorSpec, items: Items, users: Users, shown: Impressions) -> dict[str, Floats]:
    """Return what each effect adds to the log-odds of every sample, ``(B,)`` by name of the effect.

    Every term has mean 0 and the standard deviation that ``spec.strengths`` asks for.
    """
    request_of, item = shown.request_of, shown.item
    user, surface, sought = shown.user[request_of], shown.surface[request_of], shown.sought[request_of]
    context = rng_of(spec, "context")
    cross = rng_of(spec, "cross").standard_normal((spec.num_surfaces, spec.num_categories))
    cross -= cross.mean(0)
    cross -= cross.mean(1, keepdims=True)  # no main effects are left
    values = rng_of(spec, "sought").permutation(np.linspace(-1.0, 1.0, spec.num_themes))
    parts = {
        "item": items.appeal[item],
        "user": users.readiness[user],
        "context": context.standard_normal(spec.num_surfaces)[surface]
        + context.standard_normal(24)[shown.hour[request_of]],
        "cross": cross[surface, items.category[item]],
        "numeric": -np.abs(np.log(items.price[item]) - LOG_PRICE - users.spend[user]),
        "one_hop_a": np.append(values, np.nan)[sought],  # the last one is for no search
        **_behaviour_effects(spec, items, shown),
    }
    strengths = dataclasses.asdict(spec.strengths)
    return {name: _centred(parts[name], strength) for name, strength in strengths.items()}


def _centred(part: Floats, strength: float) -> Floats:
    """Scale to mean 0 and the standard deviation; what is not known (NaN) contributes the mean, 0."""
    known = ~np.isnan(part)
    if strength == 0 or not known.any():
        return np.zeros(len(part))
    centred = np.where(known, part - part[known].mean(), 0.0)
    deviation = centred.std()
    return centred * (strength / deviation) if deviation > 1e-12 else np.zeros(len(part))


def _behaviour_effects(spec: SimulatorSpec, items: Items, shown: Impressions) -> dict[str, Floats]:
    """Return the effects that are read from clicks and views; NaN where the history says nothing."""
    parts: dict[str, list[Floats]] = {"interest": [], "one_hop_b": [], "two_hop": []}
    for rows in chunks(0, len(shown.time)):
        num = rows.stop - rows.start
        samples = slice(int(shown.offsets[rows.start]), int(shown.offsets[rows.stop]))
        row = shown.request_of[samples] - rows.start
        category, theme = items.category[shown.item[samples]], items.theme[shown.item[samples]]

        clicks, owner = shown.events["clicks"].owned(rows)
        weight = np.exp((clicks["time"] - shown.time[rows][owner]) / CLICK_MEMORY)
        cell = owner * spec.num_categories + clicks["category"]
        clicked = np.bincount(cell, weight, num * spec.num_categories).reshape(num, 1, -1)
        parts["interest"].append(_share(clicked, row, np.zeros_like(theme), category))

        views, owner = shown.events["views"].owned(rows)
        cell = (owner * spec.num_themes + views["theme"]) * spec.num_categories + views["category"]
        viewed = np.bincount(cell, minlength=num * spec.num_themes * spec.num_categories)
        viewed = viewed.reshape(num, spec.num_themes, spec.num_categories)
        parts["one_hop_b"].append(_share(viewed, row, theme, category))
        parts["two_hop"].append(_share(viewed, row, shown.sought[rows][row], category))
    return {name: np.concatenate(part) for name, part in parts.items()}


def _share(counts: np.ndarray, row: Ints, theme: Ints, category: Ints) -> Floats:
    """Return, per sample, the category's share of the events of the theme; NaN without such an event."""
    total = counts.sum(2)[row, theme]
    known = (total > 0) & (theme >= 0)
    return np.where(known, counts[row, theme, category] / np.where(known, total, 1), np.nan)

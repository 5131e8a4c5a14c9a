"""Several sequences of ONE request as one stream (HyFormer table 2, "merge sequences into one")."""

from __future__ import annotations

import math

from tests.references.primitives import Vector, Weights, linear


def in_order_of_time(times: dict[str, list[float]]) -> list[tuple[str, int]]:
    """Name every event by sequence and place: unknown times first, then from the oldest to the newest.

    Events are inserted one by one, each behind all that are not newer.
    """
    order: list[tuple[str, int]] = []
    moments: list[float] = []
    for name in sorted(times):
        for i, time in enumerate(times[name]):
            moment = -math.inf if math.isnan(time) else time
            place = 0
            while place < len(order) and moments[place] <= moment:
                place += 1
            order.insert(place, (name, i))
            moments.insert(place, moment)
    return order


def merge_sequences(w: Weights, events: dict[str, list[Vector]], times: dict[str, list[float]]) -> list[Vector]:
    """Project every event to the common width where its own differs, and add the vector of its sequence."""
    names = sorted(events)
    out = []
    for name, i in in_order_of_time(times):
        vector = events[name][i]
        if "weight" in w.at("project", name):
            vector = linear(w.at("project", name), vector)
        out.append(vector + w["source_SE"][names.index(name)])
    return out

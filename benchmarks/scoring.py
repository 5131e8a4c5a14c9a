"""What it costs to score the candidates of one request: as rows, with shared sequences, and with a state that is kept.

    python benchmarks/scoring.py [--config configs/hyformer.yaml] [--candidates 500] [--events 1000] [--runs 7]

One thread, random data of the config's schema, every sequence filled to the events given. Medians; ways take turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from hyrec import Batch, Experiment, Ranker
from hyrec.batch import RequestMap
from hyrec.plain_text import table
from hyrec.sample_batch import random_batch, select_rows


def measured(ways: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Return the median seconds of every way, after one run of each."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(runs + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(of) for name, of in seconds.items()}


def shared_batch(model: Ranker, candidates: int, events: int) -> Batch:
    """Draw one request with its candidates and full histories."""
    lengths = {name: [min(events, spec.max_length)] for name, spec in model.schema.sequences.items()}
    return random_batch(model.schema, num_requests=1, candidates=[candidates], lengths=lengths)


def as_rows(batch: Batch) -> Batch:
    """Copy the request's events to each of its candidates."""
    sequences = {}
    for name, events in batch.sequences.items():
        length, count = int(events.offsets[1]), batch.num_samples
        offsets = torch.arange(count + 1) * length
        copied = {n: v.repeat(count, *[1] * (v.ndim - 1)) for n, v in events.features.items()}
        when = None if events.time is None else events.time.repeat(count)
        sequences[name] = replace(events, features=copied, offsets=offsets, time=when)
    moment = None if batch.time is None else batch.time.repeat(batch.num_samples)
    return replace(batch, sequences=sequences, request_of=None, time=moment)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="pkg:hyrec/hyformer.yaml")
    for name, value in (("candidates", 500), ("events", 1000), ("runs", 7)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = Experiment.parse(["--config", options.config]).model().eval()
    batch = shared_batch(model, options.candidates, options.events)
    rows = as_rows(batch)
    per_candidate = model.schema.is_per_candidate
    own = {n: select_rows(v, torch.tensor([0])) for n, v in batch.features.items() if not per_candidate(n)}
    request = Batch(own, batch.sequences, {}, num_samples=1, time=batch.time)
    features = {n: v for n, v in batch.features.items() if per_candidate(n)}
    index = RequestMap.from_index(torch.zeros(options.candidates, dtype=torch.int64), 1)
    candidates = Batch(features, {}, {}, options.candidates, index)
    state = model.encode(request)
    with torch.inference_mode():
        apart = model.predict_step(rows, 0)[model.primary_task]
    gap = float((model.score(state, candidates)[model.primary_task] - apart).abs().max())

    def predict(of: Batch) -> None:
        with torch.inference_mode():
            model.predict_step(of, 0)

    ways: dict[str, Callable[[], object]] = {
        "rows, a history each": lambda: predict(rows),
        "one request, shared history": lambda: predict(batch),
        "encode": lambda: model.encode(request),
        "score, with the state of before": lambda: model.score(state, candidates),
    }
    found = measured(ways, options.runs)
    slowest = found["rows, a history each"]
    lines = [[name, f"{1000 * s:.1f}", f"{slowest / s:.0f}"] for name, s in found.items()]
    print(f"{options.candidates} candidates, {options.events} events, {options.config}; scores differ by {gap:.1e}")
    print(table(["", "ms", "times faster than rows"], lines, right=range(1, 3)))


if __name__ == "__main__":
    main()

"""Writes a simulated log as Parquet, and keeps such logs in a cache."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hyrec.data.packing import to_offsets
from hyrec.data.simulation.attainable import Floats, Ints, grouped_auc, log_loss, references
from hyrec.data.simulation.impressions import chunks
from hyrec.data.simulation.log import VERSION, Log, generate
from hyrec.data.simulation.spec import SimulatorSpec, schema
from hyrec.files import digest
from hyrec.parquet import parquet_writer
from hyrec.schema import NUM_RESERVED_IDS

SPLITS = ("train", "validate", "test")
REPORT = "attainable.json"
PROBABILITY_COLUMN = "true_probability"
"""Holds what was planted. No schema names it, so no model can read it."""


def simulate(spec: SimulatorSpec, out_dir: str | Path) -> dict[str, Any]:
    """Write ``train``, ``validate`` and ``test.parquet``, ``schema.yaml`` and ``attainable.json``.

    Returns:
        What ``attainable.json`` holds: the spec, sizes of the files, and by split the figures that the true
        probabilities reach on the drawn clicks (``references``, see ``attainable.references``) and in
        expectation over all draws (``expected``: pooled AUC and log loss).

    Raises:
        FileExistsError: When one of the files is there already.
    """
    out = Path(out_dir)
    names = [*(f"{split}.parquet" for split in SPLITS), "schema.yaml", REPORT]
    if taken := [name for name in names if (out / name).exists()]:
        raise FileExistsError(f"{out} already holds {', '.join(taken)}; remove them or name another folder.")
    out.mkdir(parents=True, exist_ok=True)
    try:
        return _write(spec, out)
    except BaseException:  # all of it, or nothing
        for name in names:
            (out / name).unlink(missing_ok=True)
        raise


def _write(spec: SimulatorSpec, out: Path) -> dict[str, Any]:
    log = generate(spec)
    true_logit, probability, request_of = log.logit, log.probability, log.shown.request_of
    report: dict[str, Any] = {
        "generator_version": VERSION,
        "spec": dataclasses.asdict(spec),
        "intercept": log.intercept,
        "files": {},
        "references": {},
        "expected": {},
    }
    for split in SPLITS:
        requests, samples, path = log.requests_of(split), log.samples_of(split), out / f"{split}.parquet"
        pieces = list(chunks(requests.start, requests.stop))
        with parquet_writer(path, _table(log, pieces[0]).schema) as writer:
            for rows in pieces:
                writer.write_table(_table(log, rows), row_group_size=4096)  # requests
        logit, clicked = true_logit[samples], log.clicked[samples].astype(np.float64)
        terms = {name: term[samples] for name, term in log.terms.items()}
        report["files"][path.name] = {
            "bytes": path.stat().st_size,
            "requests": requests.stop - requests.start,
            "samples": len(clicked),
            "clicks": int(clicked.sum()),
        }
        report["references"][split] = references(logit, terms, clicked, request_of[samples])
        report["expected"][split] = {
            "auc": grouped_auc(logit, probability[samples]),
            "logloss": log_loss(logit, probability[samples]),
        }
    schema(spec).save(out / "schema.yaml")
    (out / REPORT).write_text(json.dumps(report, indent=1))
    return report


def cache_path(spec: SimulatorSpec, cache_dir: str | Path = "") -> Path:
    """Return the folder of a log, there or not, in ``cache_dir``, ``$HYREC_CACHE`` or else ``~/.cache/hyrec``."""
    root = Path(cache_dir or os.environ.get("HYREC_CACHE") or Path.home() / ".cache" / "hyrec").expanduser()
    content = json.dumps([VERSION, dataclasses.asdict(spec)], sort_keys=True)
    return root / f"simulated-{digest(content)}"


def ensure_cached(spec: SimulatorSpec, cache_dir: str | Path = "") -> Path:
    """Return the folder that holds the log of ``spec``, simulating it first unless it is there and complete.

    Several processes may call this at once: each writes a folder of its own and moves it into place in one
    step; the first wins, and the others use its files.
    """
    target = cache_path(spec, cache_dir)
    if read_report(target):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent)
    except OSError as error:
        raise OSError(
            f"Cannot write the cache of simulated data to {target.parent} ({error.strerror}); name a "
            "writable folder with the option cache_dir or the environment variable HYREC_CACHE."
        ) from error
    with scratch as folder:
        simulate(spec, Path(folder) / "new")
        _move_into_place(Path(folder), target)
    return target


def _move_into_place(folder: Path, target: Path) -> None:
    """Rename ``folder/new`` to ``target`` unless a complete log is there; a broken one is moved out."""
    for attempt in range(100):
        try:
            os.rename(folder / "new", target)
            return
        except OSError:
            if read_report(target):
                return
        try:
            os.rename(target, folder / f"broken{attempt}")
        except FileNotFoundError:  # another process was quicker to move it out
            continue
    raise OSError(f"Cannot put the simulated data into {target}; remove that folder and try again.")


def read_report(folder: Path) -> dict[str, Any] | None:
    """Return the report of a simulated log; None unless the folder holds all of it at full length."""
    try:
        report: dict[str, Any] = json.loads((folder / REPORT).read_text())
        complete = all((folder / name).stat().st_size == f["bytes"] for name, f in report["files"].items())
    except (OSError, ValueError, KeyError):
        return None
    return report if complete and (folder / "schema.yaml").exists() else None


def _table(log: Log, rows: slice) -> pa.Table:
    """Return the Parquet rows of some requests: candidates and events are lists."""
    items, users, shown = log.items, log.users, log.shown
    user, offsets = shown.user[rows], shown.offsets[rows.start : rows.stop + 1]
    samples = slice(int(offsets[0]), int(offsets[-1]))
    offsets, item = offsets - offsets[0], shown.item[samples]
    used = np.arange(items.tags.shape[1]) < items.num_tags[item][:, None]
    listed = np.arange(users.topics.shape[1]) < users.num_topics[user][:, None]
    tag_offsets = to_offsets(items.num_tags[item])
    position = np.arange(len(item)) - np.repeat(offsets[:-1], np.diff(offsets))
    views = shown.events["views"]
    columns: dict[str, pa.Array] = {
        "request_id": pa.array(np.arange(rows.start, rows.stop)),
        "time": pa.array(shown.time[rows]),
        "user_id": _ids(user),
        "age_band": _ids(users.age[user]),
        "device": _ids(users.device[user]),
        "topics": _lists(to_offsets(users.num_topics[user]), _ids(users.topics[user][listed])),
        "spend_level": _numbers(users.spend[user]),
        "profile": _lists(np.arange(len(user) + 1) * users.profile.shape[1], _numbers(users.profile[user].ravel())),
        "num_views": _numbers((views.end - views.begin)[rows]),
        "surface": _ids(shown.surface[rows]),
        "hour": _ids(shown.hour[rows]),
        "item_id": _lists(offsets, _ids(item)),
        "brand": _lists(offsets, _ids(items.brand[item])),
        "tags": _lists(offsets, _lists(tag_offsets, _ids(items.tags[item][used]))),
        "tag_weights": _lists(offsets, _lists(tag_offsets, _numbers(items.tag_weights[item][used]))),
        "category": _lists(offsets, _ids(items.category[item])),
        "theme": _lists(offsets, _ids(items.theme[item])),
        "price": _lists(offsets, _numbers(items.price[item])),
        "duration": _lists(offsets, _numbers(items.duration[item])),
        "position": _lists(offsets, _ids(position)),
        "is_click": _lists(offsets, pa.array(log.clicked[samples].astype(np.int8))),
        PROBABILITY_COLUMN: _lists(offsets, pa.array(log.probability[samples])),
    }
    for name, prefix in (("searches", "search"), ("clicks", "click"), ("views", "view")):
        events, ends = shown.events[name].of(rows)
        columns[f"{prefix}_time"] = _lists(ends, pa.array(events.pop("time")))
        for side, values in events.items():
            columns[f"{prefix}_{side}"] = _lists(ends, _numbers(values) if values.dtype.kind == "f" else _ids(values))
    return pa.table(columns)


def _ids(raw: Ints) -> pa.Array:
    """Return final ids; -1 becomes null."""
    return pa.array((raw + NUM_RESERVED_IDS).astype(np.int32), mask=raw < 0)


def _numbers(values: Floats | Ints) -> pa.Array:
    """Return float32; NaN becomes null."""
    return pa.array(values.astype(np.float32), from_pandas=True)


def _lists(offsets: Ints, values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values)

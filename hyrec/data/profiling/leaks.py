"""Features that know the label: by their value, by being it, or by being there at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from hyrec.data.packing import Array, list_sums, owners
from hyrec.data.parquet.chunk import Packed
from hyrec.data.profiling.figures import binned, is_known
from hyrec.data.profiling.findings import Finding
from hyrec.data.profiling.rows import SplitRows
from hyrec.metrics.functional import expected_auc
from hyrec.schema import Schema

LEAK_AUC, FAR_AUC, FAR_GAP, FEW_ROWS = 0.95, 0.8, 0.15, 50
"""An AUC above which one feature is suspected; a lower one, where at most two others are nearer than the gap; and how
many rows of each label the rows that it is measured on must have."""
_BINS, _PRIOR_ROWS, _PURE, _BY_CHANCE, _MOST_COLUMNS = 64, 10.0, 0.999, 1e-6, 64


@dataclass(frozen=True)
class Halves:
    """Rows that rates are counted on, and other rows that they are judged on."""

    fit: SplitRows
    held: SplitRows
    in_fit: Array
    in_held: Array
    held_name: str

    @classmethod
    def of(cls, splits: Mapping[str, SplitRows]) -> Halves:
        """Take training rows and the last other split that there is, or else two random halves of one."""
        names = [name for name in ("train", "validate", "test", "rows") if name in splits]
        fit, held = splits[names[0]], splits[names[-1]]
        in_fit, in_held = np.ones(fit.num_rows, bool), np.ones(held.num_rows, bool)
        if fit is not held:
            return cls(fit, held, in_fit, in_held, names[-1])
        in_fit = (fit.row_hash & np.uint64(1)) == 0  # a row and its repetition are in one half
        return cls(fit, held, in_fit, ~in_fit, f"one half of {names[0]}")


def feature_aucs(halves: Halves, schema: Schema) -> dict[str, dict[str, float]]:
    """Return, by task and input, the AUC on held-out rows of that input alone.

    Ids are scored by the rate of their training rows (ten rows of the base rate added), lists by the mean rate of
    their entries, numbers by their value and by the rate of 64 bins. Of histories it is whether there are events, how
    many, and whether the newest one is of this item.
    """
    out: dict[str, dict[str, float]] = {}
    for task in schema.tasks:
        fit = halves.in_fit & ~np.isnan(halves.fit.labels[task])
        held = halves.in_held & ~np.isnan(halves.held.labels[task])
        target = halves.held.labels[task][held]
        if min(int(target.sum()), int((1 - target).sum())) < FEW_ROWS or not fit.any():
            continue
        judge = _Judge(halves.fit.labels[task], fit, torch.from_numpy(target), held)
        out[task] = {name: max(scores) for name, scores in _scored(halves, judge)}
    return out


def suspected(halves: Halves, schema: Schema, aucs: Mapping[str, Mapping[str, float]]) -> list[Finding]:
    """Return the inputs that know too much, a finding each: the plainest one there is."""
    found: dict[str, Finding] = {}
    for task in schema.tasks:
        for finding in (*_equal(halves, task), *_present(halves, schema, task), *_too_good(halves, task, aucs)):
            found.setdefault(finding.where, finding)
    return list(found.values())


@dataclass(frozen=True)
class _Judge:
    """Counts the label rates of codes on training rows, and judges them on held-out rows."""

    labels: Array
    fit: Array
    target: torch.Tensor
    held: Array

    def rates(self, codes: Array, size: int, rows: Array | None = None) -> Array:
        """Return the rate of every code; ``rows`` are those that the codes stand in."""
        labels, fit = (a if rows is None else a[rows] for a in (self.labels, self.fit))
        base = float(self.labels[self.fit].mean())
        count = np.bincount(codes[fit], minlength=size)
        return np.asarray((np.bincount(codes[fit], labels[fit], size) + base * _PRIOR_ROWS) / (count + _PRIOR_ROWS))

    def auc(self, scores: Array) -> float:
        value = float(expected_auc(torch.from_numpy(np.ascontiguousarray(scores[self.held])), self.target))
        return 0.5 if np.isnan(value) else value


def _scored(halves: Halves, judge: _Judge) -> Iterator[tuple[str, list[float]]]:
    fit, held = halves.fit, halves.held
    for name in fit.ids:
        known = fit.id_counts[name].ids
        rates = judge.rates(np.searchsorted(known, fit.ids[name]), len(known))
        yield name, [judge.auc(_of_known(held.ids[name], known, rates, float(judge.labels[judge.fit].mean())))]
    for name, numbers in fit.dense.items():
        pairs = zip(numbers.T[:_MOST_COLUMNS], held.dense[name].T[:_MOST_COLUMNS], strict=True)
        yield name, [auc for before, after in pairs for auc in _of_numbers(before, after, judge)]
    for name, lists in fit.lists.items():
        yield name, [_of_lists(lists, held.lists[name], fit.id_counts[name].ids, judge)]
    for name, facts in fit.events.items():
        other = held.events[name]
        yield f"{name} (length)", _of_numbers(facts.lengths.astype(np.float32), other.lengths.astype(np.float32), judge)
        if other.newest_is_item is not None:
            auc = judge.auc(other.newest_is_item.astype(np.float32))
            yield f"{name} (newest event is this item)", [max(auc, 1 - auc)]


def _of_known(ids: Array, known: Array, rates: Array, base: float) -> Array:
    at = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[at] == ids, rates[at], base)


def _of_numbers(before: Array, after: Array, judge: _Judge) -> list[float]:
    old, new, size = binned(before, after, _BINS)
    rates = judge.rates(old, size)
    known = before[~np.isnan(before)]
    middle = float(np.median(known)) if len(known) else 0.0
    raw = judge.auc(np.where(np.isnan(after), middle, after))
    return [judge.auc(rates[new]), max(raw, 1 - raw)]


def _of_lists(before: Packed, after: Packed, known: Array, judge: _Judge) -> float:
    base = float(judge.labels[judge.fit].mean())
    if not len(known):
        return 0.5
    rates = judge.rates(np.searchsorted(known, before.arrays["ids"]), len(known), owners(before.offsets))
    lengths = np.diff(after.offsets)
    sums = list_sums(_of_known(after.arrays["ids"], known, rates, base), after.offsets)
    return judge.auc(np.where(lengths > 0, sums / np.maximum(lengths, 1), base))


def _equal(halves: Halves, task: str) -> Iterator[Finding]:
    """Find features with two values, one for each label."""
    labels = halves.fit.labels[task]
    for name, numbers in (halves.fit.dense | halves.fit.ids).items():
        for column in numbers.reshape(len(labels), -1).T:
            told = ~np.isnan(labels) & ~np.isnan(column)
            values, of = np.unique(column[told], return_inverse=True) if told.any() else (np.zeros(0), labels)
            if len(values) != 2:
                continue
            share = float((of == labels[told]).mean())
            share = max(share, 1 - share)
            least = min(int((of == value).sum()) for value in (0, 1))
            if share >= _PURE and least >= FEW_ROWS // 2 and told.mean() > 0.5:
                said = f"its two values are the label {task!r} in {share:.2%} of the rows."
                yield Finding("equals_label", name, share, said, "Drop it: it is the label under another name.")


def _present(halves: Halves, schema: Schema, task: str) -> Iterator[Finding]:
    """Find inputs that are there, or missing, for one label alone."""
    rows, labels = halves.fit, halves.fit.labels[task]
    told = ~np.isnan(labels)
    base = float(labels[told].mean()) if told.any() else 0.0
    if not 0 < base < 1:
        return
    known = {name: is_known(rows, name) for name in schema.features}
    known |= {f"sequence {name}": facts.lengths > 0 for name, facts in rows.events.items()}
    for name, there in known.items():
        for word, mask in (("known", there & told), ("missing", ~there & told)):
            count = int(mask.sum())
            if count < FEW_ROWS // 2 or count == int(told.sum()):
                continue
            rate = float(labels[mask].mean())
            of_label = count / (told.sum() * (base if rate > 0.5 else 1 - base))
            chance = count * np.log(base if rate > 0.5 else 1 - base)
            # Among rare positives many rows hold none by chance; so half of the negatives is asked for.
            pure = rate >= _PURE or (rate <= 1 - _PURE and of_label >= 0.5)
            if pure and chance < np.log(_BY_CHANCE):
                label = "positive" if rate > 0.5 else "negative"
                said = f"{word} in {count:,} of {int(told.sum()):,} rows, {max(rate, 1 - rate):.2%} of them {label}"
                advice = "Is it written after the outcome? Take its value from before the impression, or drop it."
                yield Finding("known_by_label", name, max(rate, 1 - rate), f"{said} ({task!r}).", advice)
                break


def _too_good(halves: Halves, task: str, aucs: Mapping[str, Mapping[str, float]]) -> Iterator[Finding]:
    ordered = sorted(aucs.get(task, {}).items(), key=lambda item: -item[1])
    values = [value for _, value in ordered]
    gaps = [i for i in range(min(3, len(values) - 1)) if values[i] - values[i + 1] >= FAR_GAP and values[i] >= FAR_AUC]
    for place, (name, value) in enumerate(ordered):
        far = bool(gaps) and place <= max(gaps)
        if value > LEAK_AUC or far:
            after = f", far above the next ({values[max(gaps) + 1]:.3f})" if far else ""
            said = f"alone it has AUC {value:.3f} for {task!r} on {halves.held_name}{after}."
            advice = "Is it known before the impression? If not, drop it or take its value from before."
            yield Finding("predicts_label", name, value, said, advice)

"""What is suspicious about whole splits, histories and drift."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from hyrec.data.profiling.drift import Drift
from hyrec.data.profiling.figures import Values
from hyrec.data.profiling.findings import Finding
from hyrec.data.profiling.labels import SplitFigures, moment
from hyrec.data.profiling.leaks import FEW_ROWS
from hyrec.data.profiling.rows import SplitRows
from hyrec.plain_text import duration

MUCH_PSI, MUCH_NEW, MUCH_REPEATED = 0.25, 0.2, 0.001
"""Beyond which drift, new ids and repeated rows are told."""
_CHANCE_TIMES = 5


def split_findings(
    splits: Mapping[str, SplitRows], figures: Mapping[str, SplitFigures], zone: str
) -> Iterator[Finding]:
    """Judge each split, and their order in time, told in a zone."""
    for name, rows in splits.items():
        for task, labels in rows.labels.items():
            known = labels[~np.isnan(labels)]
            if not len(known):
                said = f"no label of {task!r} is known."
                yield Finding(
                    "constant_label", name, 0.0, said, "Check the column, and the task's threshold or positive."
                )
            elif known.min() == known.max():
                said = f"every label of {task!r} is {known[0]:g}."
                advice = "Check the task's threshold or positive, and how the rows were chosen."
                yield Finding("constant_label", name, float(known[0]), said, advice)
        repeated, impressions = figures[name].repeated_rows, figures[name].repeated_impressions
        if repeated >= MUCH_REPEATED:
            said = f"{repeated:.2%} of its rows repeat an earlier one in every value."
            yield Finding("repeated_rows", name, repeated, said, "Drop them where the log was written twice.", False)
        elif impressions is not None and impressions >= MUCH_REPEATED:
            said = f"{impressions:.2%} of its rows repeat user, item and time of an earlier one."
            advice = "Is one impression written several times, with different outcomes?"
            yield Finding("repeated_impressions", name, impressions, said, advice, False)
    yield from _overlaps(splits, zone)


def _overlaps(splits: Mapping[str, SplitRows], zone: str) -> Iterator[Finding]:
    timed = [rows for name in ("train", "validate", "test") if (rows := splits.get(name)) and rows.time is not None]
    for place, later in enumerate(timed):
        for earlier in timed[:place]:
            assert earlier.time is not None
            assert later.time is not None
            end = float(earlier.time.max())
            share = float((later.time < end).mean())
            if share:
                early = duration(end - float(later.time.min()))
                of = f"the end of {earlier.name} ({moment(end, zone)} {zone})"
                said = f"{share:.2%} of its rows are earlier than {of}, by up to {early}."
                advice = "Split by time, or figures are too good; a day column may end its days at another hour."
                yield Finding("time_overlap", later.name, share, said, advice)


def history_findings(splits: Mapping[str, SplitRows]) -> Iterator[Finding]:
    """Judge histories: events that are not before their impression."""
    sequences = dict.fromkeys(name for rows in splits.values() for name in rows.events)
    for sequence in sequences:
        facts = [rows.events[sequence] for rows in splits.values()]
        late, same, own = (
            [getattr(f, column) for f in facts] for column in ("late", "same_time", "newest_is_impression")
        )
        if any(mask is not None and mask.any() for mask in own):
            share = _share(own)
            said = f"in {share:.2%} of the rows the newest event is the impression itself: its item and its time."
            yield Finding("newest_is_impression", sequence, share, said, "Cut the history before the impression.")
            continue
        if late[0] is None:
            continue
        after, at = _share(late), _share(same)
        if after or at:
            said = f"{after:.2%} of the rows have an event later than the impression, {at:.2%} one at its very time."
            advice = "Keep events before the impression only; if clocks are coarse, also those of its tick go."
            yield Finding("late_events", sequence, after + at, said, advice)


def _share(masks: list[np.ndarray | None]) -> float:
    given = [mask for mask in masks if mask is not None]
    return float(sum(mask.sum() for mask in given) / max(1, sum(len(mask) for mask in given)))


def constant_findings(train: Mapping[str, Values]) -> Iterator[Finding]:
    """Find features that say nothing: one value, and never missing, or missing always."""
    for name, values in train.items():
        if (values.distinct == 1 and not values.missing and not values.oov) or values.missing == 1:
            said = f"every training row has {'no value' if values.missing == 1 else 'the same value'}."
            yield Finding("constant_feature", name, 1.0, said, "Drop it: nothing can be learned from it.", False)


def vocabulary_findings(values: Mapping[str, Values], later: str) -> Iterator[Finding]:
    """Find features of which many values share the row of all that the vocabulary does not hold."""
    for name, told in values.items():
        if told.oov is not None and told.oov >= MUCH_NEW:
            said = f"{told.oov:.1%} of its values in {later} are out of vocabulary."
            advice = "They share one row of the table: lower min_count, or hash them."
            yield Finding("out_of_vocabulary", name, told.oov, said, advice, False)


def drift_findings(drifts: Mapping[str, Drift], later: str, rows: int) -> Iterator[Finding]:
    """Judge how far evaluation is from training."""
    if rows < FEW_ROWS:
        return
    for name, drift in drifts.items():
        if drift.new_ids is not None and drift.new_ids >= MUCH_NEW:
            said = f"{drift.new_ids:.1%} of its values in {later} never occur in training."
            advice = "Their rows are never trained: raise min_count (they share one row then), or hash them."
            yield Finding("new_ids", name, drift.new_ids, said, advice, False)
        elif drift.psi >= max(MUCH_PSI, _CHANCE_TIMES * drift.by_chance):
            said = f"PSI between train and {later} is {drift.psi:.2f} (above {MUCH_PSI} is much)."
            advice = "Does it count up with time? Use a rate or an age in its place, or train on later rows."
            yield Finding("drift", name, drift.psi, said, advice, False)

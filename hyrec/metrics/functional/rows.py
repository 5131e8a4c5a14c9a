"""Checks of metric inputs, and sums over runs of sorted rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

BLOCK = 2**18
"""Rows that are looked at together, so that what is computed of each takes little memory."""


def check_rows(preds: Tensor, target: Tensor, group: Tensor | None, weights: Tensor | None) -> None:
    """Raise ``ValueError`` for tensors that are not ``(B,)`` or of a wrong type, which costs nothing on any device."""
    if preds.dim() != 1 or not preds.is_floating_point():
        raise ValueError(
            f"preds must be (B,) of a floating type, got {tuple(preds.shape)} of {preds.dtype}. "
            "Metrics look at one task at a time."
        )
    for name, rows in (("target", target), ("group", group), ("weights", weights)):
        if rows is not None and rows.shape != preds.shape:
            raise ValueError(f"{name} must be (B,) like preds {tuple(preds.shape)}, got {tuple(rows.shape)}.")
    if group is not None and (group.is_floating_point() or group.is_complex()):
        raise ValueError(f"group must hold integer ids, got {group.dtype}.")


def refuse(rows: int, nan_preds: int, outside_preds: int, bad_targets: int, bad_weights: int) -> None:
    """Raise ``ValueError`` for rows that no metric is defined for, saying how many there are."""
    if nan_preds:
        raise ValueError(
            f"{nan_preds} of {rows} predictions are NaN: the model diverged or reads a NaN input. "
            "Labels may be NaN (unknown), predictions may not."
        )
    if outside_preds:
        raise ValueError(
            f"{outside_preds} of {rows} predictions lie outside [0, 1]: the metric needs probabilities. "
            "Apply torch.sigmoid to logits first."
        )
    if bad_targets:
        raise ValueError(f"{bad_targets} of {rows} targets are none of 0, 1 and NaN (unknown), which are allowed.")
    if bad_weights:
        raise ValueError(f"{bad_weights} of {rows} weights are negative, infinite or NaN; allowed is 0 or more.")


def exact_rows(
    preds: Tensor, target: Tensor, group: Tensor | None, weights: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Check shapes; return float64 predictions, labels, weights, and ``(B, 4)``: whether ``refuse`` names a row."""
    check_rows(preds, target, group, weights)
    p, y = preds.detach().double(), target.detach().double()
    w = torch.ones_like(p) if weights is None else weights.detach().double()
    bad_target, bad_weight = ~y.isnan() & (y != 0) & (y != 1), ~(w.isfinite() & (w >= 0))
    return p, y, w, torch.stack([p.isnan(), (p < 0) | (p > 1), bad_target, bad_weight], 1)


def check_values(
    preds: Tensor, target: Tensor, group: Tensor | None, weights: Tensor | None, probabilities: bool = False
) -> None:
    """Raise ``ValueError`` for rows that no metric is defined for, a block of them at a time."""
    check_rows(preds, target, group, weights)
    wrong = torch.zeros(4, dtype=torch.int64, device=preds.device)
    for p, y, w in in_blocks(preds, target, weights):
        wrong += exact_rows(p, y, None, w)[3].sum(0)
    nan, outside, bad_targets, bad_weights = wrong.tolist()
    refuse(len(preds), nan, outside if probabilities else 0, bad_targets, bad_weights)


def in_blocks(*columns: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """Yield the same rows of every column, some at a time; None stays None."""
    longest = max(len(column) for column in columns if column is not None)
    for start in range(0, longest, BLOCK):
        yield tuple(None if column is None else column[start : start + BLOCK] for column in columns)


def selected(values: Tensor, mask: Tensor) -> Tensor:
    """Return the values where ``mask`` is True as float64; unlike indexing it makes no list of their places."""
    out = torch.empty(int(mask.sum()), dtype=torch.float64, device=values.device)
    start = 0
    for block, chosen in in_blocks(values.detach(), mask):
        part = block[chosen]
        out[start : start + len(part)] = part
        start += len(part)
    return out


def blocks_of_groups(group: Tensor) -> Iterator[Tensor]:
    """Yield the places of the rows of some groups at a time, in ascending order of the groups; once without rows."""
    order = torch.from_numpy(np.argsort(group.numpy(), kind="stable"))
    start = 0
    while start < len(order) or not start:
        rows, size = order[start : start + BLOCK], BLOCK
        while start + size < len(order):
            whole = int(torch.searchsorted(group[rows], group[order[start + size]]))
            if whole:
                rows = rows[:whole]
                break
            size *= 2
            rows = order[start : start + size]
        yield rows
        start += max(1, len(rows))


class Ascending:
    """Scores in ascending order with what they weigh: how much lies below a value.

    Args:
        scores: Float64 scores, sorted in place where that is possible.
        weights: Weight of each. None: one.
    """

    def __init__(self, scores: Tensor, weights: Tensor | None = None) -> None:
        on_cpu = scores.device.type == "cpu"
        self.sums: Tensor | None = None
        if weights is not None:
            order = torch.from_numpy(np.argsort(scores.numpy(), kind="stable")) if on_cpu else torch.argsort(scores)
            self.sums = weights.new_zeros(len(weights) + 1)
            for start in range(0, len(order), BLOCK):
                after = weights[order[start : start + BLOCK]]
                after[0] += self.sums[start]
                self.sums[start + 1 : start + 1 + len(after)] = after.cumsum(0)
        if on_cpu:
            scores.numpy().sort()
        self.scores = scores if on_cpu else scores.sort().values

    @property
    def total(self) -> float:
        """What all scores weigh."""
        return len(self.scores) if self.sums is None else float(self.sums[-1])

    def below(self, values: Tensor, *, through: bool = False) -> Tensor:
        """Return what the scores below each value weigh, those that equal it included or not."""
        places = torch.searchsorted(self.scores, values, right=through)
        return places if self.sums is None else self.sums[places]


def changes(sorted_values: Tensor) -> Tensor:
    """Return True where a run of equal values starts."""
    starts = torch.ones_like(sorted_values, dtype=torch.bool)
    starts[1:] = sorted_values[1:] != sorted_values[:-1]
    return starts


def runs(starts: Tensor) -> tuple[Tensor, Tensor]:
    """Return first row and row past the end of every run."""
    first = starts.nonzero().squeeze(1)
    return first, torch.cat([first[1:], first.new_full((min(1, len(first)),), len(starts))])


def exclusive_cumsum(values: Tensor) -> Tensor:
    """Return ``(B + 1,)``: the sum of what lies before each row, then of everything."""
    return pad(values.cumsum(0), (1, 0))


def segment_sum(values: Tensor, index: Tensor, num_segments: int) -> Tensor:
    """Return the sums of values, ``(B, ...)``, in the segments of ``index``, ``(B,)``: ``(num_segments, ...)``."""
    return values.new_zeros(num_segments, *values.shape[1:]).index_add_(0, index, values)


def num_groups(group: Tensor) -> int:
    """Return the number of groups of rows whose groups are numbered from 0."""
    return int(group.max()) + 1 if len(group) else 0

"""How well one column alone tells the label."""

from __future__ import annotations

import numpy as np
import polars as pl

_MANY, _ROWS = 50, 20
"""Values above which a column is looked at in parts, and rows that each needs."""


def is_there(values: pl.Series) -> pl.Series:
    """Return whether each row holds anything, an empty list or text being nothing."""
    if isinstance(values.dtype, pl.List):
        return values.list.len().fill_null(0) > 0
    return values.fill_null("") != "" if values.dtype == pl.String else values.is_not_null()


def auc_alone(values: pl.Series, positive: np.ndarray) -> float:
    """Return the AUC of a column's own rates by value, numbers in twenty parts of equal mass."""
    most = min(_MANY, len(values) // _ROWS)
    codes = (values.cast(pl.Int8) if values.dtype == pl.Boolean else values).rank("dense")
    if codes.n_unique() > most:
        codes = (values.cast(pl.Float64, strict=False).rank("average") * min(20, most) / len(values)).floor()
    if most < 2 or codes.null_count() > values.null_count():  # few rows, or text of many values
        return 0.5
    rows = pl.DataFrame({"code": codes, "positive": positive})
    ranks = rows.select(pl.col("positive").mean().over("code").rank("average")).to_series()
    count, pairs = int(positive.sum()), int(positive.sum()) * int((~positive).sum())
    # The rank sum: hyrec.metrics has AUC for tensors, and drafting starts without torch.
    return (float(ranks.filter(pl.Series(positive)).sum()) - count * (count + 1) / 2) / pairs if pairs else 0.5

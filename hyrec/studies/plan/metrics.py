"""The metrics that the runs of a study log, from the options that its variants come to."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from hyrec.metrics import DEFAULT_METRICS, RankingMetric, build_metrics


def metrics_of(options: Mapping[str, Any]) -> dict[str, RankingMetric]:
    """Return new metrics that a run with these options logs, by name.

    Raises:
        ValueError: When one cannot be built, two have one name, or one needs groups that the schema does not have.
    """
    chosen = options.get("model.metrics", DEFAULT_METRICS)
    return build_metrics(chosen, has_groups=bool(options.get("schema.group_column")))


def known_metrics(chosen: Iterable[Any]) -> dict[str, RankingMetric]:
    """Return new metrics by name; left out are those whose class is not installed here, and a second one of a name."""
    known: dict[str, RankingMetric] = {}
    for entry in {json.dumps(entry, sort_keys=True): entry for entry in chosen}.values():
        with contextlib.suppress(ValueError, TypeError):  # a report still shows what it logged
            known = {**build_metrics([entry]), **known}
    return known

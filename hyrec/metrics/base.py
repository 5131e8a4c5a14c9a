"""What all ranking metrics share: the inputs of an update, exact states, counts of what was left out."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import rank_zero_warn


class RankingMetric(Metric):
    """A number that tells how good the predictions of one task are, exact over any number of processes.

    Subclasses declare states with ``add_rows`` in ``__init__``, append to them in ``update``, and read them
    with ``rows``, which gives those of all processes, in ``compute``. Values are checked when the metric is
    computed: an update then never waits for the device, and all processes raise the same error instead of
    one leaving the others waiting. Metrics of one ``MetricCollection`` that declare the same states share
    them, so a state name stands for one content, which no option of a metric may change.

    Attributes:
        slot: Name of the slot in YAML and in the plugin list.
    """

    slot: ClassVar[str] = "metric"
    is_differentiable = False
    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self._no_rows: dict[str, Tensor] = {}
        self._details: dict[str, int] = {}
        self._has_warned = False

    @abstractmethod
    def update(self, preds: Tensor, target: Tensor, group: Tensor | None = None, weights: Tensor | None = None) -> None:
        """Add one batch.

        Args:
            preds: Probabilities, ``(B,)`` floating point.
            target: Labels, ``(B,)``: 1, 0, or NaN where the label is unknown (left out and counted).
            group: Integer id that query-level metrics group by, ``(B,)``. Other metrics do not need it.
            weights: Weight of each sample, ``(B,)``, 0 or more. None: every sample weighs one.
        """

    @abstractmethod
    def compute(self) -> Tensor:
        """Return the metric over all batches and processes, a float64 scalar."""

    def details(self) -> dict[str, int]:
        """Return what the last ``compute`` counted, such as ``num_rows``, ``num_unknown`` and ``num_groups``.

        Empty before the first ``compute``.
        """
        return dict(self._details)

    def add_rows(self, name: str, dtype: torch.dtype, row_shape: tuple[int, ...] = ()) -> None:
        """Declare a state that holds rows, which are concatenated over batches and processes."""
        self.add_state(name, default=[], dist_reduce_fx="cat")
        self._no_rows[name] = torch.empty((0, *row_shape), dtype=dtype)

    def rows(self, name: str) -> Tensor:
        """Return a state's rows on the CPU: this process's, or all processes' inside ``compute``."""
        state: Tensor | list[Tensor] = getattr(self, name)
        if isinstance(state, list):
            state = torch.cat([self._no_rows[name], *(part.cpu() for part in state)])
        return state.cpu()

    def exact(self, values: Tensor) -> Tensor:
        """Return float64 values; Apple's GPUs have none, so theirs move to the CPU."""
        values = values.detach()
        return (values.cpu() if values.device.type == "mps" else values).double()

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather the states of all processes; one without rows contributes empty rows of the right type."""
        for name, no_rows in self._no_rows.items():
            state = getattr(self, name)
            if isinstance(state, list) and not state:
                state.append(no_rows.to(self.device))
        super().sync(*args, **kwargs)

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        self._details = {}

    def finish(self, value: float | Tensor, if_undefined: str, **counts: int) -> Tensor:
        """Note the counts, warn once when the value is NaN, and return it as a scalar on the device."""
        self._details = counts
        number = float(value)
        if math.isnan(number) and not self._has_warned:
            self._has_warned = True
            shown = ", ".join(f"{name}={count}" for name, count in counts.items())
            rank_zero_warn(f"{type(self).__name__} is undefined, reported as NaN: {if_undefined} ({shown}).")
        on = "cpu" if self.device.type == "mps" else self.device
        return torch.tensor(number, dtype=torch.float64, device=on)

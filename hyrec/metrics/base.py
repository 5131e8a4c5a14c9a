"""What all ranking metrics share: the inputs of an update, exact states, counts of what was left out."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, distributed
from torch.nn.functional import linear
from torchmetrics import Metric
from torchmetrics.utilities import rank_zero_warn

from hyrec.metrics.facts import MetricFacts
from hyrec.metrics.functional.rows import BLOCK, blocks_of_groups


class RankingMetric(MetricFacts, Metric):
    """A number that tells how good the predictions of one task are, exact over any number of processes.

    A subclass states its facts as class attributes (see ``MetricFacts``); a name that depends on an option, such as
    ``ndcg@10``, is set in ``__init__``. For intervals over groups it says what each group adds (``group_sums``) and
    what follows from sums over groups (``value_of``), or brings its own way (``drawn``).

    It declares states with ``add_rows`` in ``__init__``, appends to them in ``update``, and reads them
    with ``rows``, which gives those of all processes, in ``compute``. Values are checked when the metric is
    computed: an update then never waits for the device, and all processes raise the same error instead of
    one leaving the others waiting. Metrics of one ``MetricCollection`` that declare the same states share
    them, so a state name stands for one content, which no option of a metric may change.

    Attributes:
        slot: Name of the slot in YAML and in the plugin list.
        groups_hold: What a group must hold to count in a metric that needs groups.
        if_undefined: What is missing when another metric is not defined, for a warning.
    """

    slot: ClassVar[str] = "metric"
    groups_hold: ClassVar[str] = "a known label"
    if_undefined: ClassVar[str] = "no row has a known label and a weight above 0"
    is_differentiable = False
    full_state_update = False

    def __init__(self) -> None:
        super().__init__(dist_sync_fn=_gathered)
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

    def group_sums(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> Tensor:
        """Return what each group adds to the sums that the metric is a function of; zeros where that is nothing.

        Args:
            preds: Probabilities.
            target: 1 or 0; rows of unknown label are left out before.
            group: Number of each row's group, from 0, every group with a row.
            weights: Weight of each row, 0 or more.

        Shape:
            ``(B,)`` each, float64 but for the group; returns ``(G, K)`` float64.

        Raises:
            NotImplementedError: When the metric is no function of sums over groups.
        """
        raise NotImplementedError(f"{type(self).__name__} is no function of sums over groups.")

    def value_of(self, sums: Tensor) -> Tensor:
        """Return the metric of sums over groups, ``(..., K)`` to ``(...)``; NaN where it is not defined."""
        raise NotImplementedError(f"{type(self).__name__} is no function of sums over groups.")

    def drawn(self, preds: Tensor, target: Tensor, group: Tensor, weights: Tensor) -> Callable[[Tensor], Tensor]:
        """Prepare the metric for draws of groups; a group that is drawn twice counts as two groups.

        Arguments as in ``group_sums``.

        Returns:
            A function from how often each group was drawn, ``(draws, G)`` float64, to the metric, ``(draws,)``; NaN
            where it is not defined.

        Raises:
            NotImplementedError: When the metric is no function of sums over groups and has no other way.
        """
        blocks = blocks_of_groups(group)  # what is computed of some groups at a time takes little memory
        parts = [self.group_sums(preds[i], target[i], group[i] - group[i[0]], weights[i]) for i in blocks]
        sums = torch.cat(parts).T.contiguous()
        return lambda counts: self.value_of(linear(counts, sums))

    @property
    def has_sums(self) -> bool:
        """Whether the metric is a function of sums over groups."""
        return type(self).group_sums is not RankingMetric.group_sums

    @property
    def can_be_drawn(self) -> bool:
        """Whether the metric can be computed on draws of groups."""
        return self.has_sums or type(self).drawn is not RankingMetric.drawn

    def details(self) -> dict[str, int]:
        """Return what the last ``compute`` counted: ``num_rows``, ``num_unknown``, ``num_groups``; empty before it."""
        return dict(self._details)

    def add_rows(self, name: str, dtype: torch.dtype, row_shape: tuple[int, ...] = ()) -> None:
        """Declare a state that holds rows, which are concatenated over batches and processes."""
        self.add_state(name, default=[], dist_reduce_fx="cat")
        self._no_rows[name] = torch.empty((0, *row_shape), dtype=dtype)

    def append_rows(self, name: str, rows: Tensor) -> None:
        """Add the rows of one batch to a state; those of small batches become one tensor, which takes less memory."""
        parts: list[Tensor] = getattr(self, name)
        parts.append(rows)
        while len(parts) > 1 and len(parts[-2]) <= len(parts[-1]) < BLOCK:
            parts[-2:] = [torch.cat(parts[-2:])]

    def rows(self, name: str) -> Tensor:
        """Return a state's rows on the CPU: this process's, or all processes' inside ``compute``."""
        state: Tensor | list[Tensor] = getattr(self, name)
        if isinstance(state, list):
            self._join(name, state)
            state = state[0]
        return state.cpu()

    def _join(self, name: str, state: list[Tensor]) -> None:
        """Make one tensor of a state's parts, in place: metrics that share the state share it further."""
        if len(state) != 1:
            state[:] = [torch.cat([self._no_rows[name].to(self.device), *state])]

    def exact(self, values: Tensor) -> Tensor:
        """Return float64 values; Apple's GPUs have none, so theirs move to the CPU."""
        values = values.detach()
        return (values.cpu() if values.device.type == "mps" else values).double()

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather the states of all processes; one without rows contributes empty rows of the right type."""
        for name in self._no_rows:
            state = getattr(self, name)
            if isinstance(state, list):
                self._join(name, state)
        super().sync(*args, **kwargs)

    def _copy_state_dict(self) -> dict[str, Any]:
        """Return the states, to be put back after ``compute``: tensors are never changed, so they need no copies."""
        states = {name: getattr(self, name) for name in self._defaults}
        return {name: list(state) if isinstance(state, list) else state for name, state in states.items()}

    def reset(self) -> None:
        """Forget all batches."""
        super().reset()
        self._details = {}

    def finish(self, value: float | Tensor, **counts: int) -> Tensor:
        """Note the counts, warn once when the value is NaN, and return it as a scalar on the device."""
        self._details = counts
        number = float(value)
        if math.isnan(number) and not self._has_warned:
            self._has_warned = True
            shown = ", ".join(f"{name}={count}" for name, count in counts.items())
            why = f"no group holds {self.groups_hold}" if self.needs_group else self.if_undefined
            rank_zero_warn(f"{type(self).__name__} is undefined, reported as NaN: {why} ({shown}).")
        on = "cpu" if self.device.type == "mps" else self.device
        return torch.tensor(number, dtype=torch.float64, device=on)


def _gathered(rows: Tensor, group: Any = None) -> list[Tensor]:
    """Return the rows of all processes as one tensor, of which no second one is made on the way."""
    group = group or distributed.group.WORLD
    size = torch.tensor([len(rows)], device=rows.device)
    sizes = [torch.zeros_like(size) for _ in range(distributed.get_world_size(group))]
    distributed.all_gather(sizes, size, group)
    everyone = rows.new_empty(sum(map(int, sizes)), *rows.shape[1:])
    for rank, part in enumerate(everyone.split([int(size) for size in sizes])):
        if rank == distributed.get_rank(group):
            part.copy_(rows)
        distributed.broadcast(part, distributed.get_global_rank(group, rank), group)
    return [everyone]

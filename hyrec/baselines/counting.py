"""Smoothed click rates of item, user and context: a baseline without a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hyrec.batch import Batch
from hyrec.messages import suggest, unknown
from hyrec.schema import Role, Schema

COUNTED_ROLES: tuple[Role, ...] = ("item", "user", "context")

MAX_SAMPLE = 100_000
"""Rows that the weights are fitted on; twice as many at most."""
_DAMPING_RANGE = (0.5, 1e9)


@dataclass(frozen=True)
class CountedFeature:
    """What a fitted baseline knows about one feature.

    Args:
        name: The feature.
        role: Its role in the schema.
        damping: Rows of the global rate that are added to the rows of every id.
        spread: Estimated variance of the true rate between ids.
        explained: Variance of the label that the smoothed rate explains; the best of a role is used.
        weight: Factor of its log-odds in the prediction; 1 would be naive Bayes.
    """

    name: str
    role: Role
    damping: float
    spread: float
    explained: float
    weight: float


class CountingBaseline:
    r"""Predict a label from the smoothed rates of one item, one user and one context feature.

    With the rate :math:`p` of all training rows and the :math:`n` rows and :math:`c` positives of an id,

    .. math::
        r_f = \frac{c + a_f p}{n + a_f}, \qquad
        \operatorname{logit} \hat y = b + \sum_f w_f (\operatorname{logit} r_f - \operatorname{logit} p).

    Nothing is tuned by hand. The damping :math:`a_f = p (1 - p) / \sigma_f^2 - 1` makes the rate the best
    linear estimate when true rates vary between ids with variance :math:`\sigma_f^2`, which is estimated
    without bias from pairs of rows of the same id. Bias and weights come from a logistic regression on rates
    that leave the row itself out (otherwise every row would see its own label), drawn towards naive Bayes
    (weights of 1). An id that training never saw has the global rate. Of each role, the one id feature is
    used whose smoothed rate explains most; name ``features`` to count others or more. Unknown labels are left
    out.

    Args:
        schema: The data.
        task: Name of the task whose label is counted.
        features: Id features to count. None: the best one of each of the roles item, user and context.
        damping: Rows of the global rate added to every id, for all features. None: estimated by feature.

    Raises:
        ValueError: When the task or a feature is unknown, a feature is no id, or there is nothing to count.

    Example:
        >>> from hyrec.schema import Feature, Task
        >>> schema = Schema(features={"item": Feature(vocab_size=6, role="item")}, tasks={"click": Task()})
        >>> items, clicks = torch.tensor([3, 3, 3, 4, 4, 4]), torch.tensor([1.0, 1, 0, 0, 0, 0])
        >>> train = Batch({"item": items}, {}, {"click": clicks}, num_samples=6)
        >>> baseline = CountingBaseline(schema, "click").fit([train])
        >>> scores = baseline.predict(train)
        >>> bool(scores[0] > scores[5])
        True
    """

    def __init__(
        self, schema: Schema, task: str, *, features: list[str] | None = None, damping: float | None = None
    ) -> None:
        if task not in schema.tasks:
            raise ValueError(unknown("There is no task", task, schema.tasks, allowed="Tasks"))
        if damping is not None and not damping > 0:
            raise ValueError(f"damping must be above 0, got {damping}; about 5 to 50 rows is usual.")
        self.task = task
        self.damping = damping
        self.choose_by_role = features is None
        self._num_ids = _id_features(schema, features)
        self._roles = {name: schema.features[name].role for name in self._num_ids}
        self._counts: dict[str, Tensor] = {}
        self.counted: list[CountedFeature] = []
        self.rate = 0.0
        self.bias = 0.0
        self.num_rows = 0
        self.num_unknown = 0

    @property
    def columns(self) -> list[str]:
        """Features to read: those that compete before ``fit``, those that were chosen after it."""
        return [feature.name for feature in self.counted] or list(self._num_ids)

    def fit(self, batches: Iterable[Batch]) -> CountingBaseline:
        """Count the training rows, in one pass; memory is 32 bytes for each id of the counted features.

        Raises:
            ValueError: When a batch lacks a feature or the label, an id is beyond its table, or the rows hold
                only one label.
        """
        self.counted, self.num_rows, self.num_unknown = [], 0, 0
        tables = {name: torch.zeros(size, 4, dtype=torch.float64) for name, size in self._num_ids.items()}
        sample = _RowSample(MAX_SAMPLE)
        for batch in batches:
            if self.task not in batch.labels:
                held = ", ".join(batch.labels) or "none"
                raise ValueError(f"The batch lacks the label of task {self.task!r}. It has: {held}.")
            label = batch.labels[self.task].detach().cpu().double()
            weight = torch.ones_like(label) if batch.weights is None else batch.weights.detach().cpu().double()
            known = ~label.isnan()
            y, w = label[known], weight[known]
            self.num_rows += len(y)
            self.num_unknown += len(label) - len(y)
            ids = torch.stack([self.ids(batch, name)[known] for name in tables], 1)
            counts = torch.stack([w, w * y, w * w, w * w * y], 1)
            for column, table in enumerate(tables.values()):
                table.index_add_(0, ids[:, column], counts)
            sample.add(ids, y, w)
        shown, clicks = (float(total) for total in next(iter(tables.values())).sum(0)[:2])
        if not 0 < clicks < shown:
            raise ValueError(
                f"Counting {self.task!r} needs rows of both labels: got {self.num_rows} rows with a known "
                f"label (weight {shown:g}, of which positive {clicks:g}) and {self.num_unknown} with none."
            )
        self._combine(tables, sample, clicks / shown)
        return self

    def predict(self, batch: Batch) -> Tensor:
        """Return the predicted probability of each sample, ``(B,)`` float64 on the CPU."""
        if not self.counted:
            raise RuntimeError("The counting baseline has counted nothing yet: call fit(batches) first.")
        return self.probability({name: self.counts_of(name, self.ids(batch, name)) for name in self.columns})

    def counts_of(self, feature: str, ids: Tensor) -> Tensor:
        """Return rows shown and clicked in training of ids of a counted feature, ``(B, 2)`` float64."""
        return self._counts[feature][ids]

    def probability(self, counts: Mapping[str, Tensor]) -> Tensor:
        """Return the probability of samples whose ids have been shown and clicked so often, ``(B, 2)`` by feature."""
        logit: Tensor | float = self.bias
        for feature in self.counted:
            shown, clicks = counts[feature.name].unbind(1)
            logit = logit + feature.weight * _log_odds(shown, clicks, feature.damping, self.rate)
        assert isinstance(logit, Tensor)
        return logit.sigmoid()

    def _combine(self, tables: dict[str, Tensor], sample: _RowSample, rate: float) -> None:
        """Choose features and dampings, and fit the weights on the sample."""
        chosen = [self._describe(name, table, rate) for name, table in tables.items()]
        if self.choose_by_role:
            by_role = [[f for f in chosen if f.role == role] for role in COUNTED_ROLES]
            chosen = [max(same, key=lambda f: f.explained) for same in by_role if same]
        _, ids, y, w = (torch.cat(column) for column in zip(*sample.parts, strict=True))
        columns = []
        for feature in chosen:
            rows = tables[feature.name][ids[:, list(tables).index(feature.name)]]
            columns.append(_log_odds(rows[:, 0] - w, rows[:, 1] - w * y, feature.damping, rate))
        self.bias, weights = _fit_logistic(torch.stack(columns, 1), y, w, rate)
        self.counted = [replace(f, weight=weight) for f, weight in zip(chosen, weights, strict=True)]
        self._counts, self.rate = {f.name: tables[f.name][:, :2].clone() for f in chosen}, rate

    def _describe(self, name: str, table: Tensor, rate: float) -> CountedFeature:
        shown, clicks, shown_squared, clicks_squared = table.unbind(1)
        pairs, won = shown**2 - shown_squared, clicks**2 - clicks_squared
        several = pairs > 1e-9 * shown**2  # ids of two rows and more
        both = (shown[several] * won[several] / pairs[several]).sum()
        spread = float(both / shown[several].sum()) - rate**2 if several.any() else 0.0
        least, most = _DAMPING_RANGE
        estimate = rate * (1 - rate) / spread - 1 if spread > 0 else most
        damping = min(max(estimate, least), most) if self.damping is None else self.damping
        explained = max(spread, 0.0) * float((shown * shown / (shown + damping)).sum() / shown.sum())
        return CountedFeature(name, self._roles[name], damping, spread, explained, weight=1.0)

    def ids(self, batch: Batch, name: str) -> Tensor:
        """Return a counted feature's ids of a batch, checked."""
        if name not in batch.features:
            known = ", ".join(batch.features)
            raise ValueError(f"The batch lacks the counted feature {name!r}. It has: {known}.")
        ids: Tensor = batch.features[name].cpu()
        size = self._num_ids[name]
        if len(ids) and not (int(ids.min()) >= 0 and int(ids.max()) < size):
            raise ValueError(
                f"Feature {name!r} has ids from {int(ids.min())} to {int(ids.max())}; "
                f"the schema allows 0 to {size - 1}."
            )
        return ids


class _RowSample:
    """A uniform sample of a stream: every row draws a key, and those with the least keys stay."""

    def __init__(self, max_rows: int) -> None:
        self.parts: list[list[Tensor]] = []
        self._max_rows, self._num_rows, self._limit = max_rows, 0, 1.0
        self._rng = torch.Generator().manual_seed(0)

    def add(self, *columns: Tensor) -> None:
        """Offer rows."""
        self._keep(torch.rand(len(columns[0]), generator=self._rng, dtype=torch.float64), *columns)
        while self._num_rows > 2 * self._max_rows:
            self._limit /= 2
            kept = [torch.cat(column) for column in zip(*self.parts, strict=True)]
            self.parts, self._num_rows = [], 0
            self._keep(*kept)

    def _keep(self, key: Tensor, *columns: Tensor) -> None:
        keep = key < self._limit
        self.parts.append([column[keep] for column in (key, *columns)])
        self._num_rows += int(keep.sum())


def _id_features(schema: Schema, features: list[str] | None) -> dict[str, int]:
    """Return the table size of each feature to count."""
    names = [n for n, f in schema.features.items() if f.kind == "id" and f.role in COUNTED_ROLES]
    if features is not None:
        for name in features:
            if name not in schema.features:
                raise ValueError(f"features names {name!r}, which the schema lacks.{suggest(name, schema.features)}")
            if (kind := schema.features[name].kind) != "id":
                raise ValueError(
                    f"features names {name!r} of kind {kind!r}; only features of kind 'id' can be counted."
                )
        names = list(dict.fromkeys(features))
    if not names:
        raise ValueError(
            "There is nothing to count: the schema needs a feature of kind 'id' and of role "
            f"{', '.join(COUNTED_ROLES)}."
        )
    return {name: schema.features[name].num_ids for name in names}


def _log_odds(shown: Tensor, clicks: Tensor, damping: float, rate: float) -> Tensor:
    """Log-odds of the smoothed rate, relative to those of the global rate."""
    smoothed = (clicks + damping * rate) / (shown + damping)
    # Weighted counts without the row itself may be below zero by rounding; eps keeps the logit finite.
    return torch.logit(smoothed, eps=1e-9) - math.log(rate / (1 - rate))


def _fit_logistic(x: Tensor, y: Tensor, w: Tensor, rate: float) -> tuple[float, list[float]]:
    """Fit bias and weights by maximum likelihood, with a normal prior around naive Bayes of variance 1."""
    start = torch.cat([x.new_tensor([math.log(rate / (1 - rate))]), x.new_ones(x.shape[1])])
    theta = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([theta], max_iter=100, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        logit = theta[0] + x @ theta[1:]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, y, weight=w, reduction="sum")
        loss = (loss + 0.5 * ((theta - start) ** 2).sum()) / w.sum()
        torch.autograd.backward(loss)
        return float(loss.detach())

    with torch.enable_grad():
        optimizer.step(closure)
    bias, *weights = theta.detach().tolist()
    return bias, weights

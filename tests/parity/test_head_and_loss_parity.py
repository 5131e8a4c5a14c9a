"""Heads and losses compute what their equations say."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hyrec.batch import RequestMap, Tokens
from hyrec.heads import MLPHead
from hyrec.losses import BCELoss, JRCLoss
from hyrec.schema import Schema
from tests.parity.building import ATOL, context, generic, random_tokens
from tests.references.heads import mlp_head
from tests.references.losses import bce, jrc
from tests.references.primitives import Weights

D = 4
QUERIES = {"clicks": 2, "likes": 1, "searches": 1}


@pytest.mark.parametrize("hidden", [None, [5], [6, 3]])
@pytest.mark.parametrize("pool", ["concat", "mean"])
@pytest.mark.parametrize("tokens", ["queries", "all"])
@pytest.mark.parametrize("beside", [False, True])
def test_mlp_head_equals_its_reference(tokens: Any, pool: Any, hidden: list[int] | None, beside: bool) -> None:
    ctx = context(d_model=D, num_queries=QUERIES, num_ns_tokens=3, feature_widths={"user": 2, "item": 3})
    head = generic(MLPHead(ctx, tokens=tokens, pool=pool, hidden=hidden, features=beside))
    features = {name: random_tokens(3, 1, width, seed=width)[:, 0] for name, width in ctx.feature_widths.items()}
    queries = {name: random_tokens(3, count, D, seed=i) for i, (name, count) in enumerate(QUERIES.items())}
    ns = random_tokens(3, 3, D, seed=9)
    with torch.no_grad():
        got = head(Tokens(queries, ns, features))
    for b in range(3):
        flat = [query for name in QUERIES for query in queries[name][b]]
        num_hidden = 1 if hidden is None else len(hidden)
        tasks = list(ctx.schema.tasks)
        own = [feature[b] for feature in features.values()] if beside else None
        expected = mlp_head(
            Weights(head), flat, list(ns[b]), tasks, tokens=tokens, pool=pool, num_hidden=num_hidden, features=own
        )
        for task in tasks:
            assert float(got[task][b]) == pytest.approx(expected[task], abs=ATOL)


def test_a_head_on_queries_needs_a_sequence() -> None:
    schema = Schema.from_dict({"features": {"user": {"vocab_size": 9}}, "tasks": {"click": {}}})
    with pytest.raises(ValueError, match=r"no sequence\. Use tokens='all'"):
        MLPHead(context(schema, num_ns_tokens=1))
    MLPHead(context(schema, num_ns_tokens=1), tokens="all")


def test_logits_stay_in_float32_under_autocast() -> None:
    ctx = context(d_model=D, num_queries=QUERIES, num_ns_tokens=3)
    tokens = Tokens({n: random_tokens(2, c, D).float() for n, c in QUERIES.items()}, torch.zeros(2, 3, D))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = MLPHead(ctx)(tokens)
    assert {logit.dtype for logit in logits.values()} == {torch.float32}


NAN = float("nan")
LOGITS = {"click": [0.3, -2.0, 1.5, 4.0], "like": [0.0, 0.7, -0.7, 2.0]}


@pytest.mark.parametrize("weights", [None, [1.0, 0.0, 2.5, 0.3]])
@pytest.mark.parametrize(
    "labels",
    [
        {"click": [1.0, 0.0, 0.0, 1.0], "like": [0.0, 0.0, 1.0, 1.0]},
        {"click": [1.0, NAN, 0.0, NAN], "like": [NAN, NAN, NAN, 1.0]},
        {"click": [1.0, 1.0, 0.0, 0.0], "like": [NAN, NAN, NAN, NAN]},
    ],
)
@pytest.mark.parametrize("task_weights", [{}, {"like": 0.25}])
@pytest.mark.parametrize("positive_weights", [{}, {"click": 3.0}])
def test_bce_equals_its_reference(
    weights: list[float] | None,
    labels: dict[str, list[float]],
    task_weights: dict[str, float],
    positive_weights: dict[str, float],
) -> None:
    loss = BCELoss(context(), task_weights=task_weights, positive_weights=positive_weights)
    total, parts = loss(
        {task: torch.tensor(values, dtype=torch.float64) for task, values in LOGITS.items()},
        {task: torch.tensor(values, dtype=torch.float64) for task, values in labels.items()},
        None if weights is None else torch.tensor(weights, dtype=torch.float64),
    )
    expected, expected_parts = bce(LOGITS, labels, weights, task_weights, positive_weights)
    assert float(total) == pytest.approx(expected, abs=ATOL)
    for task, part in expected_parts.items():
        assert float(parts[task]) == pytest.approx(part, abs=ATOL)


def test_an_unknown_label_sends_no_gradient() -> None:
    logits = {t: torch.zeros(3, dtype=torch.float64, requires_grad=True) for t in ("click", "like")}
    labels = {"click": torch.tensor([1.0, NAN, 0.0]), "like": torch.tensor([NAN, NAN, NAN])}
    total, _ = BCELoss(context())(logits, labels)
    total.backward()
    assert logits["click"].grad.ne(0).tolist() == [True, False, True]
    assert logits["like"].grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("option", ["task_weights", "positive_weights"])
def test_a_loss_refuses_tasks_that_do_not_exist(option: str) -> None:
    with pytest.raises(ValueError, match=rf"{option} names the task 'clik'. Did you mean 'click'\?"):
        BCELoss(context(), **{option: {"clik": 2.0}})


def test_extreme_logits_give_a_finite_loss() -> None:
    logits = {"click": torch.tensor([1e4, -1e4]), "like": torch.tensor([0.0, 0.0])}
    labels = {"click": torch.tensor([0.0, 1.0]), "like": torch.tensor([0.0, 1.0])}
    total, parts = BCELoss(context())(logits, labels)
    assert float(parts["click"]) == pytest.approx(1e4)
    assert torch.isfinite(total)


@pytest.mark.parametrize("weights", [None, [1.0, 0.0, 2.5, 0.3, 1.0]])
@pytest.mark.parametrize("labels", [[1.0, 0.0, 0.0, 1.0, 1.0], [1.0, NAN, 0.0, NAN, 0.0], [NAN] * 5])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_jrc_equals_its_reference(weights: list[float] | None, labels: list[float], alpha: float) -> None:
    logits, request = [0.3, -2.0, 1.5, 4.0, 0.1], [1, 0, 1, 0, 2]
    schema = Schema.from_dict({"features": {"user": {"vocab_size": 9}}, "tasks": {"click": {}}})
    total, parts = JRCLoss(context(schema), alpha=alpha)(
        {"click": torch.tensor(logits, dtype=torch.float64)},
        {"click": torch.tensor(labels, dtype=torch.float64)},
        None if weights is None else torch.tensor(weights, dtype=torch.float64),
        RequestMap.from_index(torch.tensor(request), 3),
    )
    assert float(total) == pytest.approx(jrc(logits, labels, weights, request, alpha), abs=ATOL)
    assert float(parts["click"]) == float(total)


def test_jrc_refuses_a_share_above_one() -> None:
    with pytest.raises(ValueError, match=r"alpha from 0 to 1, got 1\.5"):
        JRCLoss(context(), alpha=1.5)

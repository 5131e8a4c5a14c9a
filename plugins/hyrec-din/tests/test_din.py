"""DIN's decoder against slow, obvious loops in float64, and the contract that all decoders obey."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hyrec_din import Dice, TargetAttentionDecoder
from torch import Tensor

from hyrec.batch import RequestMap, Sequence
from hyrec.context import BuildContext
from hyrec.testing import check_component, tiny_schema

D, E = 6, 5
OPTIONS = [
    {},
    {"normalize": "softmax", "activation": "prelu", "hidden": (7, 3)},
    {"activation": "relu", "hidden": (4, 9)},
]


def build(**options: object) -> TargetAttentionDecoder:
    torch.manual_seed(0)
    ctx = BuildContext(tiny_schema(), d_model=D, d_memory=E, sequence="clicks")
    decoder = TargetAttentionDecoder(ctx, **options).double()
    with torch.no_grad():
        for module in decoder.modules():
            if isinstance(module, Dice):
                module.alpha.normal_()
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
    return decoder.eval()


def events(lengths: list[int], spare: int = 0, seed: int = 1) -> Sequence:
    rng = torch.Generator().manual_seed(seed)
    values = torch.randn(max(1, sum(lengths)), E, generator=rng, dtype=torch.float64)
    return Sequence(
        torch.cat([values, values.new_full((spare, E), 1e30)]), torch.tensor([0, *lengths]).cumsum(0), max(1, *lengths)
    )


def dice_of_one(dice: Dice, s: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    out = []
    for i in range(len(s)):
        p = 1 / (1 + torch.exp(-(s[i] - mean[i]) / torch.sqrt(var[i] + dice.eps)))
        out.append(p * s[i] + (1 - p) * dice.alpha[i] * s[i])
    return torch.stack(out)


def reference(decoder: TargetAttentionDecoder, queries: Tensor, histories: list[Tensor]) -> Tensor:
    """One sample, one query and one event at a time, with the concatenation as it is written down."""
    unit, answers = decoder.unit, []
    for query, history in zip(queries, histories, strict=True):
        for q in query:
            weights = []
            for h in history:
                k = decoder.key.weight @ h
                s = torch.cat([q, k, q - k, q * k])
                for layer, activation in zip(unit.layers, unit.activations, strict=True):
                    s = layer.weight @ s + layer.bias
                    if isinstance(activation, Dice):
                        s = dice_of_one(activation, s, activation.running_mean, activation.running_var)
                    elif isinstance(activation, torch.nn.ReLU):
                        s = torch.stack([x if x > 0 else x * 0 for x in s])
                    else:
                        s = torch.stack([x if x > 0 else a * x for x, a in zip(s, activation.slope, strict=True)])
                weights.append(unit.score.weight[0] @ s + (0 if unit.score.bias is None else unit.score.bias[0]))
            if decoder.normalize == "softmax" and weights:
                total = sum(torch.exp(w) for w in weights)
                weights = [torch.exp(w) / total for w in weights]
            pooled = torch.zeros(E, dtype=torch.float64)
            for w, h in zip(weights, history, strict=True):
                pooled = pooled + w * h
            answers.append(q + decoder.out.weight @ pooled)
    return torch.stack(answers).unflatten(0, queries.shape[:2])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_computes_what_the_paper_says(options: dict[str, object]) -> None:
    decoder, lengths = build(**options), [3, 0, 1, 5]
    memory = events(lengths, spare=2)
    queries = torch.randn(4, 2, D, dtype=torch.float64)
    histories = list(memory.values[: sum(lengths)].split(lengths))
    torch.testing.assert_close(decoder(queries, memory), reference(decoder, queries, histories), rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_candidates_of_one_request_read_the_same_events(options: dict[str, object]) -> None:
    decoder, lengths = build(**options), [3, 0, 5]
    memory = events(lengths)
    index = torch.tensor([2, 0, 2, 1, 2])
    queries = torch.randn(5, 2, D, dtype=torch.float64)
    per_request = memory.values[: sum(lengths)].split(lengths)
    expected = reference(decoder, queries, [per_request[i] for i in index])
    actual = decoder(queries, memory, RequestMap.from_index(index, 3))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_without_events_the_queries_come_back_unchanged() -> None:
    queries = torch.randn(2, 3, D, dtype=torch.float64)
    for options in OPTIONS:
        assert torch.equal(build(**options)(queries, events([0, 0])), queries)


def test_raw_weights_keep_the_strength_of_an_interest() -> None:
    """The same event twice counts twice without softmax, and once with it."""
    once = events([1])
    twice = replace(once, values=once.values.repeat(2, 1), offsets=torch.tensor([0, 2]), max_length=2)
    q = torch.randn(1, 1, D, dtype=torch.float64)
    raw, normal = build(), build(normalize="softmax")
    torch.testing.assert_close(raw(q, twice) - q, 2 * (raw(q, once) - q))
    torch.testing.assert_close(normal(q, twice), normal(q, once))


def test_padding_changes_neither_the_output_nor_the_statistics_of_dice() -> None:
    lengths, index = [3, 0, 5], torch.tensor([2, 0, 2, 1, 2])
    q = torch.randn(5, 1, D, dtype=torch.float64)
    results = []
    for spare, longer in ((0, 0), (4, 6)):
        decoder = build().train()
        memory = events(lengths, spare)
        memory = replace(memory, max_length=memory.max_length + longer)
        out = decoder(q, memory, RequestMap.from_index(index, 3))
        results.append((out, decoder.unit.activations[0].running_mean))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=1e-12)


def test_dice_uses_the_statistics_of_the_rows_that_count() -> None:
    torch.manual_seed(0)
    dice = Dice(3, momentum=0.25).double().train()
    torch.nn.init.normal_(dice.alpha)
    s, mask = torch.randn(4, 2, 3, dtype=torch.float64), torch.tensor([[1, 1], [0, 1], [0, 0], [1, 1]]).bool()
    kept = s[mask]
    mean, var = kept.mean(0), kept.var(0, correction=0)
    out = dice(s, mask)
    for place in mask.nonzero().tolist():
        torch.testing.assert_close(out[tuple(place)], dice_of_one(dice, s[tuple(place)], mean, var))
    torch.testing.assert_close(dice.running_mean, 0.25 * mean)
    torch.testing.assert_close(dice.running_var, 0.75 + 0.25 * var)


def test_a_batch_without_events_keeps_the_statistics_of_dice() -> None:
    decoder = build().train()
    before = decoder.unit.activations[0].running_mean.clone()
    out = decoder(torch.randn(2, 1, D, dtype=torch.float64), events([0, 0]))
    assert out.isfinite().all()
    assert torch.equal(decoder.unit.activations[0].running_mean, before)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_it_obeys_the_contract(options: dict[str, object]) -> None:
    check_component(TargetAttentionDecoder, **options)


def test_an_empty_network_is_refused_with_a_value_that_works() -> None:
    with pytest.raises(ValueError, match=r"hidden: \[64\]; got \[\]"):
        build(hidden=())

"""LONGER's global tokens in one stream: events see those of the user, never one that a candidate has a part in."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hyrec.batch import Sequence
from hyrec.blocks import LongerBlock
from hyrec.context import BuildContext
from hyrec.testing.batches import change_candidates, tiny_schema
from tests.parity.building import (
    assert_rows,
    assert_tokens,
    context,
    generic,
    parameters_of,
    ragged,
    random_tokens,
    requests,
    rows,
)
from tests.parity.test_candidate_independence import network_of, timed_schema, tiny_batch
from tests.references import blocks
from tests.references.primitives import Weights

D, T = 8, 6
DEPENDENT = [True, False, True, True, False, True]  # a query; user, item, context, interests; one mixed token
FEATURES = [["user", "age"], ["item"], ["hour"], ["topics"], ["user", "item"]]
USER = [t for t, dependent in enumerate(DEPENDENT) if not dependent]
INDEX, LENGTHS = [2, 0, 1, 2], [5, 0, 3]


def stream_context(**known: Any) -> BuildContext:
    return context(
        d_model=D, num_queries={"merged": 1}, num_ns_tokens=5, token_features=FEATURES, merge_sequences=True, **known
    )


def block_of(**options: Any) -> LongerBlock:
    known = {name: options.pop(name) for name in ("layer", "num_layers") if name in options}
    how = {"num_recent": 2, "events_see": "user_tokens", "num_heads": 2, "expansion": 2, **options}
    built: LongerBlock = generic(LongerBlock(stream_context(**known), **how), seed=known.get("layer", 0))
    return built


def samples() -> Tensor:
    """Tokens of four samples; two share a request, and with it the user's tokens."""
    tokens = random_tokens(4, T, D)
    tokens[3, USER] = tokens[0, USER]
    return tokens


def check_user_tokens(**options: Any) -> None:
    """Compare a block with its reference."""
    block, tokens, events = block_of(**options), samples(), ragged(LENGTHS, D, spare=2, longer_by=1)
    got_tokens, got_events = block(tokens, events, requests(INDEX, 3))
    last, by_request = options.get("num_layers") == 1, rows(events)
    want = [
        blocks.block(
            Weights(block),
            list(sample),
            by_request[r],
            num_heads=2,
            num_recent=2,
            causal_events=True,
            own=options.get("weights") == "own",
            encodes=not last,
            dependent=None if last else DEPENDENT,
        )
        for sample, r in zip(tokens, INDEX, strict=True)
    ]
    assert_tokens(got_tokens, [sample[0] for sample in want])
    assert_rows(got_events, [want[INDEX.index(r)][1] for r in range(3)])


@pytest.mark.parametrize("weights", ["shared", "own"])
@pytest.mark.parametrize("num_layers", [0, 1], ids=["inner", "last"])
def test_blocks_whose_events_see_user_tokens_equal_their_reference(weights: str, num_layers: int) -> None:
    check_user_tokens(weights=weights, num_layers=num_layers)


def test_tokens_of_user_features_and_learned_ones_depend_on_no_candidate() -> None:
    assert stream_context().candidate_dependent == DEPENDENT
    padded = stream_context().replace(num_ns_tokens=7)
    assert padded.candidate_dependent == [*DEPENDENT, False, False]


def test_tokens_of_a_tokenizer_that_names_no_features_count_as_those_of_the_candidate() -> None:
    ctx = stream_context()
    assert all(ctx.replace(token_features=()).candidate_dependent)
    assert all(ctx.replace(token_features=[[]] * 5).candidate_dependent)


def stack(num_layers: int = 3) -> list[LongerBlock]:
    return [block_of(layer=layer, num_layers=num_layers) for layer in range(num_layers)]


def run(layers: list[LongerBlock], tokens: Tensor, events: Sequence) -> tuple[Tensor, list[Tensor]]:
    """Return the tokens of the last layer, and the events that each layer hands on."""
    handed = []
    for block in layers:
        tokens, events = block(tokens, events, requests([0, 0], 1))
        handed.append(events.values)
    return tokens, handed


def heard(output: Tensor, tokens: Tensor) -> list[int]:
    """Which of the T tokens, of any sample, an output depends on."""
    (grad,) = torch.autograd.grad(output.square().sum(), tokens, retain_graph=True)
    return [int(t) for t in grad.abs().sum(dim=(0, 2)).nonzero().flatten()]


def test_what_events_see_depends_on_no_candidate() -> None:
    tokens, events = random_tokens(2, T, D).requires_grad_(), ragged([4], D)
    _, handed = run(stack(), tokens, events)
    assert [heard(values, tokens) for values in handed[:2]] == [USER, USER]


def test_every_event_that_attends_sees_the_user_tokens() -> None:
    tokens, events = random_tokens(2, T, D).requires_grad_(), ragged([4], D)
    _, handed = run(stack(), tokens, events)
    assert [heard(event, tokens) for event in handed[0]] == [USER, USER]


def test_candidate_tokens_see_every_token_and_user_tokens_do_in_the_last_layer() -> None:
    tokens, events = random_tokens(2, T, D).requires_grad_(), ragged([4], D)
    below, _ = run(stack()[:1], tokens, events)
    every = list(range(T))
    assert [heard(below[:, t], tokens) for t in range(T)] == [every if d else USER for d in DEPENDENT]
    last, _ = run(stack(), tokens, events)
    assert [heard(last[:, t], tokens) for t in range(T)] == [every] * T


def test_candidates_of_a_request_never_hear_of_one_another() -> None:
    tokens, events = random_tokens(2, T, D).requires_grad_(), ragged([4], D)
    last, _ = run(stack(), tokens, events)
    (grad,) = torch.autograd.grad(last[0].square().sum(), tokens)
    others = [t for t in range(T) if t not in USER]
    assert grad[1, others].abs().max() == 0.0


def test_seeing_user_tokens_takes_no_parameter() -> None:
    assert parameters_of(block_of()) == parameters_of(block_of(events_see="events"))


def test_blocks_whose_events_see_user_tokens_are_counted_without_memory() -> None:
    with torch.device("meta"):
        built = LongerBlock(stream_context(), num_recent=2, events_see="user_tokens", num_heads=2, expansion=2)
    assert parameters_of(built) == parameters_of(block_of())


def test_events_that_see_user_tokens_are_bit_identical_when_the_candidates_change() -> None:
    network, seen = network_of("unified merged user tokens"), []
    for module in network.modules():
        if isinstance(module, LongerBlock):
            module.register_forward_hook(lambda _, __, out: seen.append(out[1].values))
    batch = tiny_batch()
    with torch.no_grad():
        logits = network(batch)
        others = network(change_candidates(batch, timed_schema()))
    assert len(seen) == 6
    for before, after in zip(seen[:3], seen[3:], strict=True):
        assert torch.equal(before, after)
    assert not torch.isclose(logits["click"], others["click"]).any()


def test_events_in_a_network_follow_the_user() -> None:
    network, batch = network_of("unified merged user tokens"), tiny_batch()
    age = batch.features["age"].nan_to_num(0.0).double().requires_grad_()
    price = batch.features["price"].nan_to_num(0.0).double().requires_grad_()
    batch.features |= {"age": age, "price": price}
    inner: list[Tensor] = []
    blocks_of: list[nn.Module] = [m for m in network.modules() if isinstance(m, LongerBlock)]
    blocks_of[1].register_forward_hook(lambda _, __, out: inner.append(out[1].values))
    network(batch)
    of_age, of_price = torch.autograd.grad(inner[0].square().sum(), [age, price], allow_unused=True)
    assert of_age is not None
    assert of_age.abs().sum() > 0
    assert of_price is None or not of_price.any()


def test_events_that_are_to_see_user_tokens_which_do_not_exist_are_refused() -> None:
    ctx = stream_context().replace(token_features=[["item", "user"]] * 5)
    with pytest.raises(
        ValueError, match=r"made of user features alone, and this tokenizer has none. Use GroupedTokens"
    ):
        LongerBlock(ctx, num_recent=2, events_see="user_tokens")
    with pytest.raises(ValueError, match=r"needs events that attend, got num_recent=0. Use num_recent=1"):
        LongerBlock(stream_context(), events_see="user_tokens")


def test_the_features_of_these_tests_are_those_of_the_schema() -> None:
    assert {name for names in FEATURES for name in names} <= set(tiny_schema().features)

"""Tokenizers and query generators compute what the papers say."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hyrec.batch import Sequence
from hyrec.context import BuildContext
from hyrec.queries import GlobalQueries
from hyrec.schema import Schema
from hyrec.testing.batches import tiny_schema
from hyrec.tokenizers import AutoSplitTokens, GroupedTokens
from tests.parity.building import assert_tokens, context, generic, ragged, random_tokens, requests, rows
from tests.references import queries as query_reference
from tests.references import tokenizers as reference
from tests.references.primitives import Weights

D = 6
BY_ROLE = {"user": 2, "item": 2, "context": 1}


def embedded(schema: Schema, batch: int = 3) -> tuple[dict[str, int], dict[str, Tensor]]:
    """Random embedded features of different widths, in the order of the schema."""
    widths = {name: 2 + i % 3 for i, name in enumerate(schema.features)}
    return widths, {name: random_tokens(batch, width, seed=i) for i, (name, width) in enumerate(widths.items())}


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("counts", [{}, {"item": 3}, {"user": 2, "context": 2}])
def test_grouped_tokens_equal_their_reference(counts: dict[str, int], norm: bool) -> None:
    schema = tiny_schema()
    widths, features = embedded(schema)
    ctx = context(schema, d_model=D, feature_widths=widths)
    tokenizer = generic(GroupedTokens(ctx, tokens_per_group=counts, norm=norm))
    groups = {
        group: [n for n, f in schema.features.items() if f.group == group]
        for group in sorted({f.group for f in schema.features.values()})
    }
    expected = [
        reference.grouped(Weights(tokenizer), {n: v[b] for n, v in features.items()}, groups, counts, D, norm)
        for b in range(3)
    ]
    assert tokenizer.num_tokens == len(expected[0]) == len(tokenizer.token_features)
    assert_tokens(tokenizer(features), expected)


def test_grouped_tokens_refuse_a_group_that_does_not_exist() -> None:
    schema = tiny_schema()
    widths, _ = embedded(schema)
    with pytest.raises(ValueError, match=r"names the group 'itme'. Did you mean 'item'"):
        GroupedTokens(context(schema, feature_widths=widths), tokens_per_group={"itme": 2})


@pytest.mark.parametrize("num_tokens", [1, 2, 5, 7, 22])
def test_auto_split_tokens_equal_their_reference(num_tokens: int) -> None:
    schema = tiny_schema()
    widths, features = embedded(schema)
    ctx = context(schema, d_model=D, feature_widths=widths)
    tokenizer = generic(AutoSplitTokens(ctx, num_tokens=num_tokens))
    expected = [
        reference.auto_split(
            Weights(tokenizer), reference.equal_pieces({n: features[n][b] for n in schema.features}, num_tokens)
        )
        for b in range(3)
    ]
    assert_tokens(tokenizer(features), expected)


@pytest.mark.parametrize("num_tokens", [2, 5, 7, BY_ROLE, {**BY_ROLE, "user": 11}, {**BY_ROLE, "interests": 1}])
def test_auto_split_names_the_features_that_each_token_depends_on(num_tokens: int | dict[str, int]) -> None:
    schema = tiny_schema()
    widths, features = embedded(schema, batch=1)
    tokenizer = generic(AutoSplitTokens(context(schema, d_model=D, feature_widths=widths), num_tokens=num_tokens))
    for value in features.values():
        value.requires_grad_()
    tokens = tokenizer(features)
    for i, named in enumerate(tokenizer.token_features):
        grads = torch.autograd.grad(
            tokens[:, i].square().sum(), list(features.values()), retain_graph=True, allow_unused=True
        )
        reached = [n for n, g in zip(features, grads, strict=True) if g is not None and g.abs().sum() > 0]
        assert reached == [name for name in features if name in named]
        assert len(named) == len(set(named)) > 0


def test_auto_split_refuses_more_tokens_than_numbers() -> None:
    schema = tiny_schema()
    widths, _ = embedded(schema)
    total = sum(widths.values())
    with pytest.raises(ValueError, match=f"{total} embedded numbers into num_tokens={total + 1}"):
        AutoSplitTokens(context(schema, feature_widths=widths), num_tokens=total + 1)


def split(widths: dict[str, int], num_tokens: dict[str, int]) -> list[list[str]]:
    """Features of each token where all of them are the user's."""
    schema = Schema.from_dict({"features": {name: {"vocab_size": 9} for name in widths}, "tasks": {"click": {}}})
    ordered = {name: widths[name] for name in schema.features}
    return AutoSplitTokens(context(schema, feature_widths=ordered), num_tokens=num_tokens).token_features


@pytest.mark.parametrize("num_tokens", [BY_ROLE, {**BY_ROLE, "interests": 2}])
def test_auto_split_tokens_by_role_equal_their_reference(num_tokens: dict[str, int]) -> None:
    schema = tiny_schema()
    widths, features = embedded(schema)
    tokenizer = generic(AutoSplitTokens(context(schema, d_model=D, feature_widths=widths), num_tokens=num_tokens))
    for names in tokenizer.token_features:  # no feature is cut, so that each piece is what its features are
        assert len({schema.features[name].role for name in names}) == 1
    assert sorted(name for names in tokenizer.token_features for name in names) == sorted(features)
    expected = [
        reference.auto_split(
            Weights(tokenizer),
            [torch.cat([features[n][b] for n in names]).tolist() for names in tokenizer.token_features],
        )
        for b in range(3)
    ]
    assert_tokens(tokenizer(features), expected)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=9), st.data())
@settings(max_examples=60, deadline=None)
def test_no_other_cut_between_features_makes_the_widest_token_narrower_or_the_others_more_even(
    widths: list[int], data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, len(widths)))
    named = {f"f{i}": width for i, width in enumerate(widths)}
    tokens = split(named, {"user": count})
    assert [name for names in tokens for name in names] == list(named)
    pieces = [sum(named[name] for name in names) for names in tokens]
    assert len(pieces) == count
    assert (max(pieces), sum(piece**2 for piece in pieces)) == reference.best_cut(widths, count)


def test_features_of_a_role_are_split_in_natural_order() -> None:
    tokens = split({"f_3": 2, "f_15": 2, "f_100": 2, "f_20": 2}, {"user": 2})
    assert tokens == [["f_3", "f_15"], ["f_20", "f_100"]]


def test_a_role_with_fewer_features_than_tokens_has_its_widest_features_cut() -> None:
    assert split({"a": 8, "b": 2}, {"user": 4}) == [["a"], ["a"], ["a"], ["b"]]


@pytest.mark.parametrize(
    ("num_tokens", "words"),
    [
        ({"usr": 1}, r"names 'usr'.*Did you mean 'user'\? Roles: user, item"),
        ({"user": 1, "item": 1}, r"gives no token to the role 'context', which has features.*Add context: 1"),
        ({**BY_ROLE, "item": 0}, r"item=0 pieces; 1 to \d+ works"),
        ({**BY_ROLE, "item": 999}, r"item=999 pieces"),
    ],
)
def test_numbers_by_role_that_cannot_be_had_are_refused(num_tokens: dict[str, int], words: str) -> None:
    schema = tiny_schema()
    with pytest.raises(ValueError, match=words):
        AutoSplitTokens(context(schema, feature_widths=embedded(schema)[0]), num_tokens=num_tokens)


WIDTHS = {"clicks": 4, "likes": 6, "searches": 3}
LENGTHS = {"clicks": [3, 0, 5], "likes": [0, 0, 1], "searches": [2, 2, 0]}


def query_inputs(batch: int) -> tuple[Tensor, dict[str, Sequence], BuildContext]:
    """NS tokens for the five groups of the tiny schema (number 2 is the item's), sequences, and a context."""
    schema = tiny_schema()
    ns = random_tokens(batch, len(schema.group_names), D)
    sequences = {name: ragged(LENGTHS[name], WIDTHS[name], spare=2, seed=i) for i, name in enumerate(schema.sequences)}
    ctx = context(
        schema,
        d_model=D,
        num_ns_tokens=ns.shape[1],
        sequence_widths=WIDTHS,
        token_features=[schema.features_of_group(g) for g in schema.group_names],
    )
    return ns, sequences, ctx


@pytest.mark.parametrize("index", [None, [2, 0, 2, 2]])
@pytest.mark.parametrize(
    ("pooling", "ns"),
    [(p, n) for p in ("all", "own", "none") for n in ("all", "target", "none") if (p, n) != ("none", "none")],
)
@pytest.mark.parametrize("num_queries", [1, {"clicks": 3, "likes": 2}])
def test_global_queries_equal_their_reference(
    pooling: str, ns: str, num_queries: int | dict[str, int], index: list[int] | None
) -> None:
    tokens, sequences, ctx = query_inputs(3 if index is None else len(index))
    generator = generic(GlobalQueries(ctx, num_queries=num_queries, pooling=pooling, ns=ns))
    counts = {name: num_queries if isinstance(num_queries, int) else num_queries.get(name, 1) for name in sequences}
    assert generator.num_queries == counts
    events = {name: rows(sequence) for name, sequence in sequences.items()}
    groups = list(ctx.schema.group_names)
    used = {"all": range(len(groups)), "target": [groups.index("item")], "none": []}[ns]
    got = generator(tokens, sequences, None if index is None else requests(index, 3))
    expected = [
        query_reference.global_queries(
            Weights(generator),
            list(tokens[b]),
            {name: events[name][r] for name in sequences},
            WIDTHS,
            num_queries=counts,
            pooling=pooling,
            ns_tokens=list(used),
        )
        for b, r in enumerate(range(3) if index is None else index)
    ]
    for name in sequences:
        assert_tokens(got[name], [sample[name] for sample in expected])


def test_queries_from_nothing_are_refused() -> None:
    *_, ctx = query_inputs(1)
    with pytest.raises(ValueError, match="nothing to generate queries from"):
        GlobalQueries(ctx, pooling="none", ns="none")


def test_queries_of_an_unknown_sequence_are_refused_with_the_nearest_name() -> None:
    *_, ctx = query_inputs(1)
    with pytest.raises(ValueError, match="Did you mean 'clicks'"):
        GlobalQueries(ctx, num_queries={"click": 2})


def test_no_queries_for_a_sequence_are_refused() -> None:
    *_, ctx = query_inputs(1)
    with pytest.raises(ValueError, match="'likes' needs at least one query, got num_queries=0"):
        GlobalQueries(ctx, num_queries={"likes": 0})


def test_target_queries_need_tokens_of_the_candidate_alone() -> None:
    *_, ctx = query_inputs(1)
    mixed = ctx.replace(num_ns_tokens=1, token_features=[list(ctx.schema.features)])
    with pytest.raises(ValueError, match="ns='target'"):
        GlobalQueries(mixed, ns="target")


@pytest.mark.parametrize("pooling", ["own", "all"])
def test_each_sequence_has_query_networks_of_its_own(pooling: str) -> None:
    tokens, sequences, ctx = query_inputs(3)
    generator = generic(GlobalQueries(ctx, num_queries=2, pooling=pooling))
    before = generator(tokens, sequences)
    with torch.no_grad():
        generator.networks["likes"][1][3].bias.add_(1.0)
    after = generator(tokens, sequences)
    assert torch.equal(before["clicks"], after["clicks"])
    assert torch.equal(before["likes"][:, 0], after["likes"][:, 0])
    assert not torch.equal(before["likes"][:, 1], after["likes"][:, 1])

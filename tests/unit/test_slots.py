"""A component that breaks the contract of its slot is refused when its class is defined."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from hyrec.context import BuildContext, Layers
from hyrec.data.base import RankingData
from hyrec.data.parquet.data import ParquetData
from hyrec.definition import read_docstring
from hyrec.mixers import SelfAttentionMixer
from hyrec.plugins.catalogue import Catalogue
from hyrec.schema import Schema
from hyrec.slots import SLOTS, Component, TokenMixer
from hyrec.testing.batches import tiny_schema
from tests.parity.building import context


@pytest.fixture(autouse=True)
def _forget_refused_classes() -> Iterator[None]:
    """Python lists a refused class among its base's subclasses until it is collected."""
    yield
    gc.collect()


def test_a_component_must_derive_from_a_slot() -> None:
    with pytest.raises(TypeError, match=r"Stray \(.*test_slots\.py\).*slot's base class"):

        class Stray(Component):
            """Derives from no slot."""


def test_a_component_needs_a_docstring() -> None:
    with pytest.raises(TypeError, match=r"Silent.*no valid mixer.*docstring"):

        class Silent(TokenMixer):
            def forward(self, tokens: Tensor) -> Tensor:
                return tokens


def test_a_constructor_takes_the_context_first() -> None:
    with pytest.raises(TypeError, match=r"Backwards.*first argument.*'ctx'.*got num_heads"):

        class Backwards(TokenMixer):
            """Takes its options first."""

            def __init__(self, num_heads: int, ctx: BuildContext) -> None:
                super().__init__()


def test_a_constructor_without_arguments_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Bare.*'ctx'.*got nothing"):

        class Bare(TokenMixer):
            """Takes nothing."""

            def __init__(self) -> None:
                super().__init__()


def test_options_are_keywords() -> None:
    with pytest.raises(TypeError, match=r"Positional.*'num_heads'.*keyword-only"):

        class Positional(TokenMixer):
            """Takes a positional option."""

            def __init__(self, ctx: BuildContext, num_heads: int = 1) -> None:
                super().__init__()


def test_options_have_types() -> None:
    with pytest.raises(TypeError, match=r"Untyped.*'num_heads'.*type hint"):

        class Untyped(TokenMixer):
            """Takes an option without a type."""

            def __init__(self, ctx: BuildContext, *, num_heads=1) -> None:  # type: ignore[no-untyped-def]
                super().__init__()


def test_options_are_not_swallowed() -> None:
    with pytest.raises(TypeError, match=r"Greedy.*must not take \*options"):

        class Greedy(TokenMixer):
            """Takes everything."""

            def __init__(self, ctx: BuildContext, **options: int) -> None:
                super().__init__()


def test_a_data_set_needs_a_docstring() -> None:
    with pytest.raises(TypeError, match=r"Silent \(.*test_slots\.py\) is no valid data.*docstring"):

        class Silent(RankingData):
            pass


def test_a_data_set_takes_the_schema_first() -> None:
    with pytest.raises(TypeError, match=r"Backwards.*first argument.*'schema' \(a Schema\), got path"):

        class Backwards(ParquetData):
            """Takes its options first."""

            def __init__(self, path: str, schema: Schema) -> None:
                super().__init__(schema, path=path)


def test_the_options_of_a_data_set_are_not_swallowed() -> None:
    with pytest.raises(TypeError, match=r"Greedy.*must not take \*options"):

        class Greedy(ParquetData):
            """Takes everything."""

            def __init__(self, schema: Schema, **options: str) -> None:
                super().__init__(schema, **options)


def test_the_options_of_a_data_set_have_types() -> None:
    with pytest.raises(TypeError, match=r"Untyped.*'path'.*type hint"):

        class Untyped(ParquetData):
            """Takes an option without a type."""

            def __init__(self, schema: Schema, path="rows.parquet") -> None:  # type: ignore[no-untyped-def]
                super().__init__(schema, path=path)


def test_every_slot_has_a_component_and_each_is_described() -> None:
    assert set(SLOTS) == {"tokenizer", "encoder", "queries", "decoder", "mixer", "block", "backbone", "head", "loss"}
    own = [entry for entry in Catalogue.load().of_package("hyrec") if entry.slot in SLOTS]
    assert {entry.slot for entry in own} == set(SLOTS)
    for entry in own:
        assert entry.cls.slot == entry.slot
        assert read_docstring(entry.cls).summary.endswith("."), entry.name


def test_a_context_knows_its_tokens() -> None:
    ctx = context(num_queries={"clicks": 2, "likes": 1}, num_ns_tokens=5)
    assert ctx.num_tokens == 8
    assert ctx.sequence_names == ["clicks", "likes", "searches"]
    assert ctx.replace(num_ns_tokens=1).num_tokens == 4


def test_a_context_builds_the_encoder_of_each_sequence() -> None:
    def made(kind: str):  # type: ignore[no-untyped-def]
        return lambda ctx: (kind, ctx.sequence, ctx.layer, ctx.d_sequence, ctx.d_memory)

    ctx = context(
        layers=Layers(
            encoder=made("encoder"),
            decoder=made("decoder"),
            mixer=made("mixer"),
            encoders={"likes": made("own encoder")},
            decoders={"likes": made("own decoder")},
            block=made("block"),
        )
    )
    assert ctx.encoder("clicks", 1, 6) == ("encoder", "clicks", 1, 6, 0)
    assert ctx.encoder("likes", 2, 6) == ("own encoder", "likes", 2, 6, 0)
    assert ctx.decoder("clicks", 0, 5) == ("decoder", "clicks", 0, 0, 5)
    assert ctx.decoder("likes", 0, 5) == ("own decoder", "likes", 0, 0, 5)
    assert ctx.mixer(3) == ("mixer", "", 3, 0, 0)
    assert ctx.block(2) == ("block", "", 2, 0, 0)


def test_a_context_without_layers_builds_none() -> None:
    with pytest.raises(RuntimeError, match="only a backbone's context"):
        context().mixer(0)


def test_unknown_sequence_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"encoders names the sequence 'like'.*Did you mean 'likes'.*searches"):
        BuildContext(tiny_schema(), 8).check_sequence_names({"like": 1}, "encoders")


def test_a_context_of_merged_sequences_shows_components_one() -> None:
    ctx = BuildContext(tiny_schema(), 8, merge_sequences=True)
    assert ctx.sequence_names == ["merged"]
    assert list(ctx.schema.sequences) == ["clicks", "likes", "searches"]
    ctx.check_sequence_names({"merged": 1}, "encoders")
    ctx.check_sequence_names({"merged": 1, "likes": 1}, "num_queries", sources=True)
    with pytest.raises(ValueError, match="'likes', but merge_sequences=true leaves one sequence, 'merged'"):
        ctx.check_sequence_names({"likes": 1}, "encoders")


def test_components_keep_the_dtype_they_are_given() -> None:
    mixer = SelfAttentionMixer(context(d_model=8, num_ns_tokens=2), num_heads=2).double()
    assert mixer(torch.zeros(1, 2, 8, dtype=torch.float64)).dtype == torch.float64

"""The network composes the parts, whatever the order of the schema and the number of sequences."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hyrec.backbones import AlternatingBackbone, TwoStageBackbone
from hyrec.decoders import CrossAttentionDecoder, NoDecode
from hyrec.embeddings import EmbeddingOptions, SequenceOptions
from hyrec.encoders import IdentityEncoder, LongerEncoder, SwiGLUEncoder
from hyrec.functional import next_divisor
from hyrec.heads import MLPHead
from hyrec.mixers import IdentityMixer, RankMixer
from hyrec.network import Network, Parts
from hyrec.queries import GlobalQueries
from hyrec.sample_batch import random_batch
from hyrec.schema import Schema
from hyrec.slots import Backbone
from hyrec.testing.batches import tiny_schema
from hyrec.tokenizers import AutoSplitTokens, GroupedTokens
from tests.parity.building import factory


def parts(**changed: Any) -> Parts:
    default: dict[str, Any] = {
        "tokenizer": factory(GroupedTokens),
        "queries": factory(GlobalQueries),
        "encoder": factory(LongerEncoder, num_recent=3, num_heads=2),
        "decoder": factory(CrossAttentionDecoder, num_heads=2),
        "mixer": factory(RankMixer, expansion=1),
        "backbone": factory(AlternatingBackbone),
        "head": factory(MLPHead, hidden=[8]),
    }
    return Parts(**{**default, **changed})


def network(schema: Schema, d_model: int = 16, *, seed: int = 0, **options: Any) -> Network:
    changed = options.pop("parts", parts())
    torch.manual_seed(seed)
    return Network(schema, d_model, changed, **{"pad_tokens": True, **options}).eval()


def reversed_keys(value: Any) -> Any:
    """The same mappings, written the other way round."""
    return {k: reversed_keys(v) for k, v in reversed(value.items())} if isinstance(value, dict) else value


@pytest.mark.parametrize(
    "tokenizer", [factory(GroupedTokens), factory(AutoSplitTokens, num_tokens=4)], ids=["grouped", "split"]
)
def test_the_order_of_a_schema_changes_nothing(tokenizer: Any) -> None:
    schema, other = tiny_schema(), Schema.from_dict(reversed_keys(tiny_schema().to_dict()))
    chosen = parts(tokenizer=tokenizer, head=factory(MLPHead, hidden=[8], features=True))
    first, second = network(schema, parts=chosen), network(other, parts=chosen)
    own, theirs = first.state_dict(), second.state_dict()
    assert list(own) == list(theirs)
    assert all(torch.equal(own[name], theirs[name]) for name in own)
    batch = random_batch(schema, candidates=[2, 1, 1, 3])
    batch.features = dict(reversed(batch.features.items()))
    batch.sequences = dict(reversed(batch.sequences.items()))
    for task, logit in first(random_batch(schema, candidates=[2, 1, 1, 3])).items():
        assert torch.equal(second(batch)[task], logit)


def test_every_task_has_a_logit_for_every_sample() -> None:
    schema = tiny_schema()
    batch = random_batch(schema, candidates=[2, 1, 1, 3])
    logits = network(schema)(batch)
    assert {task: tuple(logit.shape) for task, logit in logits.items()} == {"click": (7,), "like": (7,)}


def test_tokens_that_do_not_divide_the_width_are_refused_unless_padded() -> None:
    schema = tiny_schema()
    with pytest.raises(ValueError, match=r"d_model=16 and 7 tokens .*1 for clicks.*4 NS tokens.*pad_tokens=true"):
        network(schema, pad_tokens=False)
    padded = network(schema)
    assert padded.ctx.num_tokens == next_divisor(16, 7) == 8
    assert padded.padding_MD is not None
    assert padded.padding_MD.shape == (1, 16)


@pytest.mark.parametrize("d_model", [14, 21])
def test_widths_that_divide_need_no_padding_tokens(d_model: int) -> None:
    options = {"parts": parts(encoder=factory(SwiGLUEncoder), decoder=factory(NoDecode))}
    assert network(tiny_schema(), d_model, pad_tokens=False, **options).padding_MD is None
    assert network(tiny_schema(), d_model, pad_tokens=True, **options).padding_MD is None


def test_padding_tokens_are_trained_and_reach_the_logits() -> None:
    model = network(tiny_schema())
    batch = random_batch(tiny_schema())
    model(batch)["click"].sum().backward()
    assert model.padding_MD is not None
    assert model.padding_MD.grad is not None
    assert model.padding_MD.grad.abs().sum() > 0


def test_more_tokens_than_width_cannot_be_padded() -> None:
    with pytest.raises(ValueError, match="7 tokens cannot share d_model=4"):
        network(tiny_schema(), 4)


@pytest.mark.parametrize("option", ["encoders", "decoders", "sequence.widths"])
def test_options_for_an_unknown_sequence_are_refused(option: str) -> None:
    options: dict[str, Any] = {}
    if option == "sequence.widths":
        options["sequence"] = SequenceOptions(widths={"click": 8})
    else:
        options["parts"] = parts(**{option: {"click": factory(IdentityEncoder)}})
    with pytest.raises(ValueError, match=rf"{option} names the sequence 'click'.*Did you mean 'clicks'\?"):
        network(tiny_schema(), **options)


def test_each_sequence_may_have_parts_and_a_width_of_its_own() -> None:
    model = network(
        tiny_schema(),
        parts=parts(
            encoders={"likes": factory(SwiGLUEncoder)},
            decoders={"searches": factory(NoDecode)},
            queries=factory(GlobalQueries, num_queries={"clicks": 2}),
        ),
        sequence=SequenceOptions(widths={"clicks": 6}),
    )
    layer = model.backbone.sequence_layers.layers[0]
    assert isinstance(layer.encoders["likes"], SwiGLUEncoder)
    assert isinstance(layer.encoders["clicks"], LongerEncoder)
    assert isinstance(layer.decoders["searches"], NoDecode)
    assert layer.encoders["clicks"].d_memory == 6
    assert model(random_batch(tiny_schema()))["click"].isfinite().all()


def timed_schema() -> Schema:
    """The tiny schema with a time for every event."""
    plain = tiny_schema().to_dict()
    plain["sequences"]["likes"]["time_column"] = "likes_time"
    return Schema.from_dict(plain)


def merged_network(schema: Schema | None = None, **options: Any) -> Network:
    return network(schema or timed_schema(), **{"merge_sequences": True, **options})


def test_merged_sequences_share_one_encoder_and_one_decoder_a_layer() -> None:
    model = merged_network(timed_schema())
    layers = model.backbone.sequence_layers.layers
    assert [(list(layer.encoders), list(layer.decoders)) for layer in layers] == [(["merged"], ["merged"])] * 2
    assert list(model.embed_sequences(random_batch(timed_schema()))) == ["merged"]
    assert model(random_batch(timed_schema()))["click"].isfinite().all()


@pytest.mark.parametrize("num_queries", [1, 2, {"clicks": 2}])
def test_merged_sequences_have_as_many_queries_and_tokens_as_apart(num_queries: Any) -> None:
    changed = parts(queries=factory(GlobalQueries, num_queries=num_queries), mixer=factory(IdentityMixer))
    apart, merged = (network(timed_schema(), parts=changed, pad_tokens=False, merge_sequences=m) for m in (False, True))
    assert merged.ctx.num_queries == {"merged": sum(apart.ctx.num_queries.values())}
    assert merged.ctx.num_tokens == apart.ctx.num_tokens


def test_the_queries_of_the_merged_sequence_may_be_another_number() -> None:
    model = merged_network(parts=parts(queries=factory(GlobalQueries, num_queries={"merged": 4})))
    assert model.ctx.num_queries == {"merged": 4}
    with pytest.raises(ValueError, match=r"num_queries names 'merged' and sequences that it is made of.*'clicks': 2"):
        merged_network(parts=parts(queries=factory(GlobalQueries, num_queries={"merged": 4, "clicks": 2})))


def test_the_merged_sequence_may_have_parts_and_a_width_of_its_own() -> None:
    model = merged_network(
        parts=parts(
            encoders={"merged": factory(SwiGLUEncoder)},
            decoders={"merged": factory(NoDecode)},
        ),
        sequence=SequenceOptions(widths={"clicks": 6, "merged": 10}),
    )
    layer = model.backbone.sequence_layers.layers[0]
    assert isinstance(layer.encoders["merged"], SwiGLUEncoder)
    assert isinstance(layer.decoders["merged"], NoDecode)
    assert layer.encoders["merged"].d_memory == 10
    assert model(random_batch(timed_schema()))["click"].isfinite().all()


def test_only_sequences_of_another_width_are_projected() -> None:
    model = merged_network(sequence=SequenceOptions(widths={"clicks": 6}))
    assert model.merging is not None
    assert {n: tuple(p.shape) for n, p in model.merging.named_parameters()} == {
        "source_SE": (3, 16),
        "project.clicks.weight": (16, 6),
    }


@pytest.mark.parametrize("option", ["encoders", "decoders"])
def test_layers_of_a_sequence_that_is_merged_are_refused(option: str) -> None:
    with pytest.raises(ValueError, match=rf"{option} names the sequence 'clicks', but merge_sequences=true .*'merged'"):
        merged_network(parts=parts(**{option: {"clicks": factory(IdentityEncoder)}}))
    with pytest.raises(ValueError, match=rf"{option} names the sequence 'mergd'.*Did you mean 'merged'"):
        merged_network(parts=parts(**{option: {"mergd": factory(IdentityEncoder)}}))
    with pytest.raises(ValueError, match=rf"{option} names the sequence 'merged', which the schema does not have"):
        network(timed_schema(), parts=parts(**{option: {"merged": factory(IdentityEncoder)}}))


def test_sequences_without_a_time_column_are_named_when_they_should_be_merged() -> None:
    with pytest.raises(ValueError, match="have no time_column in the schema: likes"):
        merged_network(tiny_schema())


def test_there_must_be_two_sequences_to_merge() -> None:
    plain = timed_schema().to_dict()
    del plain["sequences"]["likes"], plain["sequences"]["searches"]
    with pytest.raises(ValueError, match="needs two sequences or more, and the schema has clicks"):
        merged_network(Schema.from_dict(plain))
    del plain["sequences"]
    with pytest.raises(ValueError, match="needs two sequences or more, and the schema has none"):
        merged_network(Schema.from_dict(plain), parts=parts(head=factory(MLPHead, tokens="all")))


def test_a_sequence_that_has_the_name_of_the_merged_one_is_refused() -> None:
    plain = timed_schema().to_dict()
    plain["sequences"]["merged"] = plain["sequences"].pop("searches")
    with pytest.raises(ValueError, match="has a sequence named 'merged'"):
        merged_network(Schema.from_dict(plain))


def test_a_network_that_merges_nothing_has_no_parameters_for_it() -> None:
    plain = network(timed_schema())
    assert plain.merging is None
    assert not [name for name in plain.state_dict() if "merg" in name]


def test_encoders_of_different_sequences_share_nothing() -> None:
    layer = network(tiny_schema()).backbone.sequence_layers.layers[0]
    own = [{p.data_ptr() for p in layer.encoders[name].parameters()} for name in layer.encoders]
    assert len(set.union(*own)) == sum(len(pointers) for pointers in own)


def test_a_schema_without_sequences_gives_rankmixer_alone() -> None:
    plain = tiny_schema().to_dict()
    del plain["sequences"]
    schema = Schema.from_dict(plain)
    model = network(
        schema,
        parts=parts(backbone=factory(TwoStageBackbone), head=factory(MLPHead, tokens="all", pool="mean")),
    )
    assert model.ctx.num_tokens == 4
    assert model(random_batch(schema))["click"].isfinite().all()


def test_sparse_and_dense_parameters_are_all_parameters_once() -> None:
    model = network(tiny_schema())
    sparse, dense = model.sparse_parameters(), model.dense_parameters()
    assert {id(p) for p in sparse} | {id(p) for p in dense} == {id(p) for p in model.parameters()}
    assert len(sparse) + len(dense) == len(list(model.parameters()))
    assert len(sparse) == len(tiny_schema().table_sizes)


def test_a_checkpoint_holds_every_table_once_and_loads_again() -> None:
    first, second = network(tiny_schema()), network(tiny_schema(), seed=1)
    state = first.state_dict()
    assert sum(".weight" in name and name.startswith("tables.") for name in state) == len(first.tables)
    assert len({value.data_ptr() for value in state.values()}) == len(state)
    second.load_state_dict(state)
    batch = random_batch(tiny_schema())
    assert torch.equal(first(batch)["click"], second(batch)["click"])


@pytest.mark.parametrize("backbone", [AlternatingBackbone, TwoStageBackbone])
def test_every_parameter_receives_a_gradient(backbone: Any) -> None:
    model = network(
        tiny_schema(),
        parts=parts(backbone=factory(backbone), head=factory(MLPHead, tokens="all")),
        embedding=EmbeddingOptions(sparse=False),
    )
    batch = random_batch(tiny_schema(), num_requests=16, missing=0.3)
    sum(logit.square().sum() for logit in model(batch).values()).backward()
    without = {name for name, p in model.named_parameters() if p.grad is None or float(p.grad.abs().sum()) == 0.0}
    assert without == set()


def test_alternating_and_two_stages_differ_only_in_order() -> None:
    alternating = network(tiny_schema())
    two_stage = network(tiny_schema(), parts=parts(backbone=factory(TwoStageBackbone)))
    assert {n: p.shape for n, p in alternating.named_parameters()} == {
        n: p.shape for n, p in two_stage.named_parameters()
    }
    two_stage.load_state_dict(alternating.state_dict())
    batch = random_batch(tiny_schema())
    assert not torch.allclose(alternating(batch)["click"], two_stage(batch)["click"], atol=1e-6)


def test_without_mixing_the_two_orders_agree() -> None:
    alternating = network(tiny_schema(), parts=parts(mixer=factory(IdentityMixer)))
    two_stage = network(tiny_schema(), parts=parts(mixer=factory(IdentityMixer), backbone=factory(TwoStageBackbone)))
    two_stage.load_state_dict(alternating.state_dict())
    batch = random_batch(tiny_schema())
    assert torch.equal(alternating(batch)["click"], two_stage(batch)["click"])


@pytest.mark.parametrize("backbone", [AlternatingBackbone, TwoStageBackbone])
def test_every_parameter_is_used_when_decoders_read_the_input_of_longer_layers(backbone: type[Backbone]) -> None:
    schema = tiny_schema()
    changed = parts(
        encoder=factory(LongerEncoder, num_recent=3, merge_ratio=2, memory="input"),
        mixer=factory(IdentityMixer),
        backbone=factory(backbone, num_layers=2),
        head=factory(MLPHead, tokens="all"),
    )
    model = network(schema, parts=changed)
    logits = model(random_batch(schema, num_requests=6, seed=3))
    (logits["click"] + logits["like"]).square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_a_head_that_reads_features_scores_an_id_that_the_tokens_lost() -> None:
    net = network(tiny_schema(), parts=parts(head=factory(MLPHead, hidden=[8], features=True)))
    batch = random_batch(net.ctx.schema, seed=3)
    with torch.no_grad():
        for parameter in net.tokenizer.parameters():
            parameter.zero_()
        before = net(batch)["click"]
        name = next(n for n, f in net.ctx.schema.features.items() if f.kind == "id")
        batch.features[name] = batch.features[name] % 2 + 3
        after = net(batch)["click"]
    assert not torch.equal(before, after)

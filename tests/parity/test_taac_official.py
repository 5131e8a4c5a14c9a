"""The shipped config of the official TAAC-2026 baseline is that model: with its weights it gives its scores."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
import yaml
from torch import Tensor

from hyrec.batch import Batch
from hyrec.config.experiment import Experiment
from hyrec.network import Network
from hyrec.plugins.catalogue import Catalogue
from hyrec.sample_batch import random_batch
from hyrec.schema import Schema
from hyrec.testing import Setting
from hyrec.testing.batches import pad_batch
from tests.parity.building import generic
from tests.references.embeddings import dense_values, embed_features, embed_value, time_bucket
from tests.references.primitives import Weights
from tests.references.taac_official import OfficialHyFormer, SwiGLUEncoder, TransformerEncoder

DIM, BUCKETS = 4, 65
USER, ITEM, DENSE = [f"user_{i}" for i in range(10)], [f"item_{i}" for i in range(4)], ["dense_1", "dense_2"]
PIECES = [*(USER[i : i + 2] for i in range(0, 10, 2)), DENSE, *(ITEM[i : i + 2] for i in range(0, 4, 2))]
"""Features of each token: here the official cut into equal pieces is one between features."""
LENGTHS = {"seq_a": [5, 0, 1, 2], "seq_b": [0, 0, 7, 3], "seq_c": [4, 0, 2, 1], "seq_d": [1, 0, 6, 0]}
BATCHES: dict[str, dict[str, Any]] = {
    "alone": {"candidates": 1},
    "sharing requests": {"candidates": [2, 1, 1, 3]},
    "with spare rows": {"candidates": [1, 2, 1, 1], "spare": 3},
    "users without events": {"lengths": {name: [0, 0, 0, 0] for name in LENGTHS}},
}


def taac_schema() -> Schema:
    """Ids, a list of ids and numbers of the user, ids of the item, four timed sequences, one task."""
    ids = {"vocab_size": 17}
    features: dict[str, Any] = {name: {**ids, "role": "user"} for name in USER}
    features[USER[3]] = {"kind": "multi_id", **features[USER[3]]}
    features |= {name: {**ids, "role": "item"} for name in ITEM}
    features |= {
        name: {"kind": "dense", "width": width, "group": "user_dense"}
        for name, width in zip(DENSE, (3, 2), strict=True)
    }
    sequences = {
        name: {
            "features": {f"side_{i}": {"vocab_size": 11} for i in range(1 + number)},
            "time_column": f"{name}_time",
            "max_length": 9,
        }
        for number, name in enumerate(LENGTHS)
    }
    tasks: dict[str, Any] = {"conversion": {}}
    return Schema.from_dict({"features": features, "sequences": sequences, "tasks": tasks, "time_column": "time"})


def shipped_network(folder: Path, *options: str) -> Network:
    """The model of the shipped config, as the command line builds it, with narrower tables."""
    file = folder / "schema.yaml"
    taac_schema().save(file)
    config = ["--config", "pkg:hyrec/taac_official.yaml", "--schema", str(file), "--data", "ParquetData"]
    model = Experiment.parse([*config, "--model.embedding.dim", str(DIM), *options]).model()
    network: Network = generic(model.network)
    return network


def official(rope: bool, encoder: type) -> OfficialHyFormer:
    """The official structure with weights of its own."""
    widths = [5 if piece is DENSE else DIM * len(piece) for piece in PIECES]
    made: OfficialHyFormer = generic(
        OfficialHyFormer(widths, [DIM * (1 + i) for i in range(4)], encoder=encoder, rope=rope), seed=1
    )
    return made


def copied(theirs: OfficialHyFormer, network: Network) -> Network:
    """Give hyrec's model the official weights; every parameter but the tables gets one."""
    w: dict[str, Tensor] = {}

    def put(name: str, module: Any) -> None:
        w.update({f"{name}.{kind}": value for kind, value in module.state_dict().items()})

    def put_attention(name: str, module: Any) -> None:
        put(f"{name}.query", module.q)
        put(f"{name}.gate.linear", module.g)
        put(f"{name}.out", module.o)
        for kind in ("weight", "bias"):
            w[f"{name}.key_value.{kind}"] = torch.cat([getattr(module.k, kind), getattr(module.v, kind)])

    def put_network(name: str, module: Any) -> None:
        put(f"{name}.0", module.up)
        put(f"{name}.3", module.down)

    tokens: list[Any] = list(theirs.tokens)
    w["tokenizer.weight_WD"] = torch.cat(
        [missing_apart(token[0].weight.mT, len(piece)) for token, piece in zip(tokens, PIECES, strict=True)]
    )
    w["tokenizer.bias_MD"] = torch.stack([token[0].bias for token in tokens])
    w["tokenizer.norm.weight_TD"] = torch.stack([token[1].weight for token in tokens])
    w["tokenizer.norm.bias_TD"] = torch.stack([token[1].bias for token in tokens])
    for s, name in enumerate(LENGTHS):
        put(f"sequences.{name}.project", theirs.events[s][0])
        put(f"sequences.{name}.norm", theirs.events[s][1])
        put(f"sequences.{name}.age", theirs.ages)
        put(f"queries.norms.{name}", theirs.info_norm)
        for i, made in enumerate(theirs.queries[s]):
            for ours, part in ((0, made[0]), (3, made[2]), (4, made[3])):
                put(f"queries.networks.{name}.{i}.{ours}", part)
    for layer, block in enumerate(theirs.blocks):
        for s, name in enumerate(LENGTHS):
            at = f"backbone.sequence_layers.layers.{layer}"
            encoder = block.encoders[s]
            if isinstance(encoder, SwiGLUEncoder):
                put(f"{at}.encoders.{name}.norm", encoder.norm)
                put(f"{at}.encoders.{name}.feedforward.down", encoder.down)
                for kind in ("weight", "bias"):  # hyrec's gate comes first
                    value, gate = getattr(encoder.up, kind).chunk(2)
                    w[f"{at}.encoders.{name}.feedforward.gate_up.{kind}"] = torch.cat([gate, value])
            else:
                put(f"{at}.encoders.{name}.norm_attention", encoder.norm1)
                put(f"{at}.encoders.{name}.norm_feedforward", encoder.norm2)
                put_attention(f"{at}.encoders.{name}.attention", encoder.attention)
                put_network(f"{at}.encoders.{name}.feedforward", encoder)
            put(f"{at}.decoders.{name}.norm_queries", block.norms_q[s])
            put(f"{at}.decoders.{name}.norm_memory", block.norms_kv[s])
            put_attention(f"{at}.decoders.{name}.attention", block.attentions[s])
        mixer = f"backbone.mixers.layers.{layer}.mixer"
        put_network(f"{mixer}.feedforward", block)
        put(f"{mixer}.norm_feedforward.before", block.norm)
        put(f"{mixer}.norm_feedforward.after", block.post_norm)
    put("head.project", theirs.output[0])
    put("head.norm", theirs.output[1])
    put("head.towers.conversion.hidden.0", theirs.classifier[0])
    put("head.towers.conversion.hidden.1", theirs.classifier[1])
    put("head.towers.conversion.out", theirs.classifier[3])
    tables = {f"tables.{name}": value for name, value in network.tables.state_dict().items()}
    network.load_state_dict({**w, **tables})
    return network


def inputs(network: Network, batch: Batch) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
    """What the official code would be given: embedded pieces, padded events newest first, buckets of ages, lengths."""
    schema, tables = taac_schema(), Weights(network.tables)
    samples = range(batch.num_samples)
    request = list(samples) if batch.request_of is None else batch.request_of.index.tolist()
    embedded = [embed_features(tables, schema, batch, b) for b in samples]
    for b, features in enumerate(embedded):
        for name in DENSE:
            numbers = batch.features[name][b].double().tolist()
            features[name] = dense_values(schema.features[name], numbers)[: len(numbers)]  # without what is missing
    pieces = [torch.stack([torch.cat([one[name] for name in piece]) for one in embedded]) for piece in PIECES]
    events, ages, lengths = [], [], []
    for name, spec in schema.sequences.items():
        given = batch.sequences[name]
        x = torch.zeros(batch.num_samples, spec.max_length + 2, DIM * len(spec.features), dtype=torch.float64)
        age = torch.zeros(batch.num_samples, spec.max_length + 2, dtype=torch.int64)
        for b, r in enumerate(request):
            start, stop = int(given.offsets[r]), int(given.offsets[r + 1])
            for place, i in enumerate(reversed(range(start, stop))):
                x[b, place] = torch.cat(
                    [
                        embed_value(
                            feature, tables.at(schema.table_of(side, name))["weight"], int(given.features[side][i])
                        )
                        for side, feature in spec.features.items()
                    ]
                )
                assert batch.time is not None
                assert given.time is not None
                age[b, place] = time_bucket(float(batch.time[r] - given.time[i]), BUCKETS)
        events.append(x)
        ages.append(age)
        lengths.append(given.offsets.diff()[request])
    return pieces, events, ages, lengths


def missing_apart(weight_WD: Tensor, num_features: int) -> Tensor:
    """The rows of a projection as hyrec has them: behind the numbers of a feature, whether each is missing."""
    if len(weight_WD) != 5 or num_features != 2:
        return weight_WD
    first, second = weight_WD.split([3, 2])
    return torch.cat([first, torch.zeros_like(first), second, torch.zeros_like(second)])


def drawn(**options: Any) -> Batch:
    """A batch without missing numbers, which the official code cannot tell from zeros."""
    return random_batch(taac_schema(), num_requests=4, missing=0.0, seed=3, **{"lengths": LENGTHS, **options})


SWIGLU = ["--model.encoder=SwiGLUEncoder", "--model.encoder.bias=true", "--model.encoder.expansion=4"]
ROPE = ["--model.decoder.position=rope"]
FORMS: dict[str, tuple[type, list[str]]] = {
    "as shipped": (TransformerEncoder, []),
    "with rope": (TransformerEncoder, [*ROPE, "--model.encoder.position=rope"]),
    "with swiglu encoders and rope": (SwiGLUEncoder, [*ROPE, *SWIGLU]),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_shipped_config_with_the_official_weights_gives_the_official_scores(form: str, tmp_path: Path) -> None:
    encoder, options = FORMS[form]
    theirs = official("rope" in form, encoder)
    network = copied(theirs, shipped_network(tmp_path, *options))
    with torch.no_grad():
        for name, drawn_as in BATCHES.items():
            batch = drawn(**drawn_as)
            expected = theirs(*inputs(network, batch))
            assert expected.std() > 0.05
            for given in (batch, pad_batch(batch, taac_schema())):
                torch.testing.assert_close(network(given)["conversion"], expected, atol=1e-10, rtol=0.0, msg=name)


def test_the_shipped_config_has_no_parameter_that_the_official_structure_lacks(tmp_path: Path) -> None:
    network, theirs = shipped_network(tmp_path), official(False, TransformerEncoder)
    ours = sum(p.numel() for p in network.dense_parameters())
    missing = 5 * 64
    shared = 3 * (sum(p.numel() for p in theirs.info_norm.parameters()) + theirs.ages.weight.numel())
    assert ours - missing - shared == sum(p.numel() for p in theirs.parameters())


TABLE = (
    (Path(__file__).parents[2] / "docs" / "competitions.md").read_text(encoding="utf-8").split("## Public HyFormers")[1]
)
PARTS = sorted({(name, options) for name, options in re.findall(r"`([A-Z]\w+): (\{.*?\})`", TABLE)})


def test_the_table_of_public_hyformers_names_a_part_in_each_row() -> None:
    assert {name for name, _ in PARTS} >= {"AutoSplitTokens", "GlobalQueries", "RankMixer", "MLPHead"}


@pytest.mark.parametrize(("name", "options"), PARTS, ids=str)
def test_a_part_of_the_table_of_public_hyformers_can_be_built(name: str, options: str) -> None:
    (cls,) = (entry.cls for entry in Catalogue.load().of_package("hyrec") if entry.cls.__name__ == name)
    written, hints = yaml.safe_load(options), get_type_hints(cls.__init__)
    Setting(schema=taac_schema()).build(cls, written)
    for option, value in written.items():
        assert get_origin(hints[option]) is not Literal or value in get_args(hints[option])

import json
import re
import time

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hyrec.cli.inspect_command import as_text, read_lengths
from hyrec.cli.main import main
from hyrec.config.experiment import Experiment
from hyrec.inspection import inspect_ranker, without_memory
from hyrec.messages import CommandError
from hyrec.sample_batch import random_batch
from hyrec.schema import Schema
from hyrec.testing.batches import tiny_schema

OPTIONS = ["--config", "pkg:hyrec/debug.yaml", "--schema", "tiny.yaml", "--data", "ParquetData"]
LENGTHS = {"clicks": 9, "likes": 5, "searches": 7}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inspect")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tiny_schema().save("tiny.yaml")
        yield folder


def inspected(options, **settings):
    with without_memory():
        model = Experiment.parse(options).model()
    return inspect_ranker(model, lengths=LENGTHS, **settings)


@pytest.fixture(scope="module")
def report(folder):
    return inspected(OPTIONS, candidates=2, batch_size=3)


@pytest.fixture(scope="module")
def real(folder):
    return Experiment.parse(OPTIONS).model()


def test_parameters_are_those_of_the_real_model(report, real):
    assert report.sparse_parameters == sum(p.numel() for p in real.network.sparse_parameters())
    assert report.dense_parameters == sum(p.numel() for p in real.network.dense_parameters())
    assert sum(cost.parameters for cost in report.costs) == report.dense_parameters
    assert sum(rows * dim for rows, dim in report.tables.values()) == report.sparse_parameters


def test_flops_are_those_of_the_real_model(report, real):
    batch = random_batch(real.schema, num_requests=3, candidates=2, lengths={n: [k] * 3 for n, k in LENGTHS.items()})
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        real.network(batch)
    assert report.flops_per_sample == pytest.approx(counter.get_total_flops() / 6)
    assert sum(cost.flops for cost in report.costs) == pytest.approx(report.flops_per_sample)


def test_flops_of_an_encoder_are_its_linear_layers_and_its_attention(report, real):
    (cost,) = [c for c in report.costs if c.component == "encoder clicks"]
    encoder = real.network.backbone.sequence_layers.layers[0].encoders["clicks"]
    linear = []

    def note(layer, inputs, output):
        linear.append(2 * layer.in_features * output.numel())

    hooks = [m.register_forward_hook(note) for m in encoder.modules() if isinstance(m, torch.nn.Linear)]
    batch = random_batch(real.schema, num_requests=3, candidates=2, lengths={n: [k] * 3 for n, k in LENGTHS.items()})
    with torch.no_grad():
        real.network(batch)
    for hook in hooks:
        hook.remove()
    recent, events, width = 4, LENGTHS["clicks"], 16
    attention = 2 * 2 * recent * events * width * 3
    assert cost.flops == pytest.approx((sum(linear) + attention) / 6)


def test_activations_are_those_of_the_real_model(report, real):
    batch = random_batch(real.schema, num_requests=3, candidates=2, lengths={n: [k] * 3 for n, k in LENGTHS.items()})
    own = {p.untyped_storage().data_ptr() for p in real.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor):
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        real.loss(real.network(batch), batch.labels, batch.weights)
    measured = sum(t.untyped_storage().nbytes() for pointer, t in kept.items() if pointer not in own)
    assert report.memory_bytes["activations"] == pytest.approx(measured, rel=0.1)


def test_the_layout_names_features_and_sequences(report):
    assert report.ns_tokens[:4] == [["delay", "hour"], ["tags", "topics"], ["item", "price"], ["age", "user"]]
    assert report.queries == {"clicks": 1, "likes": 1, "searches": 1}
    text = as_text(report)
    assert "query of clicks" in text
    assert "delay, hour" in text
    assert "encoder clicks" in text


def test_merged_sequences_are_shown_as_one_that_names_its_parts(folder):
    plain = tiny_schema().to_dict()
    plain["sequences"]["likes"]["time_column"] = "likes_time"
    Schema.from_dict(plain).save("timed.yaml")
    options = [*OPTIONS, "--schema", "timed.yaml", "--model.merge_sequences", "true"]
    report = inspected(options, candidates=1, batch_size=2)
    assert report.queries == {"merged": 3}
    assert report.lengths == {**LENGTHS, "merged": 21}
    assert report.merged == ["clicks", "likes", "searches"]
    costs = {cost.component: cost for cost in report.costs}
    assert costs["merging"].parameters == 3 * 16
    assert {"events clicks", "encoder merged", "decoder merged"} < set(costs)
    assert sum(cost.parameters for cost in report.costs) == report.dense_parameters
    text = as_text(report)
    assert "query 3 of merged" in text
    assert "sequence merged (21 events of clicks, likes, searches)" in text


def test_big_tables_are_not_allocated(folder):
    options = [*OPTIONS, "--schema.features.user.vocab_size", "100000000000"]
    start = time.perf_counter()
    report = inspected(options, candidates=1, batch_size=2)
    assert report.tables["user"][0] == 100_000_000_000
    assert time.perf_counter() - start < 15


def test_the_command_prints_json(folder, capsys):
    assert main(["inspect", *OPTIONS, "--lengths", "clicks=3", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["lengths"] == {"clicks": 3, "likes": 5, "searches": 7}
    assert not list(folder.glob("runs"))


def test_lengths_are_a_number_or_numbers_by_sequence():
    schema = tiny_schema()
    assert read_lengths("", schema) == {"clicks": 12, "likes": 5, "searches": 7}
    assert read_lengths("6", schema) == {"clicks": 6, "likes": 5, "searches": 6}
    assert read_lengths("6,clicks=2", schema) == {"clicks": 2, "likes": 5, "searches": 6}
    with pytest.raises(CommandError, match="Did you mean 'clicks'"):
        read_lengths("click=2", schema)
    with pytest.raises(CommandError, match="needs numbers"):
        read_lengths("clicks=many", schema)


def test_a_real_model_is_inspected_as_one_without_memory(report, real):
    assert inspect_ranker(real, lengths=LENGTHS, candidates=2, batch_size=3) == report


def test_own_options_stand_anywhere_among_those_of_fit(folder, capsys):
    line = [
        "inspect",
        "--candidates",
        "2",
        *OPTIONS[:2],
        "--json",
        *OPTIONS[2:],
        "--lengths=3",
        "--model.d_model",
        "32",
    ]
    assert main(line) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["candidates"], report["d_model"], set(report["lengths"].values())) == (2, 32, {3})


def test_an_inspection_says_how_much_is_shuffled_together(capsys):
    main(["inspect", "--config", "pkg:hyrec/debug.yaml", "--data.shuffle_memory", "0.5", "--data.num_workers", "2"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.match(r"Shuffled together: [\d,]+ rows in 2 workers, 0\.\d+ GiB in memory", last)
    assert last.endswith("(data.shuffle_memory allows 0.5 GiB a process)")


def test_labels_are_shown_with_what_makes_them_positive(report):
    tasks = {"like": {"column": "stars", "threshold": 4}, "buy": {"positive": [2, 3.5]}}
    schema = Schema.from_dict({"features": {"item": {"vocab_size": 9, "role": "item"}}, "tasks": tasks})
    assert {name: task.rule for name, task in schema.tasks.items()} == {"like": "above 4", "buy": "one of 2, 3.5"}
    assert set(report.labels) == set(tiny_schema().tasks)
    assert all(rule in as_text(report) for rule in report.labels.values())


def test_a_loss_that_compares_samples_can_be_inspected(report, folder):
    assert inspected([*OPTIONS, "--model.loss", "JRCLoss"], candidates=1, batch_size=3).flops_per_sample > 0

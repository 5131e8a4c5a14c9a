import dataclasses
import json

import lightning
import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser

from hyrec.data.base import RankingData
from hyrec.data.parquet.policy import DataError
from hyrec.data.simulated import SimulatedData
from hyrec.data.simulation import files
from hyrec.data.simulation.attainable import grouped_auc
from hyrec.data.simulation.files import simulate
from hyrec.data.simulation.log import generate
from hyrec.data.simulation.spec import SimulatorSpec, Strengths
from hyrec.schema import Feature, Schema

SPEC = SimulatorSpec(num_requests=400, num_users=60, num_items=80, mean_views=12, max_views=60)
SCHEMA = SimulatedData.make_schema(SPEC)


@pytest.fixture
def data(tmp_path) -> SimulatedData:
    return SimulatedData(SCHEMA, SPEC, cache_dir=str(tmp_path), batch_size=32)


def with_feature(name: str, **changes: object) -> Schema:
    features = {**SCHEMA.features, name: dataclasses.replace(SCHEMA.features[name], **changes)}
    return dataclasses.replace(SCHEMA, features=features)


def test_batches_hold_the_simulated_log(data):
    log = generate(SPEC)
    batches = list(data.loader("test"))
    samples = log.samples_of("test")
    found = torch.cat([b.labels["click"] for b in batches]).numpy()
    np.testing.assert_array_equal(found, log.clicked[samples])
    items = torch.cat([b.features["item_id"] for b in batches]).numpy()
    np.testing.assert_array_equal(items - 3, log.shown.item[samples])
    groups = torch.cat([b.group for b in batches]).numpy()
    np.testing.assert_array_equal(groups, log.shown.request_of[samples])


def test_sequences_arrive_oldest_first_and_before_the_impression(data):
    batch = next(iter(data.train_dataloader()))
    assert batch.request_of is not None
    assert batch.request_of.num_requests == 32
    for sequence in batch.sequences.values():
        owner = torch.repeat_interleave(torch.arange(32), sequence.offsets.diff())
        assert (sequence.time[: len(owner)] < batch.time[owner]).all()


def test_no_value_needs_a_policy_but_planned_nulls(data):
    for split in ("train", "validate", "test"):
        for _ in data.loader(split):
            pass
    assert {line.rsplit("x ", 1)[1] for line in data.report().splitlines()} == {"null, read as missing (id 1, or NaN)"}


def test_references_are_the_figures_of_the_planted_probabilities(data):
    log = generate(SPEC)
    samples = log.samples_of("validate")
    found = data.references("validate")
    expected = grouped_auc(log.probability[samples], log.clicked[samples].astype(float))
    assert found["attainable"]["auc"] == pytest.approx(expected)
    effects = {f"attainable without {f.name}" for f in dataclasses.fields(Strengths)}
    assert set(found) == effects | {"attainable"}
    assert all(set(figures) == {"auc", "query_auc", "logloss"} for figures in found.values())
    assert data.references("predict") == data.references("test") != found


def test_probability_column_cannot_be_read_as_a_feature(tmp_path):
    leak = Feature(kind="dense", role="item", column=files.PROBABILITY_COLUMN)
    schema = dataclasses.replace(SCHEMA, features={**SCHEMA.features, "odds": leak})
    with pytest.raises(DataError, match=r"features\.odds reads 'true_probability'"):
        SimulatedData(schema, SPEC, cache_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("simulator", "words"),
    [
        ({"num_users": 61}, r"features\.user_id\.vocab_size is 63.*need 64 .*Set it to 64.*num_users to 60"),
        ({"num_items": 90}, r"item_id\.vocab_size is 83.*num_items to 80"),
        ({"num_surfaces": 5}, r"surface\.vocab_size is 11.*num_surfaces to 8"),
        ({"num_themes": 5}, r"theme\.vocab_size is 7.*num_themes to 4"),
        ({"num_categories": 5}, r"(category|topics)\.vocab_size is 7.*num_categories to 4"),
        ({"max_candidates": 9}, r"position\.vocab_size is 10.*max_candidates to 7"),
    ],
)
def test_schema_of_another_size_names_the_option_and_its_value(tmp_path, simulator, words):
    with pytest.raises(DataError, match=words):
        SimulatedData(SCHEMA, dataclasses.replace(SPEC, **simulator), cache_dir=str(tmp_path))


def test_schema_of_other_data_is_refused_with_the_closest_column(tmp_path):
    with pytest.raises(DataError, match=r"reads column 'brnd'.*Did you mean 'brand'"):
        SimulatedData(with_feature("brand", column="brnd"), SPEC, cache_dir=str(tmp_path))
    with pytest.raises(DataError, match=r"brand\.vocab_size is 20.*need 53.*Set it to 53\."):
        SimulatedData(with_feature("brand", vocab_size=20), SPEC, cache_dir=str(tmp_path))
    with pytest.raises(DataError, match=r"hour\.offset is 3"):
        SimulatedData(with_feature("hour", offset=3), SPEC, cache_dir=str(tmp_path))


def test_schema_may_leave_features_out_hash_them_and_shorten_sequences(tmp_path):
    features = {name: f for name, f in SCHEMA.features.items() if name not in ("tags", "profile")}
    features["user_id"] = dataclasses.replace(features["user_id"], vocab_size=0, hash_size=20)
    views = dataclasses.replace(SCHEMA.sequences["views"], max_length=5)
    schema = dataclasses.replace(SCHEMA, features=features, sequences={"views": views})
    batch = next(iter(SimulatedData(schema, SPEC, cache_dir=str(tmp_path)).loader("test")))
    assert batch.sequences["views"].max_length == 5
    assert "tags" not in batch.features


def test_files_that_were_written_for_the_command_line_describe_themselves(tmp_path):
    simulate(SPEC, tmp_path / "log")
    spec = json.loads((tmp_path / "log" / "attainable.json").read_text())["spec"]
    spec["strengths"] = Strengths(**spec["strengths"])
    data = SimulatedData(Schema.load(tmp_path / "log" / "schema.yaml"), SimulatorSpec(**spec), cache_dir=str(tmp_path))
    assert data.num_samples("test") > 0


def test_options_parse_from_yaml_and_dotted_overrides(tmp_path):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(RankingData, "data")
    parser.add_argument("--config", action="config")
    init_args = {
        "schema": {"features": {}, "tasks": {}},
        "simulator": {"num_requests": 500, "strengths": {"two_hop": 0.7, "item": 0.1}},
        "batch_size": 7,
    }
    content = {"data": {"class_path": "hyrec.data.simulated.SimulatedData", "init_args": init_args}}
    (tmp_path / "config.yaml").write_text(json.dumps(content))
    config = parser.parse_args(
        [
            f"--config={tmp_path}/config.yaml",
            "--data.simulator.strengths.two_hop=0",
            "--data.simulator.seed=3",
        ]
    )
    options = config.data.init_args
    assert options.batch_size == 7
    assert (options.simulator.num_requests, options.simulator.seed) == (500, 3)
    assert (options.simulator.strengths.two_hop, options.simulator.strengths.item) == (0.0, 0.1)
    with pytest.raises(Exception, match="twohop"):
        parser.parse_args([f"--config={tmp_path}/config.yaml", "--data.simulator.strengths.twohop=0"])


class Mean(lightning.LightningModule):
    """Predict the base rate, so that a real trainer runs through the data."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(()))
        self.seen = 0

    def training_step(self, batch, _):
        self.seen += batch.num_samples
        label = batch.labels["click"]
        return torch.nn.functional.binary_cross_entropy_with_logits(self.bias.expand_as(label), label)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def test_trainer_simulates_what_is_missing_and_sees_every_sample(data, tmp_path):
    model = Mean()
    trainer = lightning.Trainer(
        max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu", default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(model, data)
    report = files.read_report(files.cache_path(SPEC, tmp_path))
    assert model.seen == report["files"]["train.parquet"]["samples"]

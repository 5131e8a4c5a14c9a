"""A run begins with the rows of an earlier one; only new ids begin anew."""

import dataclasses

import pytest
import torch
from lightning import Trainer

from hyrec.callbacks.table_reset import TableReset
from hyrec.fingerprint import grown
from hyrec.saved_state import CheckpointError
from hyrec.schema import Schema
from hyrec.warm_start import refuse_reset, warm_start
from tests.integration.test_ranker import SCHEMA, build

DIGESTS = dict.fromkeys(SCHEMA.table_sizes, "a")
BEFORE = dataclasses.replace(SCHEMA, fingerprint=DIGESTS)
TABLE = next(name for name, feature in SCHEMA.features.items() if feature.kind == "id" and not feature.table)


def grown_schema(digest="b", before="a", **more) -> Schema:
    feature = SCHEMA.features[TABLE]
    features = {**SCHEMA.features, TABLE: dataclasses.replace(feature, vocab_size=feature.vocab_size + 2)}
    fingerprint = {**DIGESTS, TABLE: grown(digest, before)}
    return dataclasses.replace(SCHEMA, features=features, fingerprint=fingerprint, **more)


def saved(schema: Schema) -> dict:
    model = build(schema)
    checkpoint = {"state_dict": {name: torch.rand_like(value) for name, value in model.state_dict().items()}}
    model.on_save_checkpoint(checkpoint)
    return checkpoint


def test_rows_that_were_there_are_the_checkpoint_s_bit_by_bit_and_new_ones_stay():
    checkpoint, model = saved(BEFORE), build(grown_schema())
    name = f"network.tables.{TABLE}.weight"
    new = model.state_dict()[name][-2:].clone()
    warm_start(model, checkpoint)
    now = model.state_dict()
    assert torch.equal(now[name][-2:], new)
    assert torch.equal(now[name][:-2], checkpoint["state_dict"][name])
    assert all(torch.equal(now[other], value) for other, value in checkpoint["state_dict"].items() if other != name)


@pytest.mark.parametrize("table", ["clicks.tab", "type"])
def test_a_table_of_any_name_grows(table):
    def renamed(schema: Schema) -> Schema:
        features = {**schema.features, TABLE: dataclasses.replace(schema.features[TABLE], table=table)}
        fingerprint = {**schema.fingerprint, table: schema.fingerprint[TABLE]}
        return dataclasses.replace(schema, features=features, fingerprint=fingerprint)

    checkpoint, model = saved(renamed(BEFORE)), build(renamed(grown_schema()))
    warm_start(model, checkpoint)
    name = next(
        name for name, value in checkpoint["state_dict"].items() if value.shape != model.state_dict()[name].shape
    )
    assert torch.equal(model.state_dict()[name][:-2], checkpoint["state_dict"][name])


def test_a_vocabulary_that_grew_twice_takes_the_first_checkpoint():
    warm_start(build(grown_schema("c", grown("b", "a"))), saved(BEFORE))


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (grown_schema(before="other"), f"tables {TABLE} differ"),
        (dataclasses.replace(grown_schema(), fingerprint={}), f"the size of {TABLE} differ"),
        (grown_schema(time_unit="ms"), "time_unit differ"),
    ],
    ids=["another vocabulary", "nothing is known of it", "another unit"],
)
def test_a_checkpoint_of_another_build_is_refused_by_what_differs(schema, message):
    with pytest.raises(ValueError, match=message):
        warm_start(build(schema), saved(BEFORE))


def test_a_checkpoint_whose_vocabulary_is_larger_is_refused():
    with pytest.raises(ValueError, match="another schema"):
        warm_start(build(BEFORE), saved(grown_schema()))


@pytest.mark.parametrize("max_epochs", [2, -1])
def test_tables_that_later_epochs_would_draw_anew_are_refused(max_epochs):
    quiet = {"logger": False, "enable_checkpointing": False, "accelerator": "cpu"}
    refuse_reset(Trainer(max_epochs=1, callbacks=[TableReset()], **quiet))
    refuse_reset(Trainer(max_epochs=max_epochs, **quiet))
    with pytest.raises(CheckpointError, match="TableReset draws the tables anew"):
        refuse_reset(Trainer(max_epochs=max_epochs, callbacks=[TableReset()], **quiet))

"""The one table of slots agrees with the classes, and with what a model takes."""

import inspect

import pytest

from hyrec.plugins.catalogue import Catalogue
from hyrec.plugins.slot_table import SLOT_TABLE
from hyrec.ranker import Ranker
from hyrec.slots import SLOTS


def test_the_parts_of_the_network_are_those_of_its_contracts_in_their_order():
    table = [(name, slot.base_class()) for name, slot in SLOT_TABLE.items()]
    assert table[: len(SLOTS)] == list(SLOTS.items())


@pytest.mark.parametrize("name", SLOT_TABLE)
def test_a_slot_is_called_what_its_base_class_says(name):
    base = SLOT_TABLE[name].base_class()
    assert getattr(base, "slot", name) == name
    assert base.__name__ == SLOT_TABLE[name].base_name


@pytest.mark.parametrize("name", SLOT_TABLE)
def test_hyrec_fills_every_slot_with_classes_of_its_base(name):
    found = [entry.cls for entry in Catalogue.load().of_slot(name) if entry.package == "hyrec"]
    assert found
    assert all(issubclass(cls, SLOT_TABLE[name].base_class()) and not inspect.isabstract(cls) for cls in found)


@pytest.mark.parametrize("name", [name for name, slot in SLOT_TABLE.items() if "model" in slot.keys])
def test_a_part_of_the_model_stands_where_the_model_takes_it(name):
    model, init_args, key = SLOT_TABLE[name].keys
    assert (model, init_args) == ("model", "init_args")
    assert key.removesuffix("+") in inspect.signature(Ranker).parameters

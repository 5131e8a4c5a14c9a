"""What the parser of an experiment makes of a schema."""

import pkgutil

import pytest
from jsonargparse import ArgumentError

import hyrec.callbacks
from hyrec.config.parser import HyrecParser
from hyrec.feature import Feature
from tests.new_processes import loaded_by

SIZES = {"kind": "dense", "transform": "bucketize", "boundaries": [1.0, 2.0]}


@pytest.fixture
def parser():
    made = HyrecParser(exit_on_error=False)
    made.add_argument("--features", type=dict[str, Feature])
    return made


def test_a_feature_is_one_value_and_no_options_of_its_own(parser):
    (feature,) = parser.parse_object({"features": {"price": SIZES}}).features.values()
    assert feature == Feature(**SIZES)


def test_a_feature_is_written_with_every_option_and_read_again(parser):
    read = parser.parse_object({"features": {"price": SIZES}})
    written = parser.dump(read)
    assert "max_length: 0" in written
    assert parser.parse_string(written) == read


def test_a_feature_that_cannot_be_read_says_why(parser):
    with pytest.raises(ArgumentError, match=r"feature has no key 'boundarys'\. Did you mean 'boundaries'"):
        parser.parse_object({"features": {"price": {"boundarys": [1.0]}}})


def test_every_callback_has_its_bare_name_in_a_new_process():
    modules = {f"hyrec.callbacks.{module.name}" for module in pkgutil.iter_modules(hyrec.callbacks.__path__)}
    assert modules - loaded_by("hyrec.config.experiment") == set()

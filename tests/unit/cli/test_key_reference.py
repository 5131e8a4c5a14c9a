"""``hyrec data build --explain``: the reference of recipes and schemas."""

import dataclasses

import pytest
import yaml

from hyrec.cli.key_reference import explain, keys_of
from hyrec.cli.main import main
from hyrec.data.logs.recipe import Recipe
from hyrec.mappings import build_dataclass
from hyrec.schema import Schema
from tests.new_processes import heavy_packages_of

KEYS = [*keys_of(Recipe, "", ""), *keys_of(Schema, "schema", "schema")]


def test_the_overview_names_every_section_and_every_key():
    overview = explain("").splitlines()
    for key in (key for key in KEYS if not key.path.startswith("schema")):
        assert any(
            line.split("*")[0].split(":")[0].split()[0] in (key.field.name, key.written) for line in overview if line
        )


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_every_key_has_a_text(key):
    assert key.text
    assert key.text.split(".")[0] in " ".join(explain(key.path).split())


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_every_example_is_yaml_of_at_most_two_lines_that_the_key_takes(key):
    lines = explain(key.path).split("\n\n")[-1].splitlines()
    assert len(lines) <= 2
    value = yaml.safe_load("\n".join(lines))
    for part in key.written.removeprefix("schema.").split("."):
        value = value[part]
    holder = dataclasses.make_dataclass("Holder", [(key.field.name, key.hint)])
    build_dataclass(holder, {key.field.name: value}, "example")


def test_a_key_is_told_with_type_values_default_and_text():
    told = explain("log.time_unit")
    assert "one of s, ms, us" in told
    assert "default  s" in told
    assert "Unit of time." in told


def test_a_bare_key_is_told_for_every_place_that_has_it():
    told = explain("refresh")
    assert "counters.NAME.refresh\n" in told
    assert "sequences.NAME.refresh\n" in told


def test_places_whose_key_means_the_same_are_told_once():
    assert explain("num_buckets").count("buckets of equal mass") == 1


def test_a_place_as_errors_write_it_is_understood():
    assert explain("counters.item_clicks.refresh") == explain("counters.refresh")


@pytest.mark.parametrize(
    ("asked", "nearest", "allowed"),
    [
        ("log.timeunit", "log.time_unit", "Keys of log: files, user, item"),
        ("counter", "counters", "Keys: log, split, features"),
        ("refrehs", "counters.refresh", "Keys: log, split, features"),
        ("schema.features.seperator", "schema.features.separator", "Keys of schema.features: kind, column"),
    ],
)
def test_an_unknown_key_gets_the_nearest_and_the_allowed(asked, nearest, allowed, mistake):
    told = mistake("data", "build", "--explain", asked)
    assert f"Did you mean {nearest!r}?" in told
    assert allowed in told


def test_explaining_needs_no_other_option(capsys):
    assert main(["data", "build", "--explain", "log.files"]) == 0
    assert "log.files" in capsys.readouterr().out


def test_explaining_imports_no_torch():
    assert not {"torch", "lightning"} & heavy_packages_of("data", "build", "--explain")

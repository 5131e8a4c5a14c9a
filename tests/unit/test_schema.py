"""A schema that cannot be used is refused with the place, what was got and what to write instead."""

from __future__ import annotations

import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from hyrec.messages import suggest
from hyrec.schema import Feature, Schema, SchemaError
from hyrec.testing.batches import tiny_schema

USER = {"vocab_size": 9}
TASKS = {"click": {"column": "is_click"}}


def schema_of(feature: dict[str, Any] | None = None, **more: Any) -> Schema:
    """Load a schema with one feature under test."""
    features = {"user": USER} if feature is None else {"user": USER, "probe": feature}
    return Schema.from_dict({"features": features, "tasks": TASKS, **more})


def with_events(feature: dict[str, Any], **more: Any) -> Schema:
    """Load a schema with one side-information feature under test."""
    return schema_of(sequences={"clicks": {"features": {"probe": feature}, **more}})


DENSE: dict[str, Any] = {"kind": "dense"}
BUCKETS: dict[str, Any] = {"kind": "dense", "transform": "bucketize", "boundaries": [0.0, 1.0]}

BAD_FEATURES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("no size", {}, ["features.probe", "exactly one of vocab_size", "vocab_size=0 and hash_size=0"]),
    ("two sizes", {"vocab_size": 9, "hash_size": 8}, ["features.probe", "vocab_size=9 and hash_size=8"]),
    ("too few ids", {"vocab_size": 3}, ["features.probe.vocab_size=3", "reserved", "at least 4"]),
    ("negative vocabulary", {"vocab_size": -9}, ["features.probe.vocab_size", "got -9"]),
    ("negative buckets", {"hash_size": -9}, ["features.probe.hash_size", "got -9"]),
    ("negative length", {"kind": "multi_id", "vocab_size": 9, "max_length": -1}, ["max_length", "got -1"]),
    ("offset of a hash", {"hash_size": 9, "offset": 3}, ["features.probe", "hash_size and offset"]),
    ("transform of an id", {"vocab_size": 9, "transform": "log1p"}, ["features.probe", "'dense'", "'id'"]),
    (
        "standardized weights",
        {"kind": "weighted_ids", "weight_column": "w", "vocab_size": 9, "transform": "standardize"},
        ["features.probe", "log1p also for the weights", "'weighted_ids'"],
    ),
    ("limits of an id", {"vocab_size": 9, "boundaries": [1.0]}, ["features.probe", "'dense'", "'id'"]),
    ("width of an id", {"vocab_size": 9, "width": 2}, ["features.probe.width=2", "does nothing", "Drop it"]),
    ("mean of an id", {"vocab_size": 9, "mean": 2.0}, ["features.probe.mean=2.0", "does nothing"]),
    ("length of an id", {"vocab_size": 9, "max_length": 5}, ["features.probe.max_length=5", "no list"]),
    (
        "ids without weights",
        {"kind": "weighted_ids", "vocab_size": 9},
        ["features.probe", "weight_column ''"],
    ),
    ("weights of an id", {"vocab_size": 9, "weight_column": "w"}, ["features.probe", "'id'", "'w'"]),
    ("vocabulary of numbers", {**DENSE, "vocab_size": 9}, ["features.probe.vocab_size=9", "'dense'"]),
    ("hash of numbers", {**DENSE, "hash_size": 9}, ["features.probe.hash_size=9", "'dense'"]),
    ("offset of numbers", {**DENSE, "offset": 3}, ["features.probe.offset=3", "'dense'"]),
    ("weights of numbers", {**DENSE, "weight_column": "w"}, ["features.probe.weight_column='w'", "'dense'"]),
    ("no width", {**DENSE, "width": 0}, ["features.probe.width", "at least 1, got 0"]),
    (
        "no deviation",
        {**DENSE, "transform": "standardize", "std": 0.0},
        ["features.probe.std", "above 0, got 0"],
    ),
    ("unused mean", {**DENSE, "mean": 1.0}, ["features.probe.mean=1.0", "'none'"]),
    ("limits without buckets", {**DENSE, "boundaries": [1.0]}, ["features.probe.boundaries", "'bucketize'"]),
    ("table of numbers", {**DENSE, "table": "t"}, ["features.probe", "no table", "'bucketize'"]),
    ("buckets without limits", {**BUCKETS, "boundaries": []}, ["features.probe", "boundaries=[]"]),
    ("wide buckets", {**BUCKETS, "width": 2}, ["features.probe", "width=2"]),
    ("falling limits", {**BUCKETS, "boundaries": [1.0, 1.0]}, ["features.probe.boundaries", "[1.0, 1.0]"]),
    (
        "unknown kind",
        {"kind": "multi-id", "vocab_size": 9},
        ["probe.kind", "Did you mean 'multi_id'?", "dense"],
    ),
    ("unknown role", {"vocab_size": 9, "role": "itme"}, ["probe.role", "Did you mean 'item'?", "cross"]),
    ("unknown key", {"vocabsize": 9}, ["probe", "'vocabsize'", "Did you mean 'vocab_size'?", "hash_size"]),
    ("wrong type", {"vocab_size": "9"}, ["probe.vocab_size", "must be int", "'9'"]),
    ("a truth value for a number", {"vocab_size": True}, ["probe.vocab_size", "must be int", "True"]),
    ("one limit for a list", {**BUCKETS, "boundaries": 1.0}, ["probe.boundaries", "must be a list", "1.0"]),
    ("a word among limits", {**BUCKETS, "boundaries": [0, "x"]}, ["probe.boundaries[1]", "float", "'x'"]),
]


@pytest.mark.parametrize(("feature", "words"), [case[1:] for case in BAD_FEATURES], ids=[c[0] for c in BAD_FEATURES])
def test_a_feature_that_cannot_be_used_is_named_with_its_remedy(feature: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SchemaError) as error:
        schema_of(feature)
    for word in words:
        assert word in str(error.value)


SAME_FOR_EVENTS = [case for case in BAD_FEATURES if case[0] not in ("negative length", "ids without weights")]


@pytest.mark.parametrize("feature", [case[1] for case in SAME_FOR_EVENTS], ids=[c[0] for c in SAME_FOR_EVENTS])
def test_side_information_obeys_the_same_rules(feature: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match=r"sequences\.clicks\.features\.probe"):
        with_events(feature)


BAD_SCHEMAS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("no features", {"features": {}, "tasks": TASKS}, ["features is empty"]),
    ("no tasks", {"features": {"user": USER}, "tasks": {}}, ["tasks is empty", "is_click"]),
    ("features missing", {"tasks": TASKS}, ["lacks the key 'features'"]),
    ("unknown key", {"features": {}, "task": TASKS}, ["no key 'task'", "Did you mean 'tasks'?", "layout"]),
    ("list for a mapping", {"features": ["user"], "tasks": TASKS}, ["schema.features", "mapping", "list"]),
    ("nothing for a feature", {"features": {"user": None}, "tasks": TASKS}, ["features.user", "NoneType"]),
    (
        "no side information",
        {"features": {"user": USER}, "tasks": TASKS, "sequences": {"clicks": {"features": {}}}},
        ["sequences.clicks.features is empty"],
    ),
    (
        "no room for events",
        {
            "features": {"user": USER},
            "tasks": TASKS,
            "sequences": {"clicks": {"features": {"item": USER}, "max_length": 0}},
        },
        ["sequences.clicks.max_length", "at least 1, got 0"],
    ),
    (
        "unknown order",
        {
            "features": {"user": USER},
            "tasks": TASKS,
            "sequences": {"clicks": {"features": {"item": USER}, "order": "newest"}},
        },
        ["sequences.clicks.order", "Did you mean 'newest_first'?", "oldest_first"],
    ),
    (
        "list as side information",
        {
            "features": {"user": USER},
            "tasks": TASKS,
            "sequences": {"clicks": {"features": {"tags": {"kind": "multi_id", "vocab_size": 9}}}},
        },
        ["sequences.clicks.features.tags of kind 'multi_id' needs a max_length, for example 8"],
    ),
    (
        "weighted list as side information",
        {
            "features": {"user": USER},
            "tasks": TASKS,
            "sequences": {
                "clicks": {"features": {"tags": {"kind": "weighted_ids", "vocab_size": 9, "weight_column": "w"}}}
            },
        },
        ["sequences.clicks.features.tags", "'weighted_ids'", "'id', 'multi_id', or 'dense'"],
    ),
    (
        "wide side information",
        {
            "features": {"user": USER},
            "tasks": TASKS,
            "sequences": {"clicks": {"features": {"price": {"kind": "dense", "width": 2}}}},
        },
        ["sequences.clicks.features.price", "width 2"],
    ),
    (
        "event times without an impression time",
        {
            "features": {"user": USER},
            "tasks": TASKS,
            "sequences": {"clicks": {"features": {"item": USER}, "time_column": "t"}},
        },
        ["event times", "set time_column"],
    ),
    (
        "split without time",
        {"features": {"user": USER}, "tasks": TASKS, "split": {"test_from": "2022-05-04"}},
        ["split needs time_column"],
    ),
    (
        "unknown group",
        {"features": {"user": {**USER, "group": "who"}}, "tasks": TASKS, "groups": ["whom"]},
        ["groups names 'whom'", "Did you mean 'who'?"],
    ),
    (
        "forgotten group",
        {"features": {"user": USER, "item": {**USER, "role": "item"}}, "tasks": TASKS, "groups": ["user"]},
        ["leaves out item", "drop 'groups'"],
    ),
    (
        "group twice",
        {"features": {"user": USER}, "tasks": TASKS, "groups": ["user", "user"]},
        ["groups names a group twice", "['user', 'user']"],
    ),
    (
        "one table, two sizes",
        {
            "features": {"user": {**USER, "table": "t"}},
            "tasks": TASKS,
            "sequences": {"clicks": {"features": {"item": {"vocab_size": 8, "table": "t"}}}},
        },
        ["sequences.clicks.features.item", "features.user", "table 't'", "8 and 9"],
    ),
    (
        "unknown layout",
        {"features": {"user": USER}, "tasks": TASKS, "layout": "request"},
        ["'requests'", "flat"],
    ),
    (
        "unknown unit",
        {"features": {"user": USER}, "tasks": TASKS, "time_unit": "min"},
        ["time_unit", "s, ms, us"],
    ),
    (
        "task typo",
        {"features": {"user": USER}, "tasks": {"c": {"colum": "x"}}},
        ["tasks.c", "mean 'column'?"],
    ),
]


@pytest.mark.parametrize(("content", "words"), [case[1:] for case in BAD_SCHEMAS], ids=[c[0] for c in BAD_SCHEMAS])
def test_a_schema_that_cannot_be_used_is_refused_with_its_remedy(content: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SchemaError) as error:
        Schema.from_dict(content)
    for word in words:
        assert word in str(error.value)


def test_something_else_than_a_mapping_is_refused() -> None:
    with pytest.raises(SchemaError, match="schema must be a mapping of keys to values, got list"):
        Schema.from_dict([])  # type: ignore[arg-type]


def test_a_missing_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "schema.yaml").write_text("features: {}")
    with pytest.raises(SchemaError, match=r"no schema file .*shema\.yaml.*Did you mean .*/schema\.yaml"):
        Schema.load(tmp_path / "shema.yaml")


def test_an_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text("features: {user: {vocab_siz: 9}}\ntasks: {click: {}}")
    with pytest.raises(SchemaError, match=r"schema\.yaml: schema\.features\.user has no key 'vocab_siz'"):
        Schema.load(path)


def test_text_that_is_no_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text("features: {\nuser: [}")
    with pytest.raises(SchemaError, match=r"schema\.yaml is not valid YAML[\s\S]*line 2"):
        Schema.load(path)


def test_a_feature_that_is_written_twice_is_refused_instead_of_dropped(tmp_path: Path) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text("features:\n  user: {vocab_size: 9}\n  user: {vocab_size: 8}\ntasks: {click: {}}")
    with pytest.raises(SchemaError, match="line 3: the key 'user' is written twice"):
        Schema.load(path)


def test_a_merged_yaml_mapping_may_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(
        "features:\n  user: &id {vocab_size: 9, group: who}\n  item: {<<: *id, group: what}\ntasks: {click: {}}"
    )
    assert Schema.load(path).features["item"] == Feature(vocab_size=9, group="what")


def test_saving_and_loading_gives_the_same_schema(tmp_path: Path) -> None:
    schema = tiny_schema()
    schema.save(tmp_path / "schema.yaml")
    again = Schema.load(tmp_path / "schema.yaml")
    assert again == schema
    assert list(again.features) == list(schema.features)


def test_a_schema_may_stand_under_the_key_schema() -> None:
    assert Schema.from_dict({"schema": tiny_schema().to_dict()}) == tiny_schema()


def test_an_entry_that_equals_its_default_is_not_saved() -> None:
    assert schema_of().to_dict() == {"features": {"user": {"vocab_size": 9}}, "tasks": TASKS}


def permuted(value: Any, seed: int) -> Any:
    """The same mappings with their keys in another order; lists keep theirs."""
    if not isinstance(value, dict):
        return value
    keys = list(value)
    random.Random(seed).shuffle(keys)
    return {key: permuted(value[key], seed + 1) for key in keys}


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_a_file_has_no_meaning(seed: int) -> None:
    plain = tiny_schema().to_dict()
    other = permuted(plain, seed)
    assert yaml.safe_dump(plain, sort_keys=False) != yaml.safe_dump(other, sort_keys=False)
    schema, again = Schema.from_dict(plain), Schema.from_dict(other)
    assert again == schema
    assert list(again.features) == list(schema.features)
    assert list(again.sequences) == list(schema.sequences)
    assert [list(s.features) for s in again.sequences.values()] == [list(s.features) for s in schema.sequences.values()]
    assert list(again.tasks) == list(schema.tasks)
    assert list(again.table_sizes.items()) == list(schema.table_sizes.items())


def test_groups_order_the_features() -> None:
    plain = tiny_schema().to_dict()
    order = ["item", "user", "interests", "context"]
    schema = Schema.from_dict({**plain, "groups": order})
    assert schema.group_names == order
    assert [schema.group_of(name) for name in schema.features] == ["item"] * 2 + ["user"] * 2 + ["interests"] * 2 + [
        "context"
    ] * 2


def test_a_feature_without_group_belongs_to_its_role() -> None:
    schema = schema_of({"vocab_size": 9, "role": "cross"})
    assert schema.group_of("probe") == "cross"
    assert schema.features_of_group("cross") == ["probe"]


@pytest.mark.parametrize(("role", "differs"), [("user", False), ("context", False), ("item", True), ("cross", True)])
def test_item_and_cross_features_differ_between_candidates(role: str, differs: bool) -> None:
    assert schema_of({"vocab_size": 9, "role": role}).is_per_candidate("probe") == differs


def test_tables_count_the_reserved_ids_once() -> None:
    schema = schema_of(
        {"hash_size": 10},
        sequences={"clicks": {"features": {"item": {"vocab_size": 9, "table": "user"}, "age": deepcopy(BUCKETS)}}},
    )
    assert schema.table_sizes == {"user": 9, "probe": 13, "clicks.age": 6}


@pytest.mark.parametrize(
    ("name", "hint"),
    [("itme", " Did you mean 'item'?"), ("USER", " Did you mean 'user'?"), ("zzz", ""), ("", "")],
)
def test_a_suggestion_is_the_close_name_or_nothing(name: str, hint: str) -> None:
    assert suggest(name, ["item", "user"]) == hint

"""A recipe refuses what it cannot use, and says what to write instead."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from hyrec.data.logs import Recipe, RecipeError

RECIPES = Path(__file__).parents[3] / "configs" / "recipes"
BASE = yaml.safe_load("""
log: {files: [log.parquet], user: user, item: item, time: time, outcomes: [click, watched]}
split: {validate_from: 2022-05-03, test_from: 2022-05-04}
tasks: {click: {}}
tables: {items: {files: [items.csv], key: item}}
features:
  item: {role: item, table: item}
  colour: {source: items}
  tab: {}
counters: {seen: {keys: [item], positive: [{column: click}]}}
sequences: {clicks: {where: [{column: click}], features: {item: {table: item}, watched: {kind: dense}}}}
""")


def changed(path: str, value: object) -> dict:
    recipe = copy.deepcopy(BASE)
    *parents, last = path.split(".")
    inside = recipe
    for part in parents:
        inside = inside.setdefault(part, {})
    inside[last] = value
    return recipe


def test_a_recipe_survives_saving_and_loading(tmp_path):
    recipe = Recipe.from_dict(BASE)
    recipe.save(tmp_path / "recipe.yaml")
    assert Recipe.load(tmp_path / "recipe.yaml") == recipe


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_loads(path):
    assert Recipe.load(path).features


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("log.user_columm", "user", "no key 'user_columm'"),
        ("log.time_unit", "msec", "Did you mean 'ms'?"),
        ("log.outcome", [], "Did you mean 'outcomes'?"),
        ("features.item.min_cuont", 3, "Did you mean 'min_count'?"),
        ("features.colour.source", "item", "Did you mean 'items'?"),
        ("features.colour.kind", "multi-id", "Did you mean 'multi_id'?"),
        ("sequences.clicks.max_lenght", 3, "Did you mean 'max_length'?"),
        ("sequences.clicks.where", [{"column": "click", "op": "="}], "Allowed: ==, !="),
        ("counters.later", {"keys": ["tab"], "values": ["count"], "backoff": "sen"}, "Did you mean 'seen'?"),
        ("split.validate_form", "2022-05-03", "Did you mean 'validate_from'?"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_right_spelling(path, value, said):
    with pytest.raises(RecipeError, match=said.replace("?", r"\?")):
        Recipe.from_dict(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("features.watched", {"kind": "dense"}),
        ("features.click", {}),
        ("features.share", {"kind": "dense", "column": "tab", "per": "watched"}),
        ("counters.bad", {"keys": ["item", "watched"], "values": ["count"]}),
        ("log.keep", [{"column": "watched", "op": ">", "value": 3}]),
    ],
)
def test_an_outcome_of_the_impression_is_refused_as_its_feature(path, value):
    with pytest.raises(RecipeError, match="an outcome of the impression"):
        Recipe.from_dict(changed(path, value))


def test_a_label_is_an_outcome_without_being_listed():
    recipe = changed("log.outcomes", ["watched"])
    recipe["features"]["click"] = {}
    with pytest.raises(RecipeError, match="'click', an outcome"):
        Recipe.from_dict(recipe)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("features.tab.transform", "bucketize", "num_buckets or boundaries"),
        ("features.tab.per", "item", "kind 'dense'"),
        ("features.seen_rate", {"column": "tab"}, "which features has already"),
        ("features", {"a.b": {}}, "names are letters"),
        ("counters.seen.prior", 0.0, "between 0 and 1"),
        ("counters.seen.positive", [], "a rate of what"),
        ("counters.seen.snapshot_events", "watched_list", "no 'snapshot'"),
        ("sequences.clicks.snapshot", "watched_list", "no 'snapshot'"),
        ("log.delay", -1, "0 or more seconds"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(path, value, said):
    with pytest.raises(RecipeError, match=said):
        Recipe.from_dict(changed(path, value))


def test_a_missing_recipe_names_the_nearest_file(tmp_path):
    (tmp_path / "films.yaml").write_text("{}")
    with pytest.raises(RecipeError, match=r"Did you mean .*films\.yaml"):
        Recipe.load(tmp_path / "flims.yaml")


def test_conditions_are_the_same_as_text_and_as_mappings():
    texts, mappings = copy.deepcopy(BASE), copy.deepcopy(BASE)
    texts["sequences"]["clicks"]["where"] = ["click", "watched >= 3.5", "tab in [1, 2]"]
    texts["counters"]["seen"]["positive"] = "click"
    mappings["sequences"]["clicks"]["where"] = [
        {"column": "click"},
        {"column": "watched", "op": ">=", "value": 3.5},
        {"column": "tab", "op": "in", "value": [1, 2]},
    ]
    assert Recipe.from_dict(texts) == Recipe.from_dict(mappings)


def test_a_wrong_condition_is_told_with_its_place():
    with pytest.raises(RecipeError, match=r"recipe\.log\.keep\[0\]: the condition 'tab = 1' has '=': write tab == 1"):
        Recipe.from_dict(changed("log.keep", ["tab = 1"]))


def test_a_task_may_be_written_as_the_condition_of_its_positives():
    recipe = Recipe.from_dict(changed("tasks", {"long": "watched >= 3"}))
    assert recipe.labels == {"long": "watched"}
    assert "watched" in recipe.outcomes


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"column": "click", "condition": "watched >= 3"}, "the condition says it all"),
        ({"threshold": 2, "condition": "watched >= 3"}, "the condition says it all"),
        ("click == 'yes'", "labels are numbers, true or false"),
    ],
)
def test_a_task_has_one_rule_of_numbers(task, said):
    with pytest.raises(ValueError, match=said):
        Recipe.from_dict(changed("tasks", {"long": task}))


def test_the_key_on_without_quotes_is_told(tmp_path):
    recipe = yaml.safe_dump(BASE).replace("'on'", "on") + "\n"
    recipe = recipe.replace("tables:", "tables:\n  shops: {files: [s.csv], key: shop, on: shop_id}", 1)
    (tmp_path / "recipe.yaml").write_text(recipe)
    with pytest.raises(RecipeError, match=r"tables.shops has the key on without quotes, .*: write 'on'"):
        Recipe.load(tmp_path / "recipe.yaml")

"""What a recipe makes of every column: also of those that only a condition, a join or the groups read."""

import polars as pl
import yaml

from hyrec.data.importing.recipe_columns import columns_of
from hyrec.data.logs import Recipe

RECIPE = yaml.safe_load("""
log: {files: [log.csv], user: user, item: item, time: time, outcomes: [click], keep: [is_ad == 0], unique: [row],
  repeated: first}
split: {validate_share: 0.2}
tasks: {click: {}}
tables: {shops: {files: [shops.csv], key: shop, 'on': place}}
features: {item: {}, city: {source: shops}}
counters: {seen: {keys: [shops.chain], where: [tab > 1], values: [count]}}
sequences: {shown: {where: [tab > 0], features: {item: {}}}}
group: [request]
""")
LOG = ["user", "item", "time", "click", "is_ad", "row", "place", "tab", "request", "page"]


def test_columns_of_conditions_joins_keys_and_groups_are_read(tmp_path):
    pl.DataFrame({name: [0] for name in LOG}).write_csv(tmp_path / "log.csv")
    pl.DataFrame({name: [0] for name in ("shop", "city", "chain", "owner")}).write_csv(tmp_path / "shops.csv")
    mapped, left_out, _ = columns_of(Recipe.from_dict(RECIPE), tmp_path, {})
    told = dict(mapped)
    assert [name for name, _ in left_out] == ["page", "shops.owner"]
    assert told["is_ad"] == "condition (log.keep)"
    assert told["tab"].startswith("condition (")
    assert told["row"] == "log.unique"
    assert told["place"] == "refers to the table shops"
    assert told["request"] == "what metrics group by"
    assert told["shops.chain"] == "key of counters"
    assert told["item"] == "item of the impression, feature of the context (id), side information of events"

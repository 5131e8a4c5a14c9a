"""The recipe that ``hyrec data init`` drafts for real impressions, beside the one that was written for them."""

from pathlib import Path

import pytest
import yaml

from hyrec.data.drafting.recipe_draft import draft_recipe
from hyrec.data.logs import Recipe

ROOT = Path(__file__).parents[2]
LOGS = ROOT.parent / "shared" / "data" / "kuairand-pure"

pytestmark = pytest.mark.skipif(not LOGS.is_dir(), reason="needs KuaiRand-Pure in ../shared/data/kuairand-pure")


@pytest.fixture(scope="module")
def recipes():
    drafted = Recipe.from_dict(yaml.safe_load(draft_recipe([str(LOGS)], {}).text))
    return drafted, Recipe.load(ROOT / "configs" / "recipes" / "kuairand_pure.yaml")


def test_log_label_split_group_and_tables_are_those_of_the_written_recipe(recipes):
    facts = [
        (
            r.log.user,
            r.log.item,
            r.log.time,
            r.log.time_unit,
            r.tasks,
            r.split.validate_from,
            r.split.test_from,
            r.group,
        )
        for r in recipes
    ]
    keys = [{(table.files[0], table.key, table.role) for table in r.tables.values()} for r in recipes]
    assert facts[0] == facts[1]
    assert keys[0] == keys[1]
    assert recipes[0].snapshot.files == recipes[1].snapshot.files


def test_every_outcome_is_known_as_one_or_left_out(recipes):
    drafted, written = recipes
    used = {column.column or name for name, column in drafted.features.items() if column.source == "log"}
    assert written.outcomes.isdisjoint(used)


def test_days_and_hours_are_those_of_china(recipes):
    assert recipes[0].log.time_zone == "Etc/GMT-8"

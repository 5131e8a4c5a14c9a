"""``hyrec data init``: files as other programs write them, and columns that only an outcome fills."""

import numpy as np
import polars as pl
import pytest
import yaml

from hyrec.cli.main import main
from hyrec.data.drafting.recipe_draft import draft_recipe
from hyrec.data.logs import Recipe, RecipeError, build

ROWS = 600


def log(rows=ROWS):
    draw = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "user_id": draw.integers(0, 30, rows),
            "item_id": draw.integers(0, 60, rows),
            "timestamp": np.sort(1_700_000_000 + draw.integers(0, 6 * 86_400, rows)),
            "click": draw.integers(0, 2, rows),
        }
    )


def drafted(folder):
    return Recipe.from_dict(yaml.safe_load(draft_recipe([str(folder)], {}).text))


def lines_of(frame, header):
    return "\n".join([header, *(",".join(map(str, row)) for row in frame.with_row_index().rows()), ""])


@pytest.mark.parametrize(
    "header",
    [
        ",user_id,item_id,timestamp,click",
        '"",user_id,item_id,timestamp,click',
        '"","user_id","item_id","timestamp","click"',
    ],
    ids=["pandas", "polars", "R"],
)
def test_a_csv_file_whose_first_column_has_no_name_is_drafted_without_it_and_built(header, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "log.csv").write_text(lines_of(log(), header))
    recipe = drafted(tmp_path / "logs")
    assert set(recipe.features) == {"item_id", "user_id", "hour"}
    assert all(build(recipe, tmp_path / "logs", tmp_path / "out").splits.values())


def test_a_column_that_counts_the_rows_is_no_feature(tmp_path):
    log().with_row_index("record").write_csv(tmp_path / "log.csv")
    assert "record" not in drafted(tmp_path).features


@pytest.mark.parametrize("kind", ["text", "list", "joined"])
def test_what_only_positives_have_is_an_outcome(kind, tmp_path):
    frame = log()
    draw = np.random.default_rng(1)
    values = {
        "text": [f"code{number}" for number in draw.integers(0, 200, ROWS)],
        "list": [draw.integers(0, 20, 3).tolist() for _ in range(ROWS)],
        "joined": ["|".join(f"t{number}" for number in draw.integers(0, 20, 3)) for _ in range(ROWS)],
    }[kind]
    nothing = [] if kind == "list" else None
    extra = [value if click else nothing for value, click in zip(values, frame["click"], strict=True)]
    frame.with_columns(pl.Series("extra", extra)).write_parquet(tmp_path / "log.parquet")
    recipe = drafted(tmp_path)
    assert "extra" in recipe.log.outcomes
    assert "extra" not in recipe.features


def test_a_column_that_is_there_twice_is_refused_as_the_build_does(tmp_path):
    (tmp_path / "log.csv").write_text(lines_of(log(), "user_id,user_id,item_id,timestamp,click"))
    with pytest.raises(RecipeError, match="holds the column 'user_id' twice"):
        draft_recipe([str(tmp_path)], {})


def test_a_log_without_rows_is_told(tmp_path):
    log().head(0).write_csv(tmp_path / "log.csv")
    with pytest.raises(RecipeError, match=r"log\.csv holds a header and no rows"):
        draft_recipe([str(tmp_path)], {})


def test_a_folder_of_partitions_is_told_how_to_name_them(tmp_path):
    (tmp_path / "day=1").mkdir()
    log().write_parquet(tmp_path / "day=1" / "part.parquet")
    with pytest.raises(RecipeError, match=r"as .*/\*/\*\.parquet"):
        draft_recipe([str(tmp_path)], {})


def test_paths_with_blanks_are_quoted_in_the_next_commands(tmp_path, capsys):
    logs = tmp_path / "my logs"
    logs.mkdir()
    log().write_csv(logs / "log.csv")
    assert main(["data", "init", str(logs), "--out", str(tmp_path / "my recipe.yaml")]) == 0
    assert f"--recipe '{tmp_path / 'my recipe.yaml'}' --input '{logs}'" in capsys.readouterr().out

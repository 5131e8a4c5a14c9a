"""RecBole's atomic files: the recipe that is drafted, what is told of every column, and what is refused."""

import importlib.metadata
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hyrec.data.importing import import_data
from hyrec.data.logs import Recipe
from hyrec.data.parquet.policy import DataError

START = 1_500_000_000


def write(folder, rows=200, between="\t", inter=None, config=""):
    """Write atomic files: ids that look like numbers, titles with quotes and commas, float lists, a knowledge graph."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    log = {
        "user_id:token": rng.integers(0, 20, rows),
        "item_id:token": [f"{v:03d}" for v in rng.integers(0, 30, rows)],
        "rating:float": rng.integers(1, 6, rows).astype(float),
        "timestamp:float": START + np.sort(rng.integers(0, 9 * 86_400, rows)).astype(float),
    }
    log = {**log, **(inter or {})}
    items = {
        "item_id:token": [f"{v:03d}" for v in range(30)],
        "title:token_seq": [f'Tale {v}, "The {v % 3}"' for v in range(30)],
        "price:float": rng.random(30) * 90,
        "vector:float_seq": ["0.1 0.2"] * 30,
        "kind:token": rng.integers(0, 3, 30),
    }
    for end, columns in (
        ("inter", log),
        ("item", items),
        ("user", {"user_id:token": range(20), "age:token": range(20, 40)}),
    ):
        known = {name: values for name, values in columns.items() if values is not None}
        pl.DataFrame(known).write_csv(folder / f"tales.{end}", separator=between)
    (folder / "tales.kg").write_text("head_id:token\n1\n")
    if config:
        (folder / "tales.yaml").write_text(config)
    return folder


def imported(folder, **options):
    return import_data("recbole", write(folder / "raw", **options), folder / "out")[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("recbole")


@pytest.fixture(scope="module")
def found(folder):
    return imported(folder)


@pytest.fixture(scope="module")
def recipe(folder, found):
    return Recipe.load(folder / "out" / "recipe.yaml")


def test_every_column_and_file_is_mapped_or_left_out_with_the_reason(found):
    said = dict([*found.mapped, *found.left_out])
    assert len(said) == len(found.mapped) + len(found.left_out) == 4 + 5 + 2 + 1
    assert "a list of numbers" in said["item.vector:float_seq"]
    assert said["tales.kg"] == "hyrec reads no such file"


def test_types_of_the_header_decide_what_a_column_is(recipe):
    kinds = {name: feature.kind for name, feature in recipe.features.items()}
    assert (kinds["title"], kinds["price"], kinds["kind"], kinds["age"]) == ("multi_id", "dense", "id", "id")
    assert recipe.features["title"].separator == " "


def test_limit_of_the_rating_and_split_are_marked_as_guesses(found, recipe):
    assert recipe.tasks["rating"].threshold in (1, 2, 3, 4)
    assert "Guessed: label rating:float above" in found.report()
    assert "Guessed: split" in found.report()


def test_a_label_goes_before_a_rating(tmp_path):
    labels = {"label:float": np.arange(200) % 2.0}
    found = imported(tmp_path, inter=labels)
    recipe = Recipe.load(tmp_path / "out" / "recipe.yaml")
    assert list(recipe.labels.values()) == ["label:float"]
    assert "rating:float" in recipe.outcomes
    assert dict(found.mapped)["rating:float"].startswith("outcome")


def test_a_config_names_fields_and_separators(tmp_path):
    inter = {"user_id:token": None, "uid:token": np.arange(200) % 20}
    config = 'USER_ID_FIELD: uid\nfield_separator: ","\nload_col: {}\n'
    found = imported(tmp_path, inter=inter, between=",", config=config)
    assert Recipe.load(tmp_path / "out" / "recipe.yaml").log.user == "uid:token"
    assert "Keys of tales.yaml that say nothing here: load_col." in found.notes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inter": {"timestamp:float": None}}, r"no time \(timestamp\).*Histories need the time"),
        ({"inter": {"rating:float": None}}, r"no label \(label or rating\).*'negatives'"),
        ({"inter": {"user_id:token": None, "userid:token": [0] * 200}}, "no user.*Did you mean 'userid'"),
        ({"inter": {"note": ["x"] * 200}}, "'note' has no type of RecBole"),
        ({"inter": {"note:tokens": ["x"] * 200}}, "Did you mean 'token"),
        ({"config": "field_separator: '::'"}, "field_separator is '::'"),
        ({"config": "- a"}, "must be a mapping"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_the_reason(tmp_path, options, words):
    with pytest.raises(DataError, match=words) as error:
        imported(tmp_path, **options)
    assert len(str(error.value).splitlines()) <= 5


def test_columns_of_a_file_that_does_not_fit_are_left_out_with_the_reason(tmp_path):
    folder = write(tmp_path / "raw")
    (folder / "tales.user").write_text("user_id:token\tage:token\n1\t20\n1\t30\n")
    found, _ = import_data("recbole", folder, tmp_path / "out")
    assert dict(found.left_out)["tales.user age:token"].startswith("the interactions refer to no unique column")


def test_a_log_in_parts_is_refused(tmp_path):
    folder = write(tmp_path / "raw")
    (folder / "tales.inter").rename(folder / "tales.train.inter")
    (folder / "tales.test.inter").write_text((folder / "tales.train.inter").read_text())
    with pytest.raises(DataError, match=r"needs one NAME\.inter\. There: tales.test.inter, tales.train.inter"):
        import_data("recbole", folder, tmp_path / "out")


def test_the_files_that_recbole_carries_are_read_whole(tmp_path):
    try:
        files = importlib.metadata.distribution("recbole").files or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("recbole, whose wheel carries ml-100k, is not installed")
    folder = next(Path(str(file.locate())).parent for file in files if file.name == "ml-100k.inter")
    found, _ = import_data("recbole", folder, tmp_path / "out")
    assert len(found.mapped) == 4 + 4 + 5
    assert Recipe.load(tmp_path / "out" / "recipe.yaml").tasks["rating"].threshold == 3

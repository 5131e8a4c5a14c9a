"""Predictions as one file of ids and scores."""

import csv
import json

import pyarrow as pa
import pytest

from hyrec.callbacks.submission import check_submission, write_submission
from hyrec.parquet import write_parquet


def parts(folder, *columns):
    """Write prediction files."""
    paths = []
    for number, one in enumerate(columns):
        paths.append(folder / f"part-{number:05d}.parquet")
        write_parquet(pa.table(one), paths[-1])
    return paths


def one(**changed):
    return {"user": [7, 5], "item": ["a", 'b"'], "row": [0, 1], "score_click": [0.25, 0.1], **changed}


def written_json(tmp_path, *columns, ids=("user", "item")):
    write_submission(tmp_path / "s.json", parts(tmp_path, *columns), ids)
    return json.loads((tmp_path / "s.json").read_text())


def written_csv(tmp_path, *columns, ids=("user", "item")):
    write_submission(tmp_path / "s.csv", parts(tmp_path, *columns), ids)
    with open(tmp_path / "s.csv", newline="") as file:
        return list(csv.reader(file))


def test_json_holds_a_score_for_each_id_in_the_order_of_the_input(tmp_path):
    found = written_json(tmp_path, one())
    assert list(found) == ["predictions"]
    assert list(found["predictions"].items()) == [("7", 0.25), ("5", 0.1)]


def test_csv_holds_all_ids_and_scores(tmp_path):
    assert written_csv(tmp_path, one()) == [["user", "item", "score_click"], ["7", "a", "0.25"], ["5", 'b"', "0.1"]]


def test_parts_of_several_processes_come_in_the_order_of_the_rows(tmp_path):
    rows = written_csv(tmp_path, one(row=[0, 3], user=[10, 13]), one(row=[1, 2], user=[11, 12]))
    assert [row[0] for row in rows[1:]] == ["10", "11", "12", "13"]


def test_several_tasks_have_a_score_each(tmp_path):
    assert written_json(tmp_path, one(score_like=[0.5, 0.75]))["predictions"]["5"] == {"click": 0.1, "like": 0.75}


def test_without_id_columns_the_row_is_the_id(tmp_path):
    assert written_json(tmp_path, one(), ids=())["predictions"] == {"0": 0.25, "1": 0.1}


def test_an_id_that_is_named_like_a_score_is_none(tmp_path):
    found = written_json(tmp_path, one(score_id=[3, 4]), ids=("score_id",))
    assert found["predictions"] == {"3": 0.25, "4": 0.1}


def test_scores_keep_all_their_digits(tmp_path):
    precise = [0.1234567890123456, 1e-17]
    assert list(written_json(tmp_path, one(score_click=precise))["predictions"].values()) == precise
    assert [float(row[2]) for row in written_csv(tmp_path, one(score_click=precise))[1:]] == precise


def test_many_rows_are_valid_json(tmp_path):
    rows = list(range(25_000))
    found = written_json(tmp_path, {"row": rows, "user": rows, "score_click": [0.5] * len(rows)})["predictions"]
    assert list(found) == [str(row) for row in rows]


@pytest.mark.parametrize(("users", "why"), [([7, 7], "7 is there more than once"), ([7, None], "one is null")])
def test_ids_of_which_json_could_hold_one_are_refused_and_leave_no_file(users, why, tmp_path):
    with pytest.raises(ValueError, match=f"{why}.*CSV. All scores are in"):
        written_json(tmp_path, one(user=users))
    assert not (tmp_path / "s.json").exists()


def test_csv_keeps_ids_that_are_there_twice(tmp_path):
    assert [row[0] for row in written_csv(tmp_path, one(user=[7, 7]))[1:]] == ["7", "7"]


def test_another_form_or_a_file_that_is_there_is_refused_before_anything_is_computed(tmp_path):
    with pytest.raises(ValueError, match=r"has the ending '.txt'. Allowed: .csv, .json"):
        check_submission(tmp_path / "s.txt")
    (tmp_path / "s.json").touch()
    with pytest.raises(FileExistsError, match="is there already"):
        check_submission(tmp_path / "s.json")

"""Saved predictions as arrays."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyrec.metrics import AUC, GAUC, LogLoss, QueryAUC
from hyrec.studies.analysis.scores import Scores
from tests.references import metrics as reference


def table(**columns):
    given = {
        "row": [2, 0, 1, 3],
        "group": [5, 5, 5, 8],
        "label_click": [1.0, 0.0, None, 1.0],
        "score_click": np.array([0.9, 0.2, 0.5, 0.4], np.float32),
        **columns,
    }
    return pa.table({name: values for name, values in given.items() if values is not None})


def test_rows_are_sorted_whatever_order_the_parts_are_in():
    scores = Scores.of(table())
    assert scores.row.tolist() == [0, 1, 2, 3]
    assert scores.score.tolist() == [np.float32(x) for x in (0.2, 0.5, 0.9, 0.4)]
    assert np.isnan(scores.label[1])


def test_the_first_task_is_taken_and_any_other_can_be_asked_for():
    both = table(label_like=[0.0, 0.0, 1.0, 1.0], score_like=[0.1, 0.2, 0.3, 0.4])
    assert Scores.of(both).score[0] == np.float32(0.2)
    assert Scores.of(both, "like").score[0] == 0.2
    with pytest.raises(ValueError, match="task 'lik'"):
        Scores.of(both, "lik")


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"row": [0, 1, 1, 2]}, "1 rows more than once"),
        ({"row": None}, "no column 'row'"),
        ({"row": [0, 1, None, 2]}, "1 nulls in column 'row'"),
        ({"score_click": [0.1, None, 0.2, 0.3]}, "1 of 4 predictions are missing"),
    ],
)
def test_predictions_that_cannot_be_compared_are_refused(columns, told):
    with pytest.raises(ValueError, match=told):
        Scores.of(table(**columns))


def test_columns_that_no_figure_needs_are_not_read(tmp_path, monkeypatch):
    pq.write_table(table(title=["a", "b", "c", "d"]), tmp_path / "one")
    read, asked = pq.read_table, []
    monkeypatch.setattr(
        pq, "read_table", lambda path, columns, **checks: asked.append(columns) or read(path, columns=columns)
    )
    assert Scores.read([tmp_path / "one"], "click").row.tolist() == [0, 1, 2, 3]
    assert sorted(*asked) == ["group", "label_click", "row", "score_click"]


def test_a_score_whose_bits_have_flipped_is_no_score(tmp_path):
    written = tmp_path / "one"
    options = {"write_page_checksum": True, "compression": "none", "use_dictionary": False, "write_statistics": False}
    pq.write_table(table(score_click=[0.123456789] * 4), written, **options)
    content = written.read_bytes()
    place = content.index(np.float64(0.123456789).tobytes())
    written.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(ValueError, match=r"one cannot be read: .*CRC checksum"):
        Scores.read([written], "click")


def test_a_column_that_some_files_lack_is_null_in_their_rows(tmp_path):
    pq.write_table(table(), tmp_path / "one")
    pq.write_table(table(row=[4, 5, 6, 7], label_click=None), tmp_path / "two")
    scores = Scores.read([tmp_path / "one", tmp_path / "two"])
    assert scores.row.tolist() == list(range(8))
    assert np.isnan(scores.label).tolist() == [False, True, False, False, True, True, True, True]


def test_every_metric_is_that_of_the_slow_reference():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 60).astype(float)
    score, group = rng.integers(1, 20, 60) / 20, rng.integers(0, 9, 60)
    scores = Scores(np.arange(60), label, score, group, None)
    plain, by_rows, num_groups, _ = reference.grouped_auc(score, label, group)
    assert scores.metric(QueryAUC()) == pytest.approx(plain, abs=1e-12)
    assert scores.metric(GAUC()) == pytest.approx(by_rows, abs=1e-12)
    assert scores.num_ranked_groups() == num_groups
    assert scores.metric(AUC()) == pytest.approx(reference.auc(score, label), abs=1e-12)
    assert scores.metric(LogLoss()) == pytest.approx(reference.log_loss(score, label), abs=1e-12)


def test_query_auc_needs_groups():
    with pytest.raises(ValueError, match="no column 'group'"):
        Scores.of(table(group=None)).metric(QueryAUC())

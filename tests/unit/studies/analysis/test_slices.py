"""Metrics by bin, from the files of a study."""

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyrec.studies.analysis.calibration import reliability
from hyrec.studies.analysis.results import read_results
from hyrec.studies.analysis.slices import ROWS_FILE, bins_of, group_medians, slice_metric
from hyrec.studies.plan.plan import Plan, PlannedVariant
from hyrec.studies.plan.study import Study, StudyError, Variant
from hyrec.studies.run.cell import cells_of
from hyrec.studies.run.record import CellRecord
from tests.references import metrics as reference

NUM_ROWS, SEEDS = 600, (0, 1, 2)


@pytest.fixture(scope="module")
def test_rows():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(NUM_ROWS // 6), 6)
    return {
        "row": np.arange(NUM_ROWS),
        "group": group,
        "label": rng.integers(0, 2, NUM_ROWS).astype(float),
        "history_length": rng.integers(0, 30, NUM_ROWS // 6)[group],
        "item_frequency": rng.integers(0, 50, NUM_ROWS),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory, test_rows):
    """Write a study in which ``better`` is better than ``base`` for long histories only."""
    folder = tmp_path_factory.mktemp("study")
    variants = tuple(Variant(name, name) for name in ("base", "better", "unfinished"))
    study = Study("s", "?", (), {}, ("query_auc",), SEEDS, "base", variants)
    plan = Plan(study, tuple(PlannedVariant(v, (), (), 1, 1, 1.0) for v in variants), "0")
    plan.save(folder)
    described = {name: test_rows[name] for name in ("row", "group", "history_length")}
    frequency = pa.array(test_rows["item_frequency"], mask=test_rows["item_frequency"] == 0)
    pq.write_table(pa.table({**described, "item_frequency": frequency}), folder / ROWS_FILE)
    for cell in cells_of(plan, folder):
        if cell.variant == "unfinished":
            continue
        noise = np.random.default_rng(cell.seed).normal(size=NUM_ROWS)
        signal = 0.3 + 2.0 * (cell.variant == "better") * (test_rows["history_length"] > 20)
        score = 1 / (1 + np.exp(-signal * (test_rows["label"] - 0.5) - noise))
        order = np.random.default_rng(cell.seed).permutation(NUM_ROWS)
        columns = {"row": order, "group": test_rows["group"][order]}
        columns |= {"label_click": test_rows["label"][order], "score_click": score[order]}
        (cell.folder / "predictions").mkdir(parents=True)
        pq.write_table(pa.table(columns), cell.folder / "predictions" / "part-00000.parquet")
        done = (0, 1.0, 1, (), "", "", "", "")
        CellRecord("s", cell.variant, cell.seed, "", "finished", *done).save(cell.folder)
        (cell.folder / "metrics.csv").write_text("step,test/query_auc\n1,0.5\n")
    return folder


@pytest.fixture(scope="module")
def results(folder):
    return read_results(folder)


def test_each_bin_holds_the_metric_of_its_rows(results, test_rows):
    for row in slice_metric(results, "query_auc", "history_length"):
        inside = (test_rows["history_length"] >= row.bin.low) & (test_rows["history_length"] <= row.bin.high)
        scores = results.cells[row.variant, 1].scores().take(inside)
        score, label = scores.score, scores.label
        mean, _, num_groups, _ = reference.grouped_auc(score, label, test_rows["group"][inside])
        assert row.values[1] == pytest.approx(mean, abs=1e-12)
        assert (row.bin.rows.sum(), row.num_groups) == (inside.sum(), num_groups)
        assert row.mean == pytest.approx(np.mean(list(row.values.values())))


def test_an_effect_is_found_in_the_bins_that_have_it(results):
    rows = [row for row in slice_metric(results, "query_auc", "history_length") if row.variant == "better"]
    assert [row.bin.low for row in rows] == sorted(row.bin.low for row in rows)
    short, long = [row for row in rows if row.bin.high <= 20], [row for row in rows if row.bin.low > 20]
    assert len(short) >= 2
    assert len(long) >= 1
    assert all(row.difference.mean == 0 for row in short)
    assert all(row.difference.low > 0 for row in long)


def test_the_baseline_has_no_difference_and_unfinished_variants_no_rows(results):
    rows = slice_metric(results, "query_auc", "history_length")
    assert {row.variant for row in rows} == {"base", "better"}
    assert all((row.difference is None) == (row.variant == "base") for row in rows)


def test_what_differs_inside_groups_is_shown_as_auc(results, test_rows):
    rows = slice_metric(results, "query_auc", "item_frequency")
    assert {row.metric for row in rows} == {"auc"}
    base = [row for row in rows if row.variant == "base"]
    assert sum(row.bin.rows.sum() for row in base) == (test_rows["item_frequency"] > 0).sum()
    assert slice_metric(results, "logloss", "item_frequency")[0].metric == "logloss"


def test_a_column_that_does_not_exist_gets_the_nearest(results):
    with pytest.raises(StudyError, match="Did you mean 'history_length'"):
        slice_metric(results, "query_auc", "history_lengths")


def test_rows_of_other_data_are_refused(results, folder, tmp_path):
    path = folder / ROWS_FILE
    kept = path.read_bytes()
    try:
        pq.write_table(pq.read_table(path).slice(10), path)
        with pytest.raises(StudyError, match="10 of 600 predicted rows are not in"):
            slice_metric(results, "query_auc", "history_length")
        path.unlink()
        with pytest.raises(StudyError, match="does not exist"):
            slice_metric(results, "query_auc", "history_length")
    finally:
        path.write_bytes(kept)


def test_reliability_is_read_from_the_same_predictions(results):
    found = reliability(results, "better")
    scores = [results.cells["better", seed].scores().score for seed in SEEDS]
    assert sum(pred * share for pred, _, share in found) == pytest.approx(np.mean(scores))
    with pytest.raises(StudyError, match="'unfinished'"):
        reliability(results, "unfinished")


@pytest.mark.parametrize("seed", range(5))
def test_bins_part_the_known_rows_by_value(seed):
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(500) < 0.1, np.nan, rng.zipf(1.5, 500).clip(max=1000).astype(float))
    bins = bins_of(values)
    assert 1 <= len(bins) <= 5
    assert (np.sum([part.rows for part in bins], axis=0) == ~np.isnan(values)).all()
    for part, following in itertools.pairwise(bins):
        assert part.high < following.low
    for part in bins:
        assert (values[part.rows].min(), values[part.rows].max()) == (part.low, part.high)


def test_bins_of_distinct_values_are_equally_large():
    assert [int(part.rows.sum()) for part in bins_of(np.arange(100.0))] == [20] * 5


def test_one_value_makes_one_bin_and_no_value_none():
    assert [part.label for part in bins_of(np.full(7, 3.0))] == ["3"]
    assert bins_of(np.full(7, np.nan)) == []


def test_rows_of_a_group_share_the_bin_of_their_median():
    rng = np.random.default_rng(0)
    values, group = rng.integers(0, 9, 60).astype(float), rng.integers(0, 12, 60)
    medians = group_medians(values, group)
    for g in set(group.tolist()):
        mine = np.sort(values[group == g])
        assert set(medians[group == g]) == {mine[(len(mine) - 1) // 2]}


def test_a_task_before_the_metric_chooses_the_task(results):
    plain = slice_metric(results, "query_auc", "history_length")
    of_task = slice_metric(results, "click/query_auc", "history_length")
    assert [row.mean for row in of_task] == [row.mean for row in plain]
    assert {row.metric for row in slice_metric(results, "click/query_auc", "item_frequency")} == {"click/auc"}
    with pytest.raises(ValueError, match="'like'"):
        slice_metric(results, "like/query_auc", "history_length")


def test_cells_with_other_labels_are_not_set_side_by_side(results, folder):
    path = folder / "cells" / "better" / "s1" / "predictions" / "part-00000.parquet"
    kept = path.read_bytes()
    table = pq.read_table(path)
    turned = pa.array(1 - table["label_click"].to_numpy())
    try:
        pq.write_table(table.set_column(table.column_names.index("label_click"), "label_click", turned), path)
        with pytest.raises(StudyError, match=r"better s1 .* labels of 600 of 600 test rows differ"):
            slice_metric(results, "query_auc", "history_length")
    finally:
        path.write_bytes(kept)

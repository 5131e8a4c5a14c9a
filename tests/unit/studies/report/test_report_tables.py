"""The table of a study in the terminal."""

from hyrec.studies.analysis.results import CellResult, StudyResults
from hyrec.studies.plan.plan import Plan, PlannedVariant
from hyrec.studies.plan.study import Study, Variant
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.tables import comparison_as_text


def test_runs_are_the_pairs_of_the_difference_and_those_of_the_mean_where_they_are_others(tmp_path):
    variants = tuple(Variant(name, name) for name in ("full", "less"))
    study = Study("s", "", (), {}, ("auc",), (0, 1, 2), "full", variants)
    plan = Plan(study, tuple(PlannedVariant(variant, (), (), 1, 1, 1.0) for variant in variants), "0")
    found = {("full", 0): 0.7, ("full", 1): 0.71, ("less", 0): 0.6, ("less", 1): 0.62, ("less", 2): 0.63}
    cells = {key: CellResult(*key, tmp_path, {"auc": value}, 1.0) for key, value in found.items()}
    lines = comparison_as_text(Findings.of(StudyResults(tmp_path, plan, cells))).splitlines()
    full, less = (next(line for line in lines if line.startswith(name)) for name in ("full", "less"))
    assert full.split()[5] == "2"
    assert "2 (mean: 3)" in less

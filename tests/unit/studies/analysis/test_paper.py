import pytest

from hyrec.studies.analysis.comparison import ComparisonRow
from hyrec.studies.analysis.paper import paper_rows
from hyrec.studies.analysis.statistics import paired_t
from hyrec.studies.plan.plan import PlannedVariant, RelativeCosts
from hyrec.studies.plan.study import Study, Variant

PLANNED = PlannedVariant(Variant("base", "base"), (), (), 1, 1, 1.0)
COSTS = RelativeCosts(PLANNED, PLANNED)


def study_of(*, base: float = 0.60, other: float = 0.61, metric: str = "auc") -> Study:
    variants = (Variant("base", "base", paper={metric: base}), Variant("other", "other", paper={metric: other}))
    return Study("s", "", (), {}, (metric,), (0, 1), "base", variants)


def rows_of(*, metric: str = "auc", verdict: str = "better", shift: float = 0.1) -> list[ComparisonRow]:
    base, other = {0: 0.8, 1: 0.8, 2: 0.2}, {0: 0.8 + shift, 1: 0.8 + 3 * shift}
    differences = {seed: other[seed] - base[seed] for seed in other}
    return [
        ComparisonRow(
            *(name, metric, "base", name == "base", values, 0.8, 0.1, found, ()),
            *(paired_t(list(found.values())) if found else None, 0.5 if metric == "auc" else None),
            *(relative, relative, COSTS, 1.0),
            verdict=verdict,
        )
        for name, values, found, relative in (("base", base, {}, None), ("other", other, differences, 0.25))
    ]


def test_changes_are_relative_to_the_baseline_over_the_seeds_that_both_have() -> None:
    (row,) = paper_rows(study_of(), rows_of())
    interval = paired_t([0.1, 0.3])
    assert (row.low, row.high) == pytest.approx((interval.low / 0.8, interval.high / 0.8))
    assert row.paper == pytest.approx(0.61 / 0.60 - 1)
    assert row.paper_above_chance == pytest.approx(0.11 / 0.10 - 1)


@pytest.mark.parametrize(
    ("verdict", "printed", "said"),
    [
        ("better", 0.61, "same direction"),
        ("worse", 0.59, "other direction"),
        ("better", 0.60, "none in the paper"),
        ("not distinguishable", 0.61, "not decided here"),
    ],
)
def test_a_direction_is_compared_only_where_both_have_one(verdict: str, printed: float, said: str) -> None:
    (row,) = paper_rows(study_of(other=printed), rows_of(verdict=verdict))
    assert row.agreement == said


def test_a_paper_whose_baseline_is_at_chance_has_no_change_above_it() -> None:
    (row,) = paper_rows(study_of(base=0.5, other=0.6), rows_of())
    assert (row.paper, row.paper_above_chance) == (pytest.approx(0.2), None)


def test_figures_that_are_no_auc_are_not_compared() -> None:
    assert paper_rows(study_of(metric="logloss"), rows_of(metric="logloss")) == []

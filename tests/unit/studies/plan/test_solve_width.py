import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyrec.functional import next_divisor
from hyrec.inspection import ModelCosts
from hyrec.studies.plan.matching import solve_width


def quadratic(width):
    return ModelCosts(dense_parameters=3 * width**2 + 100, sparse_parameters=7, flops_per_sample=50.0 * width**2)


def only(allowed, cost_of):
    """Return the costs of widths that are allowed."""
    return lambda width: cost_of(width) if allowed(width) else None


def nearest_of_all(cost_of, target, tolerances, allowed, widths):
    """Return how near the nearest width comes."""

    def worst(width):
        costs = cost_of(width)
        both = {"flops": costs.flops_per_sample / target.flops_per_sample}
        both["dense_parameters"] = costs.dense_parameters / target.dense_parameters
        return max(abs(both[kind] - 1) / tolerance for kind, tolerance in tolerances.items())

    return min(worst(width) for width in widths if allowed(width))


@given(
    heads=st.sampled_from([1, 2, 3, 4, 8]),
    wanted=st.integers(8, 500),
    square=st.floats(0.1, 100),
    line=st.floats(0, 5000),
    kinds=st.sampled_from([("flops",), ("dense_parameters",), ("flops", "dense_parameters")]),
    start=st.sampled_from([32, 64, 96]),
)
@settings(max_examples=150, deadline=None)
def test_where_costs_grow_no_other_width_comes_nearer(heads, wanted, square, line, kinds, start):
    def cost_of(width):
        return ModelCosts(int(1000 * square * width**2) + 5000, 0, 40 * square * width**2 + line * width + 3000)

    def allowed(width):
        return width % heads == 0

    target = ModelCosts(int(900 * square * wanted**2) + 1, 0, 44 * square * wanted**2 + line * wanted + 1)
    tolerances = {kind: 0.02 if kind == "flops" else 0.03 for kind in kinds}
    match = solve_width(only(allowed, cost_of), target, tolerances, start=start)
    best = nearest_of_all(cost_of, target, tolerances, allowed, range(start // 16, 16 * start + 1))
    assert match.worst == pytest.approx(best)
    assert match.costs == cost_of(match.width)
    assert match.within == (best <= 1)


def test_the_planted_width_is_found_from_either_side():
    for start in (40, 72, 300):
        match = solve_width(quadratic, quadratic(72), {"flops": 0.001}, start=start)
        assert (match.width, match.within, match.deviations["flops"]) == (72, True, 0.0)


def test_few_widths_are_tried():
    asked = []

    def cost_of(width):
        asked.append(width)
        return quadratic(width)

    solve_width(cost_of, quadratic(777), {"flops": 0.01}, start=64)
    assert len(asked) == len(set(asked)) < 16


def test_both_kinds_of_cost_must_hold_together():
    def cost_of(width):
        return ModelCosts(width**2, 0, 1000.0 * width)

    target = ModelCosts(64**2, 0, 1000.0 * 80)
    assert solve_width(cost_of, target, {"flops": 0.01}, start=64).width == 80
    assert solve_width(cost_of, target, {"dense_parameters": 0.01}, start=64).width == 64
    both = solve_width(cost_of, target, {"flops": 0.01, "dense_parameters": 0.01}, start=64)
    assert not both.within
    assert 64 < both.width < 80
    assert both.deviations["flops"] < 0 < both.deviations["dense_parameters"]


def test_padding_that_makes_costs_jump_hides_no_match():
    def padded(width):
        tokens = next_divisor(width, 8)
        return ModelCosts(width * width, 0, float(tokens * width * width))

    match = solve_width(padded, padded(70), {"flops": 0.02}, start=64)
    assert match.within
    assert abs(padded(match.width).flops_per_sample / padded(70).flops_per_sample - 1) <= 0.02


def test_a_match_that_fails_names_tolerances_that_would_do():
    def allowed(width):
        return width % 32 == 0

    target = quadratic(80)
    match = solve_width(only(allowed, quadratic), target, {"flops": 0.02, "dense_parameters": 0.5}, start=64)
    assert not match.within
    assert match.width == 64
    assert str(match) == (
        "No width matches within {flops: 2%, dense_parameters: 50%}: the nearest is 64 (flops -36.0%, "
        "dense_parameters -35.8%). {flops: 36%, dense_parameters: 50%} would do."
    )
    assert match.sufficient == {"flops": 0.36, "dense_parameters": 0.5}
    assert solve_width(only(allowed, quadratic), target, match.sufficient, start=64).within


def test_a_target_out_of_reach_gives_the_end_of_the_reach():
    dearer = solve_width(quadratic, quadratic(10_000), {"flops": 0.02}, start=16)
    cheaper = solve_width(quadratic, ModelCosts(1, 0, 1.0), {"flops": 0.02}, start=64)
    assert (dearer.width, cheaper.width) == (256, 4)
    assert not dearer.within
    assert not cheaper.within
    assert "No tolerance below 100% would do" in str(cheaper)


def test_costs_that_do_not_depend_on_the_width_end_the_search():
    match = solve_width(lambda width: ModelCosts(5, 0, 5.0), ModelCosts(10, 0, 10.0), {"flops": 0.02}, start=8)
    assert match.deviations == {"flops": -0.5}


def test_no_allowed_width_is_an_error():
    with pytest.raises(ValueError, match="No width from 4 to 1024 in steps of 1 is allowed"):
        solve_width(lambda width: None, quadratic(64), {"flops": 0.02}, start=64)

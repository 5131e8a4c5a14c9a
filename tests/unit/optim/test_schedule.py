import pytest

from hyrec.optim import Schedule


def test_warm_up_rises_and_the_cosine_ends_at_the_floor():
    schedule = Schedule(warmup=0.1, floor=0.2)
    factors = [schedule.factor(step, 100) for step in range(101)]
    assert factors[:10] == sorted(factors[:10])
    assert factors[9] == pytest.approx(1.0)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[100] == pytest.approx(0.2)


def test_constant_stays_at_one_after_the_warm_up():
    schedule = Schedule(warmup=0.0, shape="constant")
    assert {schedule.factor(step, 10) for step in range(10)} == {1.0}


@pytest.mark.parametrize("option", ["warmup", "floor"])
def test_a_share_outside_zero_to_one_is_refused(option):
    with pytest.raises(ValueError, match=f"schedule.{option} is a share from 0 to 1, got 500"):
        Schedule(**{option: 500})

"""What is said of options that something cannot be built of."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hyrec.messages import UnbuildableError, building


def refuse_with_a_hint() -> None:
    try:
        {}["gelo"]
    except KeyError:
        raise ValueError("There is no 'gelo'. Did you mean 'gelu'?") from None


def refuse_because_of_another() -> None:
    try:
        int("x")
    except ValueError as error:
        raise OverflowError("The table does not fit. Lower its vocab_size.") from error


@pytest.mark.parametrize(
    ("refuse", "told"),
    [(refuse_with_a_hint, "Did you mean 'gelu'"), (refuse_because_of_another, "Lower its vocab_size")],
)
def test_the_error_that_was_raised_is_told_and_not_the_one_it_came_of(refuse: Callable[[], None], told: str) -> None:
    with pytest.raises(UnbuildableError, match=told), building("model"):
        refuse()

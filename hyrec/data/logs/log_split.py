"""Which rows of a log train, validate and test: what a recipe says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hyrec.data.logs.recipe_parts import RecipeError

_WAYS = {
    "moments": ("validate_from", "test_from"),
    "shares": ("validate_share", "test_share"),
    "the last rows": ("leave_one_out",),
    "a column": ("column", "train", "validate", "test"),
}


@dataclass(frozen=True)
class LogSplit:
    """Which rows train, validate and test: by moments, by shares, by the last rows of each user, or by a column.

    Args:
        validate_from: By moments: rows before it train. A day or an ISO date-time in ``log.time_zone``.
        test_from: Rows from ``validate_from`` to it validate; rows from it on test.
        validate_share: By shares: the latest rows before those that test, such as 0.1 of all. Rows of one moment (of
            one day, with ``log.day``) stay together, so that it may be a little more. The moments that are found stand
            in the built ``recipe.yaml``.
        test_share: The latest rows.
        leave_one_out: By the last rows: a column, mostly ``log.user``. Of each of its values the row at the last moment
            tests, the row at the moment before validates, and earlier ones train; rows of one moment stay together.
            The rows of values with fewer than three moments, and of none, all train, which the build tells. Counters
            and sequences see whatever is earlier, also rows of other users that test: there is no moment at which
            ``refresh: train`` could freeze them.
        column: By a column of the log, such as a fold's number; it goes with ``train``, ``validate`` and ``test``.
            As with ``leave_one_out``, counters see all that is earlier and cannot have ``refresh: train``.
        train: Values of ``column`` whose rows train. Rows with a value that is nowhere named are an error.
        validate: Values of ``column`` whose rows validate.
        test: Values of ``column`` whose rows test.
        train_from: Earlier rows are history only. Empty: all train.
        until: Rows from this moment on are not used. Empty: all are.
    """

    validate_from: str = ""
    test_from: str = ""
    validate_share: float = 0.0
    test_share: float = 0.0
    leave_one_out: str = ""
    column: str = ""
    train: list[Any] = field(default_factory=list)
    validate: list[Any] = field(default_factory=list)
    test: list[Any] = field(default_factory=list)
    train_from: str = ""
    until: str = ""

    def __post_init__(self) -> None:
        ways = {way: given for way, keys in _WAYS.items() if (given := [key for key in keys if getattr(self, key)])}
        if len(ways) != 1:
            got = " and ".join(f"{keys[0]} (by {way})" for way, keys in ways.items())
            raise RecipeError(
                f"split has {got or 'nothing that parts the rows'}. Give one of: validate_from and test_from, "
                "validate_share and test_share, leave_one_out, or column with train, validate and test."
            )
        for key in ("validate_from", "test_from"):
            if "moments" in ways and not getattr(self, key):
                raise RecipeError(f"split lacks the key {key!r}: a split by moments needs validate_from and test_from.")
        if not (min(self.validate_share, self.test_share) >= 0 and self.validate_share + self.test_share < 1):
            raise RecipeError(
                f"split.validate_share is {self.validate_share:g} and split.test_share {self.test_share:g}: shares are "
                "0 or more, and less than 1 together, for example 0.1 and 0.1."
            )
        if "a column" in ways:
            self._check_values()

    def _check_values(self) -> None:
        if not (self.column and self.train and (self.validate or self.test)):
            raise RecipeError(
                "A split by a column needs split.column, the values that train, and some that validate or test, for "
                "example split: {column: fold, train: [0, 1, 2], validate: [3], test: [4]}."
            )
        named = [(value, name) for name in ("train", "validate", "test") for value in getattr(self, name)]
        for i, (value, name) in enumerate(named):
            if other := [before for same, before in named[:i] if same == value]:
                raise RecipeError(f"split.{other[0]} and split.{name} both name {value!r}; a row is in one split.")

    @property
    def columns(self) -> set[str]:
        """Columns of the log that decide; rows with them are split, so that new rows need none."""
        return {self.leave_one_out, self.column} - {""}

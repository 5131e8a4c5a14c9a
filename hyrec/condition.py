"""One comparison of a column with a value: how recipes and schemas write it, everywhere."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, cast, get_args

import numpy as np
from numpy.typing import NDArray

Comparison = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]
_TOKEN = re.compile(r"""\s*('[^']*'|"[^"]*"|==|!=|<=|>=|[<>=]|[\[\],]|[^\s\[\],'"=!<>]+|\S)""")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NAME = re.compile(r"\w[\w.-]*")
_CONSTANTS = {"true": True, "false": False}
_FORM = "Write COLUMN, COLUMN OP VALUE or COLUMN in [VALUE, ...], for example play_time_ms >= 10000; OP is one of "
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""What compares with one value; ``in`` and ``not in`` are for each library to say."""


@dataclass(frozen=True)
class Condition:
    """One comparison of a column with a value. A missing value fulfils no condition.

    It may be written as text: ``is_click`` (which is ``is_click == 1``), ``play_time_ms >= 10000``, ``tab in [1, 2]``,
    ``state == 'sold'``. A column with other characters than letters, digits, ``_``, ``.`` and ``-`` stands in quotes.

    Args:
        column: Column of the log, or ``table.column``.
        op: The comparison.
        value: What the column is compared with; a list for ``in`` and ``not in``.
    """

    column: str
    op: Comparison = "=="
    value: Any = 1

    @classmethod
    def from_text(cls, text: str) -> Condition:
        """Read a condition that is written as text; nothing of it is run.

        Raises:
            ValueError: For anything else, with what to write.

        Example:
            >>> Condition.from_text("tab not in [1, 'home']")
            Condition(column='tab', op='not in', value=[1, 'home'])
        """
        return _Reader(text).condition()

    def __str__(self) -> str:
        column = self.column if _is_name(self.column) else _quoted(self.column)
        if (self.op, self.value) == ("==", 1) and self.value is not True:
            return column
        values = [_written(value) for value in self.value] if isinstance(self.value, list) else None
        return f"{column} {self.op} {_written(self.value) if values is None else '[' + ', '.join(values) + ']'}"

    def of_numbers(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which numbers fulfil it, as they are compared in their own type."""
        if self.op in ("in", "not in"):
            return np.isin(values, self.value, invert=self.op == "not in")
        fulfilled: NDArray[np.bool_] = COMPARISONS[self.op](values, self.value)
        return fulfilled


class _Reader:
    """Reads the tokens of a text one after another."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _TOKEN.findall(text)

    def condition(self) -> Condition:
        column = self._column()
        if not self.tokens:
            return Condition(column)
        op = self._op(column)
        value = self._values(column, op) if op in ("in", "not in") else self._value(column, op)
        if self.tokens:
            if self.tokens[0].lower() in ("and", "or", "&", "&&", "|", "||", ","):
                self._refuse(
                    f"goes on with {self.tokens[0]!r}: it is one comparison. Several are a list, of which all have to "
                    "hold; for one of several values write COLUMN in [VALUE, ...]"
                )
            self._refuse(f"ends with {' '.join(self.tokens)!r}, which is too much")
        return Condition(column, op, value)

    def _column(self) -> str:
        if not self.tokens:
            self._refuse("is empty")
        token = self.tokens.pop(0)
        if token[0] in "'\"" and len(token) > 2:
            return str(token[1:-1])
        if token.lower() == "not":
            self._refuse("begins with 'not': name the value that is meant, as is_click == 0 or tab not in [1]")
        if not _is_name(token):
            self._refuse(f"begins with {token!r}, which is no column; it comes first, in quotes if it is an odd name")
        return str(token)

    def _op(self, column: str) -> Comparison:
        op = self.tokens.pop(0)
        if op == "not" and self.tokens[:1] == ["in"]:
            op = f"not {self.tokens.pop(0)}"
        if op == "=":
            self._refuse(f"has '=': write {column} == {' '.join(self.tokens) or 'VALUE'}")
        if op not in get_args(Comparison):
            self._refuse(f"has {op!r} after the column {column!r}")
        return cast(Comparison, op)

    def _value(self, column: str, op: str) -> Any:
        if not self.tokens:
            self._refuse(f"ends with {op!r} and has no value")
        token = self.tokens.pop(0)
        if token == "[":
            self._refuse(f"compares by {op!r} with a list, which goes with in: {column} in [...]")
        return self._constant(token, f"{column} {op}")

    def _values(self, column: str, op: str) -> list[Any]:
        if self.tokens[:1] != ["["]:
            self._refuse(f"has no list after {op!r}: write {column} {op} [{' '.join(self.tokens) or 'VALUE'}]")
        self.tokens.pop(0)
        values: list[Any] = []
        while self.tokens and self.tokens[0] != "]":
            values.append(self._constant(self.tokens.pop(0), f"{column} {op} [..., "))
            if self.tokens[:1] == [","]:
                self.tokens.pop(0)
            elif self.tokens[:1] != ["]"]:
                break
        if self.tokens[:1] != ["]"] or not values:
            self._refuse("has a list that is empty or does not end: write [1, 2] or ['home', 'search']")
        self.tokens.pop(0)
        return values

    def _constant(self, token: str, before: str) -> Any:
        if token[0] in "'\"" and len(token) > 1:
            return token[1:-1]
        if token.lower() in _CONSTANTS:
            return _CONSTANTS[token.lower()]
        if token.lower() in ("null", "none", "nan", "~"):
            self._refuse(f"compares with {token!r}: a missing value fulfils no condition")
        if token in ("'", '"'):
            self._refuse("has a quote that does not end")
        if not _NUMBER.fullmatch(token):
            self._refuse(f"compares with {token!r}: text stands in quotes, as {before.rstrip('[., ')} {_quoted(token)}")
        return int(token) if re.fullmatch(r"[+-]?\d+", token) else float(token)

    def _refuse(self, problem: str) -> NoReturn:
        raise ValueError(f"the condition {self.text!r} {problem}. {_FORM}{', '.join(get_args(Comparison))}.")


def _is_name(text: str) -> bool:
    is_word = text.lower() in ("not", "in", "and", "or", *_CONSTANTS)
    return bool(_NAME.fullmatch(text)) and not is_word and not _NUMBER.fullmatch(text)


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else repr(value)

"""What one column seems to hold: ids, lists of ids, numbers, times, or nothing that a model reads."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import polars as pl

from hyrec.data.moments import UNITS, misfit, parse_iso

_WORDS = """
user: user uid member customer visitor account student learner client buyer reader reviewer viewer subscriber person
user: player device
item: item iid video movie film product article ad doc document news photo note song track sku goods listing post
item: creative book problem question hotel offer content game app candidate asin adgroup campaign
request: request req session impression search srch query slate pv pageview visit
outcome: click clicks clicked clk like liked likes follow followed comment comments forward share shared hate dislike
outcome: buy bought purchase purchased conversion convert converted cart fav favorite favourite collect collected
outcome: install installed finish finished complete completed view viewed enter entered play played watch watched
outcome: dwell stay spent rating rate score stars overall correct response label target reward revenue gmv paid
outcome: skip skipped engaged y
time: time timestamp ts datetime date at created when moment
id: id ids code type category cat tab channel zone region zip zipcode class cluster brand level
number: num count cnt price amount age duration length len size width height days hours minutes seconds ms year
number: score rate ratio pct percent avg mean sum total value distance weight income number
calendar: hour hourmin min minute date day dt weekday week month
place: position pos rank
prose: title name query text description desc caption headline subject
"""


def _of(kind: str) -> frozenset[str]:
    lines = [line.partition(": ") for line in _WORDS.strip().splitlines()]
    return frozenset(word for name, _, rest in lines if name == kind for word in rest.split())


USER, ITEM, REQUEST, OUTCOME = _of("user"), _of("item"), _of("request"), _of("outcome")
"""Words in the names of columns."""
_TIME, _ID, _NUMBER, _CALENDAR, _PLACE = _of("time"), _of("id"), _of("number"), _of("calendar"), _of("place")
_PROSE = _of("prose")
_ID_ITSELF, _DESCRIBES = {"id", "hash", "key", "uuid", "code", "number", "no"}, _ID - {"id", "ids", "code"}
LABELS = (
    {"label", "target", "y"},
    {"click", "clicked", "clicks", "clk"},
    {"correct", "response", "rating", "overall", "stars", "score", "rate", "like", "liked", "likes"},
    {"purchase", "purchased", "buy", "bought", "conversion", "converted", "install"},
    {"watched", "completed", "complete", "finished"},
)
"""Words in names of labels, the likeliest first."""
_DECIMAL_COMMA = r"^\s*-?\d{1,3}(\.?\d{3})*,\d\d\s*$"
FRACTIONS = "times with fractions of a second: store whole numbers of ms or us"
_SEPARATORS = ("|", ";", "^", ",", " ")
_SMALL = 50

Kind = Literal["id", "multi_id", "dense", "time", "day", "none"]


@dataclass(frozen=True)
class Guess:
    """What a column seems to hold.

    Args:
        kind: As of a feature; ``time``, ``day``, or ``none`` for what is left out.
        why: In a few words.
        sure: Whether nothing else comes into question.
        separator: Of ``multi_id`` in a text.
        unit: Of ``time``; of a timestamp or text ``us``. Of ``day`` where it is a number.
        distinct: Values in the sample.
    """

    kind: Kind
    why: str
    sure: bool = True
    separator: str = ""
    unit: str = ""
    distinct: int = 0


def words(name: str) -> set[str]:
    """Return the words of a name: ``lastClickTime_ms`` has ``last``, ``click``, ``time`` and ``ms``, ``itemid`` two."""
    found = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name.partition(":")[0])}
    joined = {word[:-2] for word in found if word.endswith("id")} & (USER | ITEM | REQUEST)
    singular = {word[:-1] for word in found if word.endswith("s")} & (USER | ITEM)
    return found | singular | joined | ({"id"} if joined else set())


def is_named(name: str, vocabulary: Collection[str]) -> bool:
    """Whether a name is that of an id of the vocabulary's kind: ``user_id``, ``user``, but not ``user_level``."""
    own = words(name)
    others = own - {*vocabulary} - _ID_ITSELF - {f"{word}id" for word in vocabulary}
    return bool(own & {*vocabulary}) and ("id" in own or not others) and not own & _DESCRIBES


def is_binary(values: pl.Series) -> bool:
    """Whether a column holds two values, 0 and 1 or false and true."""
    if values.dtype == pl.Boolean:
        return values.n_unique() - (values.null_count() > 0) == 2
    known = values.drop_nulls()
    return known.dtype.is_numeric() and known.n_unique() == 2 and known.min() == 0 and known.max() == 1


def share(mask: pl.Series) -> float:
    """Return the share of the entries that are true."""
    known = mask.fill_null(False).to_numpy()
    return float(known.mean()) if len(known) else 0.0


def guess(values: pl.Series) -> Guess:
    """Say what a column seems to hold, by its name and a sample of its values."""
    known, name = values.drop_nulls(), words(values.name)
    if not len(known):
        return Guess("none", "it is empty")
    if known.dtype.is_nested():
        inner = getattr(known.dtype, "inner", None)
        if inner is not None and (inner.is_integer() or inner == pl.String):
            return Guess("multi_id", "lists")
        return Guess("none", f"{known.dtype} is no list of ids")
    distinct = known.n_unique()
    if distinct == 1 and not values.null_count():
        return Guess("none", "it holds one value")
    if isinstance(known.dtype, pl.Datetime):
        return Guess("time", "timestamps", unit="us", distinct=distinct)
    if known.dtype == pl.Date:
        return Guess("day", "dates", distinct=distinct)
    if known.dtype == pl.String:
        return _text(known, name, distinct)
    if known.dtype == pl.Boolean:
        return Guess("id", "true or false", distinct=distinct)
    if not known.dtype.is_numeric():
        return Guess("none", f"{known.dtype} is neither number nor text")
    if (found := _moment(known, name, distinct)) is not None:
        return found
    return _number(known, name, distinct)


def declared(values: pl.Series, kind: Kind, separator: str = "") -> Guess:
    """Return what a column is said to hold, unless it holds nothing that could tell rows apart."""
    distinct = values.drop_nulls().n_unique()
    if kind == "none" or distinct + (values.null_count() > 0) < 2:
        return Guess("none", "a list of numbers, which recipes do not read" if kind == "none" else "it holds one value")
    return Guess(kind, "", separator=separator, distinct=distinct)


def _text(known: pl.Series, name: set[str], distinct: int) -> Guess:
    head = known.head(1000)
    if all(parse_iso(text) is not None for text in head):
        is_day = (head.str.len_chars() == 10).all() or head.str.contains(r"^\d{8}$").all()
        return Guess("day", "days", distinct=distinct) if is_day else Guess("time", "ISO times", unit="us")
    if known.str.contains(_DECIMAL_COMMA).all():
        why = f"numbers with a decimal comma, as {known[0]}: write a point"
        return Guess("none", why, sure=False, distinct=distinct)
    is_range = share(known.str.contains(r"^[\[(].*[\])]$"))
    for between in _SEPARATORS if is_range < 0.05 else ():
        parts = known.str.split(between).list.len()
        if share(parts > 1) < 0.05 or (name & _PROSE and (between == "," or distinct <= _SMALL)):
            continue
        entries = known.str.split(between).explode().str.strip_chars()
        recur = entries.n_unique() / len(entries)
        if recur <= (0.2 if between == " " else 0.5) and share(entries.str.len_chars() <= 20) > 0.9:
            return Guess("multi_id", f"joined by {between!r}", separator=between, distinct=entries.n_unique())
    if distinct > 0.9 * len(known) and len(known) > _SMALL:
        return Guess("none", "nearly every row has a text of its own", distinct=distinct)
    return Guess("id", f"text, {distinct:,} values", distinct=distinct)


def _moment(known: pl.Series, name: set[str], distinct: int) -> Guess | None:
    whole = known.cast(pl.Int64, strict=False)
    if whole.null_count() or not (whole == known).all():
        is_time = name & _TIME and not (name & OUTCOME or misfit(known.to_numpy(), "s", "")[0])
        return Guess("none", FRACTIONS, distinct=distinct) if is_time else None
    if whole.is_between(19_900_101, 21_001_231).all():
        days = whole.cast(pl.String).str.to_date("%Y%m%d", strict=False)
        return None if days.null_count() else Guess("day", "days as 20220503", unit="day", distinct=distinct)
    fitting = [unit for unit in UNITS if not misfit(whole.to_numpy(), unit, "")[0]]
    if fitting and (name & _TIME or (fitting[0] != "s" and not name & _ID)):
        named = "named like a time" if name & _TIME else "in the range of times"
        return Guess("time", f"{named}, in {fitting[0]}", bool(name & _TIME), unit=fitting[0], distinct=distinct)
    return None


def _number(known: pl.Series, name: set[str], distinct: int) -> Guess:
    if known.dtype.is_float() and not (known.fill_nan(None).drop_nulls().floor() == known.fill_nan(None)).all():
        return Guess("dense", "numbers with fractions", distinct=distinct)
    if name & _CALENDAR and distinct <= 2400:
        return Guess("none", "hour and weekday come from the time", distinct=distinct)
    if name & _PLACE:
        return Guess("none", "a position is known only after ranking", sure=False, distinct=distinct)
    if name & (_ID | USER | ITEM | REQUEST) and not name & _NUMBER:
        return Guess("id", "named like an id", distinct=distinct)
    if name & _NUMBER and distinct > 2:
        return Guess("dense", "named like a number", distinct=distinct)
    if distinct <= _SMALL:
        return Guess("id", f"{distinct} whole numbers", distinct=distinct)
    low, high = map(int, (known.min(), known.max()))  # type: ignore[arg-type]
    if low in (0, 1) and distinct > 0.5 * (high - low + 1):
        return Guess("id", f"nearly all of {low} to {high}", sure=False, distinct=distinct)
    return Guess("dense", f"{distinct:,} whole numbers", sure=False, distinct=distinct)

"""Each rule about data sets is proven by a data set that breaks it and nothing else."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from hyrec.batch import Batch
from hyrec.data.base import RankingData
from hyrec.data.parquet.policy import DataError
from hyrec.data.simulated import SimulatedData
from hyrec.data.simulation.spec import SimulatorSpec
from hyrec.schema import Schema
from hyrec.testing import ContractError, check_data
from hyrec.testing.class_contract import CLASS_RULES
from hyrec.testing.data_contract import DATA_RULES

SPEC = SimulatorSpec(num_requests=300)
SCHEMA = SimulatedData.make_schema(SPEC)


@pytest.fixture(autouse=True, scope="module")
def _forget_broken_classes() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


class Small(SimulatedData):
    """Read a small simulated log.

    Args:
        schema: What the data is.
        cache_dir: Where it is kept.
    """

    def __init__(self, schema: Schema, cache_dir: str) -> None:
        super().__init__(schema, SPEC, cache_dir)


class Changed:
    """A loader whose batches are changed on the way."""

    def __init__(self, loader: Any, change: Callable[[Batch], Any]) -> None:
        self.loader, self.change = loader, change

    def __iter__(self) -> Iterator[Any]:
        return map(self.change, self.loader)


def with_batches(change: Callable[[Batch], Any]) -> type[RankingData]:
    class Broken(Small):
        __doc__ = Small.__doc__

        def loader(self, split: Any) -> Any:
            return Changed(super().loader(split), change)

    return Broken


def feature(name: str, change: Callable[[Any], Any]) -> Callable[[Batch], Batch]:
    return lambda b: dataclasses.replace(b, features={**b.features, name: change(b.features[name])})


def label(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Batch], Batch]:
    return lambda b: dataclasses.replace(b, labels={"click": change(b.labels["click"])})


def events(**changes: Callable[[Any], Any]) -> Callable[[Batch], Batch]:
    def change(batch: Batch) -> Batch:
        old = batch.sequences["clicks"]
        new = dataclasses.replace(old, **{key: make(getattr(old, key)) for key, make in changes.items()})
        return dataclasses.replace(batch, sequences={**batch.sequences, "clicks": new})

    return change


def without_train() -> type[RankingData]:
    class Broken(Small):
        __doc__ = Small.__doc__

        def has(self, split: Any) -> bool:
            return bool(split != "train" and super().has(split))

    return Broken


def undocumented() -> type[RankingData]:
    class Broken(Small):
        """Read a small simulated log."""

    return Broken


def abstract() -> type[RankingData]:
    class Broken(RankingData):
        """Read nothing.

        Args:
            schema: What the data is.
        """

    return Broken


def forgets_its_order() -> type[RankingData]:
    class Broken(Small):
        __doc__ = Small.__doc__

        calls = 0

        def loader(self, split: Any) -> Any:
            type(self).calls += 1
            return Changed(super().loader(split), label(lambda y: y.roll(self.calls)))

    return Broken


def scans_backwards() -> type[RankingData]:
    class Broken(Small):
        __doc__ = Small.__doc__

        def scan(self, *args: Any, **kwargs: Any) -> Iterator[Batch]:
            for batch in super().scan(*args, **kwargs):
                yield label(lambda y: y.flip(0))(batch)

    return Broken


def scans_everything() -> type[RankingData]:
    class Broken(Small):
        __doc__ = Small.__doc__

        def scan(self, split: Any, columns: Any = None, *, sequences: Any = ()) -> Iterator[Batch]:
            yield from super().scan(split)

    return Broken


def loses_ids() -> type[RankingData]:
    class Broken(Small):
        __doc__ = Small.__doc__

        def id_columns(self, split: Any, rows: Any) -> Any:
            return super().id_columns(split, rows).slice(1)

    return Broken


BROKEN: list[tuple[str, Callable[[], type[RankingData]]]] = [
    ("docstring", undocumented),
    ("signature", abstract),
    ("builds", without_train),
    ("batches", lambda: with_batches(lambda b: b.labels)),
    ("batches", lambda: with_batches(feature("item_id", lambda v: v + 10**6))),
    ("batches", lambda: with_batches(feature("item_id", lambda v: v.int()))),
    ("batches", lambda: with_batches(feature("price", lambda v: v[:, 0]))),
    ("batches", lambda: with_batches(feature("price", lambda v: v / 0))),
    ("batches", lambda: with_batches(feature("topics", lambda v: v.values))),
    ("batches", lambda: with_batches(feature("tags", lambda v: dataclasses.replace(v, weights=None)))),
    ("batches", lambda: with_batches(lambda b: dataclasses.replace(b, sequences={}))),
    ("batches", lambda: with_batches(events(max_length=lambda n: 1))),
    ("batches", lambda: with_batches(events(time=lambda t: None))),
    ("batches", lambda: with_batches(events(offsets=lambda o: o[:-1]))),
    ("batches", lambda: with_batches(events(features=lambda f: {}))),
    ("batches", lambda: with_batches(events(features=lambda f: {n: v[:, None] for n, v in f.items()}))),
    ("labels", lambda: with_batches(label(lambda y: 2 * y))),
    ("labels", lambda: with_batches(label(lambda y: y * float("nan")))),
    ("histories", lambda: with_batches(events(time=lambda t: -t))),
    ("histories", lambda: with_batches(events(time=lambda t: t + 1e9))),
    ("repeatable", forgets_its_order),
    ("scan", scans_backwards),
    ("scan", scans_everything),
    ("id_columns", loses_ids),
    ("id_columns", lambda: with_batches(lambda b: dataclasses.replace(b, row=None))),
]


def test_a_data_set_that_obeys_passes_every_rule(cache: Path) -> None:
    assert {result.status for result in check_data(Small, schema=SCHEMA, cache_dir=str(cache))} == {"passed"}


@pytest.mark.parametrize(("rule", "make"), BROKEN, ids=[f"{rule}-{i}" for i, (rule, _) in enumerate(BROKEN)])
def test_a_data_set_that_breaks_one_rule_fails_that_rule_only(
    rule: str, make: Callable[[], type[RankingData]], cache: Path
) -> None:
    results = check_data(make(), schema=SCHEMA, raise_on_failure=False, cache_dir=str(cache))
    failed = {r.rule for r in results if r.status == "failed"}
    assert failed == {rule}, "\n".join(map(str, results))


def test_every_rule_is_proven_by_a_broken_data_set() -> None:
    assert {rule.name for rule in (*CLASS_RULES, *DATA_RULES)} == {rule for rule, _ in BROKEN}


def test_a_broken_rule_raises_with_what_was_observed(cache: Path) -> None:
    with pytest.raises(ContractError, match=r"labels: failed(.|\n)*values other than 0, 1 and NaN"):
        check_data(with_batches(label(lambda y: 2 * y)), schema=SCHEMA, cache_dir=str(cache))


class Absent(Small):
    """Read what is not there.

    Args:
        schema: What the data is.
        cache_dir: Where it is kept.
    """

    def prepare_data(self) -> None:
        raise DataError("the file is gone")


def test_data_that_cannot_be_read_fails_unless_it_may_be_missing(cache: Path) -> None:
    with pytest.raises(ContractError, match="the file is gone"):
        check_data(Absent, schema=SCHEMA, cache_dir=str(cache))
    results = {r.rule: r for r in check_data(Absent, schema=SCHEMA, may_be_missing=True, cache_dir=str(cache))}
    assert results["docstring"].status == "passed"
    assert "the file is gone" in results["builds"].observed
    assert {results[rule.name].status for rule in DATA_RULES} == {"skipped"}


@pytest.mark.parametrize("thing", [dict, 3])
def test_only_data_classes_are_checked(thing: Any) -> None:
    with pytest.raises(TypeError, match="takes a subclass of"):
        check_data(thing, schema=SCHEMA)

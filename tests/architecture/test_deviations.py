"""What departs from a paper says so where it does, and a test holds it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMENT = re.compile(r"(?:^ *#.*\n)+", re.MULTILINE)
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}
DEVIATIONS = [
    (str(path.relative_to(ROOT)), re.sub(r"\s*\n *# ?", " ", found.group()).strip())
    for path in sorted((ROOT / "hyrec").rglob("*.py"))
    for found in COMMENT.finditer(path.read_text(encoding="utf-8"))
    if "Deviation:" in found.group()
]


def test_the_best_known_deviations_are_marked() -> None:
    marked = {name for name, _ in DEVIATIONS}
    assert marked >= {"hyrec/mixers/rankmixer.py", "hyrec/decoders/cross_attention.py", "hyrec/network.py"}


@pytest.mark.parametrize(("path", "comment"), DEVIATIONS, ids=[path for path, _ in DEVIATIONS])
def test_every_deviation_names_a_test_that_exists(path: str, comment: str) -> None:
    named = re.findall(r"Pinned by (test_\w+)", comment)
    assert len(named) == comment.count("Deviation:"), f"{path}: {comment}"
    assert TESTS.issuperset(named), f"{path}: {comment}"

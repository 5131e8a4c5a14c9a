"""The tour of CONTRIBUTING knows every room."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOUR = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Tour of the tree")[2].partition("### ")[0]
NAMED = {name for quoted in re.findall(r"`([^`]+)`", TOUR) for name in re.findall(r"[\w.]+", quoted)}


def test_it_names_every_module_and_folder_of_the_package() -> None:
    inside = [
        path.name for path in (ROOT / "hyrec").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    ]
    assert [name for name in sorted(inside) if not name.startswith("__") and name not in NAMED] == []


def test_it_names_no_module_that_is_gone() -> None:
    files = {path.name for path in (ROOT / "hyrec").rglob("*.py")} | {
        path.name for path in (ROOT / "docs").rglob("*.py")
    }
    assert [name for name in sorted(NAMED) if name.endswith(".py") and name not in files] == []

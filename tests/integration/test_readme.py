"""The README's Python runs as it is printed."""

import re
from pathlib import Path

import numpy as np
import pytest

from hyrec.cli.main import main

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def code():
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    return block


def test_the_python_of_the_readme_trains_and_scores(code, tmp_path, monkeypatch):
    assert len(code.strip().splitlines()) <= 15
    monkeypatch.chdir(tmp_path)
    assert main(["data", "simulate", "--out", "log", "--num_requests", "500"]) == 0
    namespace = {}
    exec(compile(code, str(README), "exec"), namespace)
    assert set(namespace["logits"]) == {"click"}
    assert namespace["logits"]["click"].shape == (namespace["batch"].num_samples,)
    scores = namespace["scores"]
    assert scores.num_rows == namespace["new"]["item_id"].list.len().sum()
    assert np.isfinite(scores["score_click"].to_numpy()).all()
    assert {"request_id", "item_id", "row", "label_click"} <= set(scores.column_names)

"""The table of model configs in configs/README.md tells what the reports tell."""

from pathlib import Path

import pytest

from benchmarks.configs_table import MODELS, measured_columns, reached
from hyrec.config.shipped import shipped_configs

README = Path(__file__).parents[2] / "configs" / "README.md"


def test_a_report_is_read_by_metric_and_variant():
    report = """
| Variant | Verdict | auc | Seeds |
| --- | --- | ---: | ---: |
| `hyformer` | baseline | 0.7531 ± 0.0005 | 5 |
| `rankmixer` | **better** | 0.7540 ± 0.0008 | 5 |

| Variant | At the end | Last step |
| --- | ---: | ---: |
| `hyformer` | 0.7575 | 263 |
"""
    assert reached(report) == {("auc", "hyformer"): "0.7531 ± 0.0005", ("auc", "rankmixer"): "0.7540 ± 0.0008"}


@pytest.mark.parametrize("name", MODELS)
def test_the_table_has_the_metrics_of_the_reports(name):
    (row,) = (line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}.yaml`"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[4:] == [column[name] for _, column in measured_columns()]


def test_every_model_config_that_fits_any_data_is_in_the_table():
    shipped = {name.removeprefix("pkg:hyrec/").removesuffix(".yaml") for name in shipped_configs()}
    special = {"debug"} | {name for name in shipped if name.startswith("taac")}
    assert {*MODELS} == {name for name in shipped if "/" not in name} - special

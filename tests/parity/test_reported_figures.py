"""Relative changes of AUC as the HyFormer paper prints them."""

from __future__ import annotations

import pytest

from hyrec.metrics.functional import relative_auc

HYFORMER_TABLE_1 = [(0.6472, -0.09), (0.6465, -0.20), (0.6481, 0.05), (0.6474, -0.06), (0.6468, -0.15)]
HYFORMER_TABLE_1 += [(0.6480, 0.03), (0.6483, 0.08), (0.6489, 0.17)]


@pytest.mark.parametrize(("auc", "percent"), HYFORMER_TABLE_1)
def test_relative_auc_is_the_one_that_hyformer_prints(auc: float, percent: float) -> None:
    assert round(100 * relative_auc(auc, 0.6478), 2) == percent

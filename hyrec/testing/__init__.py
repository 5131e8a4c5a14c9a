"""Tools for plugin authors: tiny schemas, random batches, and the contracts of components, data sets and metrics."""

from hyrec.sample_batch import random_batch
from hyrec.testing.batches import change_candidates, pad_batch, permute_samples, select_samples, tiny_schema
from hyrec.testing.class_contract import check_class
from hyrec.testing.contract import check_component, rules_of
from hyrec.testing.data_contract import check_data
from hyrec.testing.metric_contract import check_metric
from hyrec.testing.numeric import assert_close_at, relative_error, tolerance_of
from hyrec.testing.rules import ContractError, RuleResult
from hyrec.testing.setting import Setting

__all__ = [
    "ContractError",
    "RuleResult",
    "Setting",
    "assert_close_at",
    "change_candidates",
    "check_class",
    "check_component",
    "check_data",
    "check_metric",
    "pad_batch",
    "permute_samples",
    "random_batch",
    "relative_error",
    "rules_of",
    "select_samples",
    "tiny_schema",
    "tolerance_of",
]

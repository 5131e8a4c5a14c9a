"""Tools for testing components: tiny schemas, random batches, and the contract that every component obeys."""

from hyrec.testing.batches import (
    change_candidates,
    pad_batch,
    permute_samples,
    random_batch,
    select_samples,
    tiny_schema,
)
from hyrec.testing.contract import ContractError, check_component, rules_of
from hyrec.testing.numeric import assert_close_at, relative_error, tolerance_of
from hyrec.testing.rules import RuleResult
from hyrec.testing.setting import Setting

__all__ = [
    "ContractError",
    "RuleResult",
    "Setting",
    "assert_close_at",
    "change_candidates",
    "check_component",
    "pad_batch",
    "permute_samples",
    "random_batch",
    "relative_error",
    "rules_of",
    "select_samples",
    "tiny_schema",
    "tolerance_of",
]

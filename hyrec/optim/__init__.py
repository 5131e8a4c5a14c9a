"""Optimizers and schedules for models with sparse tables and dense layers."""

from hyrec.optim.combined import CombinedOptimizer
from hyrec.optim.rowwise_adagrad import RowWiseAdagrad
from hyrec.optim.schedule import Schedule

__all__ = ["CombinedOptimizer", "RowWiseAdagrad", "Schedule"]

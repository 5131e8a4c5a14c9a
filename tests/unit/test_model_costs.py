import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from hyrec.cli.inspect_command import ModelCLI
from hyrec.cli.lightning import HyrecCLI
from hyrec.inspection import inspect_ranker
from hyrec.loggers.costs import model_costs
from hyrec.ranker import Ranker

DEBUG = ["--config", "pkg:hyrec/debug.yaml", "--trainer.logger", "false"]


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    return HyrecCLI(DEBUG, run=False).model


def test_costs_are_those_that_inspect_prints(ranker: Ranker):
    cli = ModelCLI(DEBUG)
    lengths = {name: spec.max_length for name, spec in cli.model.schema.sequences.items()}
    assert isinstance(cli.mode, FakeTensorMode)
    report = inspect_ranker(cli.model, cli.mode, lengths=lengths, candidates=1, batch_size=8)
    costs = model_costs(ranker)
    assert report.flops_per_sample > 0
    assert costs == {name: getattr(report, name) for name in costs}
    assert set(costs) == {"dense_parameters", "sparse_parameters", "flops_per_sample"}


def test_counting_leaves_the_model_and_the_random_numbers_as_they_are(ranker: Ranker):
    ranker.train()
    before = {name: value.clone() for name, value in ranker.state_dict().items()}
    random = torch.get_rng_state()
    model_costs(ranker)
    assert ranker.training
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in ranker.state_dict().items())

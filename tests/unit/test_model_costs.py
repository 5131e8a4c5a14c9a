import pytest
import torch

from hyrec.config.experiment import Experiment
from hyrec.inspection import inspect_ranker, model_costs, without_memory
from hyrec.ranker import Ranker

DEBUG = ["--config", "pkg:hyrec/debug.yaml", "--trainer.logger", "false"]


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    return Experiment.parse(DEBUG).model()


def test_costs_are_those_that_inspect_prints(ranker: Ranker):
    with without_memory():
        shapes = Experiment.parse(DEBUG).model()
    lengths = {name: spec.max_length for name, spec in shapes.schema.sequences.items()}
    report = inspect_ranker(shapes, lengths=lengths, candidates=1, batch_size=8)
    costs = model_costs(ranker)
    assert report.flops_per_sample > 0
    for name in ("dense_parameters", "sparse_parameters", "flops_per_sample"):
        assert getattr(costs, name) == getattr(report, name)
    assert costs == model_costs(shapes)


def test_counting_leaves_the_model_and_the_random_numbers_as_they_are(ranker: Ranker):
    ranker.train()
    before = {name: value.clone() for name, value in ranker.state_dict().items()}
    random = torch.get_rng_state()
    model_costs(ranker)
    assert ranker.training
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in ranker.state_dict().items())

"""Several models as one."""

import pytest
import torch

from hyrec.config.experiment import Experiment
from hyrec.ensemble import Ensemble
from hyrec.sample_batch import random_batch
from hyrec.schema import Schema


@pytest.fixture(scope="module")
def members():
    """Models of two widths, one of which says the opposite of nothing."""
    made = []
    for width in (32, 64, 32):
        experiment = Experiment.parse(["--config", "pkg:hyrec/debug.yaml", "--seed_everything", str(width + len(made))])
        model = experiment.model(d_model=width).eval()
        with torch.no_grad():
            for parameter in model.network.head.parameters():
                parameter.mul_(4.0)
        made.append(model)
    return made


@pytest.mark.parametrize("average", ["probability", "logit"])
def test_the_score_is_the_mean_of_what_the_members_say(members, average):
    batch = random_batch(members[0].schema, num_requests=3)
    with torch.no_grad():
        found = Ensemble(members, average).predict_step(batch, 0)["click"]
        logits = [member(batch)["click"].double().tolist() for member in members]
    for score, own in zip(found.tolist(), zip(*logits, strict=True), strict=True):
        if average == "logit":
            expected = 1 / (1 + 2.718281828459045 ** -(sum(own) / 3))
        else:
            expected = sum(1 / (1 + 2.718281828459045**-x) for x in own) / 3
        assert score == pytest.approx(expected, rel=1e-12)


def test_no_member_is_refused():
    with pytest.raises(ValueError, match="needs one model or more"):
        Ensemble([])


def test_members_of_other_tasks_are_refused(members):
    other = Experiment.parse(["--config", "pkg:hyrec/debug.yaml"])
    schema = Schema.from_dict({**members[0].schema.to_dict(), "tasks": {"buy": {"column": "is_click"}}})
    model = other.model()
    model.schema = schema
    with pytest.raises(ValueError, match="all of the same tasks"):
        Ensemble([members[0], model])

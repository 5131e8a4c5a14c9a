"""Several trained models as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import lightning as L
import torch
from torch import Tensor, nn

from hyrec.batch import Batch
from hyrec.functional import probability
from hyrec.ranker import Ranker

Average = Literal["probability", "logit"]
"""What the members' scores are averaged as."""


class Ensemble(L.LightningModule):
    """Score with the mean of what several models say; all of them are in memory, and a batch is read once.

    Args:
        members: Trained models of one schema; they may differ in everything else.
        average: Whether probabilities are averaged, or logits: ``sigmoid(mean)``, in which a model that is sure counts
            for more.

    Raises:
        ValueError: For no member, and for members of other tasks.
    """

    def __init__(self, members: Sequence[Ranker], average: Average = "probability") -> None:
        super().__init__()
        tasks = [sorted(member.schema.tasks) for member in members]
        if not members or any(other != tasks[0] for other in tasks):
            raise ValueError(f"An ensemble needs one model or more, all of the same tasks; got tasks {tasks}.")
        self.members, self.average = nn.ModuleList(members), average
        self.primary_task = members[0].primary_task

    def setup(self, stage: str) -> None:
        """Let the members refuse a precision that would round times."""
        for member in self.members:
            assert isinstance(member, Ranker)
            member.trainer = self.trainer
            member.setup(stage)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return the mean prediction of every task in float64, ``{task: (B,)}``."""
        logits = [member(batch) for member in self.members]
        together = {task: torch.stack([own[task].double() for own in logits]) for task in logits[0]}
        if self.average == "logit":
            return {task: probability(logit.mean(0)) for task, logit in together.items()}
        return {task: probability(logit).mean(0) for task, logit in together.items()}


def with_weights(model: Ranker, path: str, checkpoint: dict[str, Any]) -> Ranker:
    """Return a model with the weights of a checkpoint, which it was built for.

    Raises:
        ValueError: For a checkpoint of another schema, with its path.
    """
    try:
        model.on_load_checkpoint(checkpoint)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    model.load_state_dict(checkpoint["state_dict"])
    return model

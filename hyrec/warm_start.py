"""A new run that begins with the weights of an earlier one, whose vocabularies may have grown since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning import Trainer

from hyrec.callbacks.table_reset import TableReset
from hyrec.fingerprint import changed_entries, differences
from hyrec.ranker import Ranker
from hyrec.saved_state import CheckpointError, refuse_other_weights
from hyrec.schema import Schema


def warm_start(model: Ranker, checkpoint: Mapping[str, Any]) -> None:
    """Give a model the weights of a checkpoint.

    Rows of ids that were there become the checkpoint's bit by bit, those of new ids stay as they are; optimizers,
    schedule and seed are those of the new run.

    Args:
        model: A new model, whose schema may be what ``hyrec data extend`` made of the checkpoint's.
        checkpoint: What :func:`hyrec.saved_state.read_checkpoint` returns.

    Raises:
        CheckpointError: For a checkpoint of another schema or model, with what differs.
    """
    saved, used = checkpoint.get("hyrec_schema") or {}, model.schema.to_dict()
    digests = saved.get("fingerprint", {})
    changed = changed_entries(_without_sizes(saved), _without_sizes(used))
    if differ := differences(model.schema.fingerprint, digests, grown=True):
        changed.append(differ)
    sizes = Schema.from_dict(saved).table_sizes if saved and not changed else {}
    grown = [table for table, size in model.schema.table_sizes.items() if sizes.get(table, size) != size]
    changed += [f"the size of {table}" for table in grown if not {table} <= {*digests} & {*model.schema.fingerprint}]
    if changed:
        raise CheckpointError(
            f"--warm_start: the checkpoint was trained with another schema: {'; '.join(changed)} differ. Take the "
            "schema of its run, or the one that 'hyrec data extend' made of the build that it was trained on."
        )
    own, weights = model.state_dict(), dict(checkpoint["state_dict"])
    for table in grown:
        name = f"network.tables.{model.network.tables.key(table)}.weight"
        if name in own and name in weights and own[name].shape[1:] == weights[name].shape[1:]:
            known = weights[name]
            weights[name] = torch.cat([known.to(own[name]), own[name][len(known) :]])
    refuse_other_weights(weights, own)
    model.load_state_dict(weights)


def refuse_reset(trainer: Trainer) -> None:
    """Refuse to draw the tables anew while training, when they come from an earlier run.

    Raises:
        CheckpointError: For a run of several epochs with a :class:`TableReset`.
    """
    if trainer.max_epochs != 1 and any(isinstance(callback, TableReset) for callback in trainer.callbacks):  # type: ignore[attr-defined]
        raise CheckpointError(
            "--warm_start: TableReset draws the tables anew with the second epoch, so that nothing of the checkpoint's "
            "would be left in them. Take --trainer.max_epochs 1, or leave that callback out."
        )


def _without_sizes(content: Any) -> Any:
    """Return a schema, as plain mappings, without the sizes of its vocabularies."""
    if isinstance(content, Mapping):
        return {key: _without_sizes(value) for key, value in content.items() if key != "vocab_size"}
    return content

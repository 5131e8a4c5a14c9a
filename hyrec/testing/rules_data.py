"""Rules about data: what may influence an output, and what must not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hyrec.backbones import AlternatingBackbone
from hyrec.embeddings import EmbeddingOptions, SequenceOptions
from hyrec.heads import MLPHead
from hyrec.network import Network, Parts
from hyrec.queries import GlobalQueries
from hyrec.sample_batch import random_batch
from hyrec.slots import Component, SequenceEncoder, UnifiedBlock
from hyrec.testing.batches import change_candidates
from hyrec.testing.cases import LENGTHS_WITH_EMPTY, REQUEST_SLOTS, Case, defined
from hyrec.testing.rules import SEQUENCE_SLOTS, Subject, broken, demand_equal, demand_finite, gradients, rule, run, skip
from hyrec.testing.setting import plain_decoder, plain_mixer
from hyrec.tokenizers import GroupedTokens

_ROW_SLOTS = ("tokenizer", "encoder", "queries", "decoder", "mixer", "block", "backbone", "head")


@rule("empty sequences give finite outputs and gradients", slots=SEQUENCE_SLOTS)
def empty_sequences(subject: Subject) -> None:
    """Run with some, then with only empty sequences."""
    component = subject.component()
    for lengths in (LENGTHS_WITH_EMPTY, (0, 0, 0, 0)):
        for grouped in (False, True) if subject.slot in REQUEST_SLOTS else (False,):
            case, what = subject.case(lengths=lengths, grouped=grouped), f"with sequences of {lengths} events"
            demand_finite(defined(run(component, case)), what)
            by_name, of_inputs = gradients(component, case)
            demand_finite({f"the gradient of {n}": g for n, g in by_name.items()}, what)
            demand_finite({f"the gradient of input {i}": g for i, g in enumerate(of_inputs)}, what)


@rule("spare rows and a longer max_length change no output and no gradient", slots=SEQUENCE_SLOTS)
def padding(subject: Subject) -> None:
    """Append spare rows of huge numbers and raise ``max_length``."""
    component, what = subject.component(), "with spare rows and a longer max_length"
    for lengths in subject.lengths():
        case = subject.case(lengths=lengths)
        padded = case.pad()
        demand_equal(defined(run(component, padded)), defined(run(component, case)), what)
        got = {f"the gradient of {n}": g for n, g in gradients(component, padded)[0].items()}
        want = {f"the gradient of {n}": g for n, g in gradients(component, case)[0].items()}
        demand_equal(got, want, what)


@rule("samples are independent: choosing or reordering them chooses or reorders the outputs", slots=_ROW_SLOTS)
def sample_independence(subject: Subject) -> None:
    """Compare a batch with some of its samples, and with all of them in another order."""
    component = subject.component()
    for lengths in subject.lengths():
        case = subject.case(lengths=lengths)
        whole = run(component, case)
        for what, rows in (("samples 2 and 0 alone", [2, 0]), ("samples in the order 3 1 0 2", [3, 1, 0, 2])):
            index = torch.tensor(rows)
            demand_equal(defined(run(component, case.select(index))), defined(whole, index), what)


@rule("the order of the samples does not change the loss", slots=("loss",))
def sample_order(subject: Subject) -> None:
    """Reorder the samples of a batch."""
    component, case = subject.component(), subject.case()
    got = run(component, case.select(torch.tensor([3, 1, 0, 2])))
    demand_equal(defined(got), defined(run(component, case)), "samples in the order 3 1 0 2")


@rule("R < B with request_of equals the expanded batch with R = B, in outputs and gradients", slots=REQUEST_SLOTS)
def request_expansion(subject: Subject) -> None:
    """Compare a grouped batch with its samples one by one, and with other orders of samples and requests."""
    component = subject.component()
    for lengths in subject.lengths():
        case = subject.case(lengths=lengths, grouped=True)
        every, order = torch.arange(case.num_samples), torch.arange(case.num_samples).flip(0)
        expanded, out = case.select(every), run(component, case)
        demand_equal(defined(out), defined(run(component, expanded)), "R < B against R = B")
        got, want = gradients(component, case)[0], gradients(component, expanded)[0]
        demand_equal(got, want, "gradients of R < B against R = B")
        permuted = defined(run(component, case.permute_samples(order)))
        demand_equal(permuted, defined(out, order), "samples of shared requests in another order")
        moved = defined(run(component, case.permute_requests(torch.tensor([2, 0, 3, 1]))))
        demand_equal(moved, defined(out), "requests in another order")


@rule(
    "encoders and the events of blocks give the same bits when only candidate features change",
    slots=("encoder", "block", "backbone"),
    needs=("runs", "shapes", "deterministic"),
)
def candidate_independence(subject: Subject) -> None:
    """Change what comes from the candidate and compare what every encoder returns."""
    first, second = _encoded_in_network(subject) if subject.slot == "encoder" else _encoded_alone(subject)
    if len(first) != len(second):
        broken(f"encoders ran {len(first)} times, and {len(second)} times for other candidates")
    for i, (want, got) in enumerate(zip(first, second, strict=True)):
        demand_equal(got, want, f"call {i} of an encoder, for other candidates", exact=True)


@rule(
    "a sample whose label is unknown (NaN) counts for nothing, and a batch of them has a finite loss", slots=("loss",)
)
def unknown_labels(subject: Subject) -> None:
    """Make labels unknown, change the logits behind them, and make all unknown."""
    component = subject.component()
    for grouped in (False, True):
        _demand_unknown_labels_count_for_nothing(component, subject.case(grouped=grouped))


def _demand_unknown_labels_count_for_nothing(component: Component, case: Case) -> None:
    logits, labels, *others = case.args
    hidden = torch.arange(case.num_samples) % 2 == 1
    partly = {task: label.masked_fill(hidden, float("nan")) for task, label in labels.items()}
    moved = {task: torch.where(hidden, logit + 3.0, logit) for task, logit in logits.items()}
    want, got = (
        defined(run(component, dataclasses.replace(case, args=(given, partly, *others)))) for given in (logits, moved)
    )
    demand_finite(want, "with some unknown labels")
    demand_equal(got, want, "with other logits at unknown labels")
    nothing = {task: torch.full_like(label, float("nan")) for task, label in labels.items()}
    case = dataclasses.replace(case, args=(logits, nothing, *others))
    demand_finite(defined(run(component, case)), "with unknown labels only")
    _, of_logits = gradients(component, case)
    demand_finite({f"the gradient of logits {i}": g for i, g in enumerate(of_logits)}, "with unknown labels only")


def _encoded_alone(subject: Subject) -> list[list[dict[str, Tensor]]]:
    """Change queries and the tokens that depend on the candidate; what else there is belongs to the request."""
    component, case = subject.component(), subject.case(grouped=True)
    changed = case.map(lambda tokens: 0.3 - 1.7 * tokens, sequence=lambda events: events)
    args, place = list(changed.args), 0 if subject.slot == "block" else 1
    tokens = case.args[place]
    dependent_T = torch.tensor(subject.context.candidate_dependent[-tokens.shape[1] :])
    args[place] = torch.where(dependent_T.unsqueeze(1), args[place], tokens)
    changed = dataclasses.replace(changed, args=tuple(args))
    return [_encoder_outputs(component, partial(run, component, c)) for c in (case, changed)]


def _encoded_in_network(subject: Subject) -> list[list[dict[str, Tensor]]]:
    setting, schema = subject.setting, subject.setting.schema
    if not any(schema.is_per_candidate(name) for name in schema.features):
        skip("the schema has no item or cross feature that could differ between candidates")

    encoder: Any = partial(subject.cls, **subject.init_args)
    backbone = partial(AlternatingBackbone, num_layers=2)
    parts = Parts(GroupedTokens, GlobalQueries, encoder, plain_decoder, plain_mixer, backbone, MLPHead)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Network(
            schema,
            setting.d_model,
            parts,
            embedding=EmbeddingOptions(dim=6),
            sequence=SequenceOptions(width=setting.d_sequence),
        ).eval()
    batch = random_batch(schema, num_requests=3, candidates=[2, 1, 3])
    batches = (batch, change_candidates(batch, schema))
    outputs = [_encoder_outputs(network, partial(network, b)) for b in batches]
    if not outputs[0]:
        broken("no encoder ran inside a network")
    return outputs


def _encoder_outputs(module: nn.Module, call: Callable[[], Any]) -> list[dict[str, Tensor]]:
    """Call, and return what every encoder, and of events every block, inside ``module`` returned, in order."""
    seen: list[dict[str, Tensor]] = []

    def note(part: nn.Module, _args: Any, output: Any) -> None:
        encoded = output[1] if isinstance(part, UnifiedBlock) else output
        seen.append({name: t.detach().clone() for name, t in defined(encoded).items()})

    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        for encoder in module.modules():
            if isinstance(encoder, (SequenceEncoder, UnifiedBlock)):
                stack.enter_context(encoder.register_forward_hook(note))
        torch.manual_seed(0)
        call()
    return seen

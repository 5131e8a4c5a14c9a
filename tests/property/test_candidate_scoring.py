"""Candidates that are scored against encoded requests get the scores that they get as rows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from hyrec import Ranker
from hyrec.backbones import AlternatingBackbone, TwoStageBackbone, UnifiedBackbone
from hyrec.batch import Batch, RequestMap, SequenceInput
from hyrec.blocks import SelfAttentionBlock
from hyrec.decoders import CrossAttentionDecoder
from hyrec.encoders import LongerEncoder, SwiGLUEncoder, TransformerEncoder
from hyrec.heads import MLPHead
from hyrec.losses import BCELoss
from hyrec.mixers import RankMixer
from hyrec.queries import GlobalQueries
from hyrec.sample_batch import random_batch, select_rows
from hyrec.testing import tiny_schema
from hyrec.tokenizers import GroupedTokens

SCHEMA = tiny_schema()
CANDIDATES = (3, 1, 4)
LENGTHS = {"clicks": (12, 0, 5), "searches": (2, 0, 7), "likes": (1, 0, 5)}
MODELS: dict[str, dict[str, Any]] = {
    "hyformer": {"backbone": AlternatingBackbone, "encoder": partial(LongerEncoder, num_recent=3)},
    "transformer": {"backbone": AlternatingBackbone, "encoder": partial(TransformerEncoder, expansion=1)},
    "two_stage": {"backbone": TwoStageBackbone, "encoder": SwiGLUEncoder},
    "unified": {"backbone": UnifiedBackbone, "encoder": SwiGLUEncoder, "block": SelfAttentionBlock},
}


def model(name: str = "hyformer", **options: Any) -> Ranker:
    torch.manual_seed(0)
    parts = {
        "tokenizer": GroupedTokens,
        "queries": GlobalQueries,
        "decoder": CrossAttentionDecoder,
        "mixer": RankMixer,
        "head": partial(MLPHead, features=True),
        "loss": BCELoss,
    }
    return Ranker(SCHEMA, d_model=32, pad_tokens=True, **parts, **MODELS[name], **options).double()


def rows() -> Batch:
    return random_batch(SCHEMA, num_requests=3, candidates=CANDIDATES, lengths=LENGTHS)


def apart(batch: Batch) -> tuple[Batch, Batch]:
    """Return the requests, a sample each, and the candidates without anything of the requests."""
    assert batch.request_of is not None
    per_candidate = SCHEMA.is_per_candidate
    first = torch.tensor([list(batch.request_of.index).index(r) for r in range(3)])
    own = {n: select_rows(v, first) for n, v in batch.features.items() if not per_candidate(n)}
    requests = Batch(own, batch.sequences, {}, num_samples=3, time=batch.time)
    features = {n: v for n, v in batch.features.items() if per_candidate(n)}
    return requests, Batch(features, {}, {}, batch.num_samples, RequestMap.from_index(batch.request_of.index, 3))


def expected(ranker: Ranker, batch: Batch) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        return ranker.eval().predict_step(batch, 0)


@pytest.mark.parametrize("name", MODELS)
def test_candidates_score_as_rows_do(name: str) -> None:
    ranker, batch = model(name), rows()
    requests, candidates = apart(batch)
    scores = ranker.score(ranker.encode(requests), candidates)
    for task, score in expected(ranker, batch).items():
        torch.testing.assert_close(scores[task], score, rtol=0, atol=1e-12)


def test_merged_sequences_score_as_rows_do() -> None:
    spec = SCHEMA.to_dict()
    for name in spec["sequences"]:
        spec["sequences"][name]["time_column"] = f"{name}_time"
    schema = type(SCHEMA).from_dict(spec)
    ranker = Ranker(
        schema, d_model=32, pad_tokens=True, merge_sequences=True, tokenizer=GroupedTokens, queries=GlobalQueries,
        decoder=CrossAttentionDecoder, mixer=RankMixer, head=MLPHead, loss=BCELoss, **MODELS["hyformer"],
    ).double()  # fmt: skip
    batch = random_batch(schema, num_requests=3, candidates=CANDIDATES, lengths=LENGTHS)
    requests, candidates = apart(batch)
    scores = ranker.score(ranker.encode(requests), candidates)
    torch.testing.assert_close(scores["click"], expected(ranker, batch)["click"], rtol=0, atol=1e-12)


def test_a_state_scores_one_candidate_as_it_scores_many() -> None:
    ranker = model()
    requests, candidates = apart(rows())
    state = ranker.encode(requests)
    together = ranker.score(state, candidates)["click"]
    assert candidates.request_of is not None
    for place in range(candidates.num_samples):
        one = torch.tensor([place])
        features = {name: select_rows(value, one) for name, value in candidates.features.items()}
        alone = Batch(features, {}, {}, 1, RequestMap.from_index(candidates.request_of.index[one], 3))
        torch.testing.assert_close(ranker.score(state, alone)["click"], together[one], rtol=0, atol=1e-12)


def test_the_only_request_needs_no_map() -> None:
    ranker = model()
    batch = random_batch(SCHEMA, num_requests=1, candidates=(4,), lengths={n: v[:1] for n, v in LENGTHS.items()})
    own = {n: select_rows(v, torch.tensor([0])) for n, v in batch.features.items() if not SCHEMA.is_per_candidate(n)}
    state = ranker.encode(Batch(own, batch.sequences, {}, num_samples=1, time=batch.time))
    features = {n: v for n, v in batch.features.items() if SCHEMA.is_per_candidate(n)}
    scores = ranker.score(state, Batch(features, {}, {}, num_samples=4))["click"]
    torch.testing.assert_close(scores, expected(ranker, batch)["click"], rtol=0, atol=1e-12)


def test_requests_that_share_events_score_as_rows_do() -> None:
    ranker, batch = model(), rows()
    _, candidates = apart(batch)
    own = {n: v for n, v in batch.features.items() if not SCHEMA.is_per_candidate(n)}
    state = ranker.encode(replace(batch, features=own))  # a sample a candidate, events once a request
    scores = ranker.score(state, replace(candidates, request_of=None))["click"]
    torch.testing.assert_close(scores, expected(ranker, batch)["click"], rtol=0, atol=1e-12)


def events_of(events: SequenceInput, until: int | None, since: int = 0) -> SequenceInput:
    """Return some events of every request, by their number from the oldest."""
    chosen, lengths = [], []
    for start, stop in zip(events.offsets[:-1].tolist(), events.offsets[1:].tolist(), strict=True):
        some = range(start, stop)[since:until]
        chosen += list(some)
        lengths.append(len(some))
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    time = None if events.time is None else events.time[chosen]
    return SequenceInput({n: v[chosen] for n, v in events.features.items()}, offsets, max([1, *lengths]), time)


def test_a_state_that_is_extended_equals_one_of_all_events() -> None:
    ranker = model()
    requests, candidates = apart(rows())
    early = {name: events_of(events, 2) for name, events in requests.sequences.items()}
    late = {name: events_of(events, None, 2) for name, events in requests.sequences.items()}
    before = replace(requests, sequences=early, time=requests.time - 3600)
    extended = ranker.extend(ranker.encode(before), late, requests.time)
    whole = ranker.score(ranker.encode(requests), candidates)["click"]
    torch.testing.assert_close(ranker.score(extended, candidates)["click"], whole, rtol=0, atol=0)


def test_an_extended_state_keeps_as_many_events_as_the_schema_allows() -> None:
    ranker = model()
    requests, _ = apart(rows())
    extended = ranker.extend(ranker.encode(requests), {"clicks": requests.sequences["clicks"]})
    assert extended.requests.sequences["clicks"].offsets.diff().tolist() == [12, 0, 10]


def test_the_cost_of_requests_does_not_grow_with_the_candidates() -> None:
    """FLOPs of a call are those of its candidates; those of the history are spent once, by ``encode``."""
    from torch.utils.flop_counter import FlopCounterMode

    ranker = model("transformer")
    requests, candidates = apart(rows())

    def flops(call: Any, *arguments: Any) -> int:
        with FlopCounterMode(display=False) as counter:
            call(*arguments)
        return int(counter.get_total_flops())

    state = ranker.encode(requests)
    index = candidates.request_of
    assert index is not None
    twice = torch.arange(candidates.num_samples).repeat(2)
    doubled = Batch(
        {n: select_rows(v, twice) for n, v in candidates.features.items()}, {}, {}, len(twice),
        RequestMap.from_index(index.index[twice], 3),
    )  # fmt: skip
    once, both = flops(ranker.score, state, candidates), flops(ranker.score, state, doubled)
    assert both == 2 * once
    assert once + flops(ranker.encode, requests) <= flops(ranker.predict_step, rows(), 0)


def test_a_model_stays_in_the_mode_that_it_is_in() -> None:
    ranker = model().train()
    requests, candidates = apart(rows())
    ranker.score(ranker.encode(requests), candidates)
    assert ranker.training


@pytest.mark.parametrize(("lost", "told"), [("user", "features of the requests lack user"), ("clicks", "lack clicks")])
def test_a_request_that_lacks_something_is_refused(lost: str, told: str) -> None:
    requests, _ = apart(rows())
    requests.features.pop(lost, None)
    requests.sequences.pop(lost, None)
    with pytest.raises(ValueError, match=told):
        model().encode(requests)


def test_candidates_of_other_requests_are_refused() -> None:
    ranker = model()
    requests, candidates = apart(rows())
    state = ranker.encode(requests)
    with pytest.raises(ValueError, match="The state holds 3 requests, and the 8 candidates come with no request_of"):
        ranker.score(state, replace(candidates, request_of=None))

"""HyFormer from raw features to the logits of ONE sample, in one straight line (arXiv 2601.12681)."""

from __future__ import annotations

import torch

from hyrec.batch import Batch
from hyrec.schema import Schema
from tests.references.embeddings import embed_events, embed_features
from tests.references.merging import merge_sequences
from tests.references.primitives import (
    Weights,
    attention_block,
    feed_forward,
    gelu,
    layer_norm,
    linear,
)


def hyformer(
    w: Weights,
    schema: Schema,
    batch: Batch,
    sample: int,
    *,
    d_model: int,
    num_layers: int,
    num_queries: int,
    num_heads: int,
    num_recent: int,
    num_buckets: int,
    merged: bool = False,
) -> dict[str, float]:
    """Score one sample.

    Semantic groups make NS tokens; queries come from all NS tokens and all pooled sequences. At each layer
    the recent events read the sequence causally (LONGER), the queries read the encoded events, and queries
    and NS tokens are mixed with one residual as printed. An MLP reads the concatenated queries. ``merged``: the
    sequences are one stream in order of time, which has the queries of all of them.
    """
    request = sample if batch.request_of is None else int(batch.request_of.index[sample])

    # 3.1 NS tokens, one a semantic group
    features = embed_features(w.at("tables"), schema, batch, sample)
    ns = []
    for group in schema.group_names:
        joined = torch.cat([features[name] for name in schema.features_of_group(group)])
        ns.append(layer_norm(w.at("tokenizer", "norm"), linear(w.at("tokenizer", "project", group), joined)))

    # 3.1 events
    sequences = {
        name: embed_events(w.at("sequences", name), w.at("tables"), schema, name, batch, request, num_buckets)
        for name in schema.sequences
    }

    # table 2, "merge sequences into one"
    if merged:
        num_queries *= len(sequences)
        times = {}
        for name in sequences:
            event_time, offsets = batch.sequences[name].time, batch.sequences[name].offsets.tolist()
            assert event_time is not None
            times[name] = event_time[offsets[request] : offsets[request + 1]].tolist()
        sequences = {"merged": merge_sequences(w.at("merging"), sequences, times)}

    # 3.2 queries
    pools = []
    for events in sequences.values():
        pool = torch.zeros(d_model, dtype=torch.float64)
        for event in events:
            pool = pool + event / len(events)
        pools.append(pool)
    queries = {}
    for name in sequences:
        info = layer_norm(w.at("queries", "norms", name), torch.cat([*ns, *pools]))
        queries[name] = [feed_forward(w.at("queries", "networks", name, i), info) for i in range(num_queries)]

    for layer in range(num_layers):
        at = w.at("backbone", "sequence_layers", "layers", layer)
        for name, events in sequences.items():
            # 3.3 the most recent events attend to everything that is not newer
            e = at.at("encoders", name)
            normed = [layer_norm(e.at("norm_attention"), event) for event in events]
            encoded = []
            for i in range(max(0, len(events) - num_recent), len(events)):
                x = events[i] + attention_block(e.at("attention"), normed[i], normed[: i + 1], num_heads)
                encoded.append(x + feed_forward(e.at("feedforward"), layer_norm(e.at("norm_feedforward"), x)))
            sequences[name] = encoded

            # 3.4 the queries of the sequence read it
            d = at.at("decoders", name)
            memory = [layer_norm(d.at("norm_memory"), event) for event in encoded]
            decoded = []
            for q in queries[name]:
                normed_q = layer_norm(d.at("norm_queries"), q)
                decoded.append(q + attention_block(d.at("attention"), normed_q, memory, num_heads))
            queries[name] = decoded

        # 3.5 boosting: slices of all tokens change places, each token has a network of its own; one residual
        tokens = [q for name in queries for q in queries[name]] + ns
        f = w.at("backbone", "mixers", "layers", layer, "mixer", "feedforward")
        part = d_model // len(tokens)
        boosted = []
        for h, token in enumerate(tokens):
            mixed = torch.cat([other[h * part : (h + 1) * part] for other in tokens])
            hidden = gelu(f["w1_TDK"][h].T @ mixed + f["b1_TK"][h])
            boosted.append(token + f["w2_TKD"][h].T @ hidden + f["b2_TD"][h])
        for s, name in enumerate(queries):
            queries[name] = boosted[s * num_queries : (s + 1) * num_queries]
        ns = boosted[len(queries) * num_queries :]

    # 3.6 the head
    final = layer_norm(w.at("head", "norm"), torch.cat([q for name in queries for q in queries[name]]))
    logits = {}
    for task in schema.tasks:
        tower = w.at("head", "towers", task)
        logits[task] = float(linear(tower.at("out"), gelu(linear(tower.at("hidden", 0), final))))
    return logits

"""DIN as published code builds it: embeddings of all fields, target attention, a network over everything."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from hyrec.batch import Batch, RequestMap, SequenceInput, expand_requests
from hyrec.embeddings.features import FeatureEmbeddings, buckets_of, pool_lists, table_of, transform_dense
from hyrec.embeddings.tables import EmbeddingOptions
from hyrec.nn.named import NamedModules
from hyrec.schema import PADDING_ID, Schema


class DIN(nn.Module):
    r"""Deep Interest Network (arXiv 1706.06978): candidates weigh the events of their history.

    Of every sequence, the fields whose tables a feature of the candidate (role ``item`` or ``cross``) shares are
    concatenated to :math:`k_j`, the candidate's to :math:`q`, and pooled with weights that are not normalised,

    .. math::
        \sum_j a(q, k_j)\, k_j, \qquad a(q, k) = \mathrm{MLP}([q;\, k;\, q - k;\, q \odot k]).

    Other fields of events are averaged. A network reads the concatenation of all this with the embeddings of all
    features and the transformed numbers.

    Args:
        schema: The data.
        dim: Width of every table.
        hidden: Hidden widths of the network.
        attention: Hidden width of the attention's network.
        init_std: Spread of the initial embeddings.
        batch_norm: Whether hidden layers are batch-normalised.

    Shape:
        Returns logits, ``(B,)``.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        dim: int = 16,
        hidden: tuple[int, ...] = (256, 128),
        attention: int = 64,
        init_std: float = 1e-4,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.tables = EmbeddingOptions(dim=dim, sparse=False).tables(schema)
        for table in self.tables.parameters():
            nn.init.normal_(table, std=init_std)
            table.data[PADDING_ID] = 0.0
        self.features = FeatureEmbeddings(schema, self.tables)
        self.interests = NamedModules({name: Interest(schema, name, dim, attention) for name in schema.sequences})
        interests = [self.interests[name] for name in schema.sequences]
        widths = [sum(self.features.widths.values()) + sum(i.width for i in interests if isinstance(i, Interest))]
        layers: list[nn.Module] = []
        for wide, narrow in itertools.pairwise([*widths, *hidden]):
            layers += [nn.Linear(wide, narrow), *([nn.BatchNorm1d(narrow)] if batch_norm else []), nn.ReLU()]
        self.mlp = nn.Sequential(*layers, nn.Linear(hidden[-1], 1))

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits."""
        embedded = self.features(batch, self.tables)
        interests = [
            self.interests[name](events, embedded, self.tables, batch.request_of)
            for name, events in batch.sequences.items()
        ]
        logits: Tensor = self.mlp(torch.cat([*embedded.values(), *interests], dim=1)).squeeze(1)
        return logits


class Interest(nn.Module):
    """What one sequence says of a candidate: target attention over shared fields, averages of the others.

    Args:
        schema: The data.
        sequence: Name of the sequence.
        dim: Width of every table.
        hidden: Hidden width of the attention's network.

    Shape:
        Returns ``(B, width)``; zeros for a request without events.
    """

    def __init__(self, schema: Schema, sequence: str, dim: int, hidden: int) -> None:
        super().__init__()
        self.fields = schema.sequences[sequence].features
        self.table_names = {name: schema.table_of(name, sequence) for name in self.fields}
        self.buckets = buckets_of(self.fields)
        candidate = {
            schema.table_of(name): name
            for name, feature in reversed(schema.features.items())
            if feature.is_embedded and schema.is_per_candidate(name)
        }
        embedded = [name for name, feature in self.fields.items() if feature.is_embedded]
        self.targets = {n: candidate[self.table_names[n]] for n in embedded if self.table_names[n] in candidate}
        self.others = [name for name in self.fields if name not in self.targets]
        shared = dim * len(self.targets)
        self.width = shared + sum(dim if name in embedded else 2 for name in self.others)
        if self.targets:
            self.first, self.score = nn.Linear(4 * shared, hidden), nn.Linear(hidden, 1)

    def forward(
        self, events: SequenceInput, embedded: dict[str, Tensor], tables: NamedModules, request_of: RequestMap | None
    ) -> Tensor:
        """Pool the events."""
        lengths, parts = events.offsets.diff(), []
        if self.targets:
            q_BD = torch.cat([embedded[name] for name in self.targets.values()], dim=1)
            k_ND = torch.cat([self._embed(name, events, tables) for name in self.targets], dim=1)
            parts.append(self._attend(q_BD, k_ND, events.offsets, request_of))
        if self.others:
            rows_NE = torch.cat([self._embed(name, events, tables) for name in self.others], dim=1)
            row_N = torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths)
            total = rows_NE.new_zeros(len(lengths), rows_NE.shape[1]).index_add(0, row_N, rows_NE)
            parts.append(expand_requests(total / lengths.clamp(min=1).unsqueeze(1), request_of))
        return torch.cat(parts, dim=1)

    def _attend(self, q_BD: Tensor, k_ND: Tensor, offsets: Tensor, request_of: RequestMap | None) -> Tensor:
        """Weigh every pair of a sample and an event of its request; P pairs."""
        lengths_B, begins_B = expand_requests(offsets.diff(), request_of), expand_requests(offsets[:-1], request_of)
        sample_P = torch.arange(len(q_BD), device=offsets.device).repeat_interleave(lengths_B)
        # The first layer, of [q; k; q - k; q * k], in parts: of every sample, of every event, of every pair.
        of_q, of_k, of_difference, of_product = self.first.weight.chunk(4, dim=1)
        query_BH = nn.functional.linear(q_BD, of_q + of_difference, self.first.bias)
        key_PH, k_PD = nn.functional.linear(k_ND, of_k - of_difference), k_ND
        if request_of is not None:
            begin_P = begins_B - (lengths_B.cumsum(0) - lengths_B)
            event_P = begin_P[sample_P] + torch.arange(len(sample_P), device=offsets.device)
            key_PH, k_PD = key_PH[event_P], k_ND[event_P]
        product_PH = nn.functional.linear(q_BD[sample_P] * k_PD, of_product)
        weight_P1 = self.score((query_BH[sample_P] + key_PH + product_PH).relu())
        return q_BD.new_zeros(q_BD.shape).index_add(0, sample_P, weight_P1 * k_PD)

    def _embed(self, name: str, events: SequenceInput, tables: NamedModules) -> Tensor:
        feature, values = self.fields[name], events.features[name][: int(events.offsets[-1])]
        if not feature.is_embedded:
            return transform_dense(feature, values.float().unsqueeze(1))
        table = table_of(tables, self.table_names[name])
        if feature.kind == "multi_id":
            return pool_lists(table, values)
        rows: Tensor = table(self.buckets[name](values) if feature.kind == "dense" else values)
        return rows

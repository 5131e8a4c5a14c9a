"""The contracts: one abstract base class a slot, with what goes in and what comes out.

A component is a subclass of one of these. Its constructor takes a :class:`~hyrec.context.BuildContext` first and
its own options as keywords; the class is checked when it is defined. What every component must obey on top of the
shapes below: it keeps dtype and device, padded and spare events never influence an output, an empty sequence gives
finite outputs and gradients, samples are independent of each other, and nothing on the user's side sees a candidate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor, nn

from hyrec.batch import RequestMap, Sequence, SequenceStates, Tokens
from hyrec.definition import broken_definition, check_constructor, check_docstring


class Component(nn.Module, ABC):
    """Base of everything that fills a slot of the network.

    Subclasses set these class attributes, which ``hyrec plugins list --components`` shows:

    Attributes:
        slot: Name of the slot; set by the slot's base class.
        paper: Where the component is specified, such as ``"arXiv 2601.12681 eq. 5"``.
        tags: Words to search by.
        status: ``stable`` or ``experimental``.
        figures: Names of the figures that it gives the open :func:`~hyrec.recording.recording`, if any.
    """

    slot: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    tags: ClassVar[tuple[str, ...]] = ()
    status: ClassVar[str] = "stable"
    figures: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Check the contract of a component when its class is defined."""
        super().__init_subclass__(**kwargs)
        if not cls.slot:
            raise broken_definition(cls, "it must derive from a slot's base class in hyrec.slots, not from Component.")
        check_docstring(cls)
        check_constructor(cls, "ctx: BuildContext", keyword_only=True)

    def reset_parameters(self) -> None:
        """Initialise the parameters that this module holds itself (not those of its sub-modules)."""

    def adapt(self) -> None:
        """Change what no gradient changes; called once in each step of training, when all gradients are there."""

    def idle_flops(self) -> float:
        """Return the FLOPs a sample that training computes forward and inference leaves out."""
        return 0.0


class Tokenizer(Component):
    """Turns embedded features into NS tokens.

    Shape:
        features: ``{name: (B, width)}``, widths as in ``ctx.feature_widths``.
        Returns ``(B, M, D)``, M = ``num_tokens``.
    """

    slot: ClassVar[str] = "tokenizer"
    num_tokens: int

    @property
    def token_features(self) -> list[list[str]]:
        """Names of the features that make each token; ``hyrec inspect`` prints them."""
        return [[] for _ in range(self.num_tokens)]

    @abstractmethod
    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Return the NS tokens."""


class SequenceEncoder(Component):
    """One layer over the events of one sequence. It never sees a candidate, so a request encodes once.

    Attributes:
        d_sequence: Width of the sequence that the next layer sees.
        d_memory: Width of the memory that this layer's decoder attends to.

    Shape:
        sequence: packed, width ``ctx.d_sequence``. Returns sequence and memory of the widths above.
    """

    slot: ClassVar[str] = "encoder"
    d_sequence: int
    d_memory: int

    @abstractmethod
    def forward(self, sequence: Sequence) -> SequenceStates:
        """Encode the events."""


class QueryGenerator(Component):
    """Makes the queries of every sequence, once, before the first layer.

    Shape:
        ns: ``(B, M, D)``; sequences: by name, R requests. Returns ``{sequence: (B, Q, D)}``, Q as in ``num_queries``.
    """

    slot: ClassVar[str] = "queries"
    num_queries: dict[str, int]

    @abstractmethod
    def forward(
        self, ns: Tensor, sequences: dict[str, Sequence], request_of: RequestMap | None = None
    ) -> dict[str, Tensor]:
        """Return the queries by sequence."""


class QueryDecoder(Component):
    """One layer in which the queries of one sequence read that sequence's memory.

    Shape:
        queries: ``(B, Q, D)``; memory: packed, R requests, width ``ctx.d_memory``. Returns ``(B, Q, D)``.
    """

    slot: ClassVar[str] = "decoder"

    def project(self, memory: Sequence) -> Any:
        """Return what ``forward`` takes in place of the memory and reads at less cost, such as its keys and values.

        It depends on the request alone, so that it can be kept while candidates come and go. Default: the memory.
        """
        return memory

    @abstractmethod
    def forward(self, queries: Tensor, memory: Sequence, request_of: RequestMap | None = None) -> Tensor:
        """Return the decoded queries."""


class TokenMixer(Component):
    """One layer in which all tokens of a sample exchange information.

    Attributes:
        needs_divisible_width: Whether D must be divisible by T.

    Shape:
        tokens: ``(B, T, D)``; returns the same shape.
    """

    slot: ClassVar[str] = "mixer"
    needs_divisible_width: ClassVar[bool] = False

    @abstractmethod
    def forward(self, tokens: Tensor) -> Tensor:
        """Return the mixed tokens."""


class UnifiedBlock(Component):
    """One layer over one stream: the events of a request, then the tokens of each of its samples.

    Events never see a token that may differ between the samples of a request (``ctx.candidate_dependent``), nor one
    that has seen such a token, so that a request encodes once. The tokens of a sample may see the events of its request
    and one another, never those of another sample. A block may hand on fewer events than it got.

    Shape:
        tokens: ``(B, T, D)``; events: packed, R requests, width D. Returns both, the tokens in the same shape.
    """

    slot: ClassVar[str] = "block"

    @abstractmethod
    def forward(
        self, tokens: Tensor, events: Sequence, request_of: RequestMap | None = None
    ) -> tuple[Tensor, Sequence]:
        """Return the tokens and the events that the next layer sees."""


class Backbone(Component):
    """Owns the loop over layers: what is encoded, decoded and mixed, and in which order.

    Shape:
        queries: ``{sequence: (B, Q, D)}``; ns: ``(B, M, D)``; sequences: packed, R requests. Returns ``Tokens``.
    """

    slot: ClassVar[str] = "backbone"

    def encode(self, sequences: dict[str, Sequence]) -> Any:
        """Return what ``forward`` takes in place of the sequences: all that no query and no NS token has a part in.

        Default: the sequences, from which every call encodes anew.
        """
        return sequences

    @abstractmethod
    def forward(
        self,
        queries: dict[str, Tensor],
        ns: Tensor,
        sequences: dict[str, Sequence],
        request_of: RequestMap | None = None,
    ) -> Tokens:
        """Run all layers."""


class Head(Component):
    """Turns the tokens of the last layer into one logit a task, in float32 or wider.

    Shape:
        tokens: ``Tokens``. Returns ``{task: (B,)}``.
    """

    slot: ClassVar[str] = "head"

    @abstractmethod
    def forward(self, tokens: Tokens) -> dict[str, Tensor]:
        """Return the logits by task."""


class Loss(Component):
    """Compares logits with labels.

    Attributes:
        compares_samples: Whether samples are compared with one another. Only then is ``request_of`` given; it joins
            the rows of one group where they are requests of their own.

    Shape:
        logits: ``{task: (B,)}``; labels: the same, NaN where unknown; weights: ``(B,)`` or None; request_of: which
            samples belong together, None when none do.
        Returns the scalar to minimise and the scalar parts to log.
    """

    slot: ClassVar[str] = "loss"
    compares_samples: ClassVar[bool] = False

    @abstractmethod
    def forward(
        self,
        logits: dict[str, Tensor],
        labels: dict[str, Tensor],
        weights: Tensor | None = None,
        request_of: RequestMap | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the total and its parts."""


SLOTS: dict[str, type[Component]] = {
    base.slot: base
    for base in (
        Tokenizer,
        SequenceEncoder,
        QueryGenerator,
        QueryDecoder,
        TokenMixer,
        UnifiedBlock,
        Backbone,
        Head,
        Loss,
    )
}
"""Base class of every slot of the network, by slot name."""


def components_of(module: nn.Module) -> list[Component]:
    """Return every component inside of a module, itself included, in the order of its modules."""
    return [part for part in module.modules() if isinstance(part, Component)]

"""One feature of a schema: where its values are, and what they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

PADDING_ID = 0
"""Fills a slot that holds nothing. Its embedding is zero and never trained."""
MISSING_ID = 1
"""The value exists but is not known (null in the file)."""
OOV_ID = 2
"""The value is known, but the vocabulary does not hold it."""
NUM_RESERVED_IDS = 3

_MAX_SIZE = 2**40

Kind = Literal["id", "multi_id", "weighted_ids", "dense"]
Role = Literal["user", "item", "context", "cross"]
Transform = Literal["none", "log1p", "standardize", "bucketize"]


class SchemaError(ValueError):
    """A schema that cannot be used. The message names the file, the feature and the remedy."""


@dataclass(frozen=True)
class Feature:
    """One column (or two, for ``weighted_ids``) of the data.

    The name of a column may lead to a field of structs, in lists or not (``past.item``).

    Args:
        kind: ``id`` (one integer or string), ``multi_id`` (a list of them), ``weighted_ids`` (a list of ids and
            an aligned list of weights) or ``dense`` (``width`` numbers).
        column: Column in the file. Empty: the feature's own name.
        weight_column: Column of the weights of ``weighted_ids``; the same as ``column`` where both are in a map.
        separator: Between the entries of lists that a file stores as texts (``17^4^33``); blank entries are missing.
            Lists of whole numbers (with ``vocab_size``) joined by ``^ | , ;`` or blanks are parted without it.
        vocab_size: Number of rows of the table, the three reserved ids included. Exclusive with ``hash_size``.
        hash_size: Number of buckets that ids (integers or strings) are hashed into, besides the reserved ids.
        offset: Added to every stored id before it is used. 0 for files that ``hyrec data build`` wrote (they hold
            final ids); 3 for raw ids that count from 0; 2 for raw ids that count from 1.
        table: Name of the embedding table. Features that name the same table share it. Empty: a table of its own.
        group: Semantic group, which becomes a token with ``GroupedTokens``. Empty: the role.
        role: Whose property this is. ``item`` and ``cross`` features differ between the candidates of a request.
        width: Numbers per row of a ``dense`` feature.
        max_length: Longest list that is kept of a list feature (the first entries). 0 keeps all.
        transform: What happens to a ``dense`` feature before the model sees it. ``log1p`` is
            ``sign(x) * log(1 + |x|)``; ``standardize`` is ``(x - mean) / std``; ``bucketize`` turns it into an id.
            The weights of ``weighted_ids`` know ``log1p`` alone: for counts, whose sums would drown all else.
        mean: For ``standardize``.
        std: For ``standardize``.
        boundaries: Ascending limits for ``bucketize``; ``n`` limits make ``n + 1`` buckets.
    """

    kind: Kind = "id"
    column: str = ""
    weight_column: str = ""
    separator: str = ""
    vocab_size: int = 0
    hash_size: int = 0
    offset: int = 0
    table: str = ""
    group: str = ""
    role: Role = "user"
    width: int = 1
    max_length: int = 0
    transform: Transform = "none"
    mean: float = 0.0
    std: float = 1.0
    boundaries: list[float] = field(default_factory=list)

    @property
    def is_embedded(self) -> bool:
        """Whether the feature looks up an embedding table."""
        return self.kind != "dense" or self.transform == "bucketize"

    @property
    def num_ids(self) -> int:
        """Rows of the embedding table, reserved ids included; 0 for a plain dense feature."""
        if self.kind == "dense":
            return len(self.boundaries) + 1 + NUM_RESERVED_IDS if self.transform == "bucketize" else 0
        return self.hash_size + NUM_RESERVED_IDS if self.hash_size else self.vocab_size


def validate_feature(feature: Feature, where: str) -> None:
    """Refuse a feature that cannot be used; ``where`` is its place in the schema."""
    for size in ("vocab_size", "hash_size", "max_length", "width", "offset"):
        if not (value := getattr(feature, size)) < _MAX_SIZE:
            raise SchemaError(f"{where}.{size} must be below 2^40 (no memory holds more), got {value}.")
        if value < (-_MAX_SIZE if size == "offset" else 0):
            raise SchemaError(f"{where}.{size} must not be negative, got {value}.")
    if feature.separator and (
        where.startswith("sequences.") or (feature.kind in ("id", "dense") and feature.width == 1)
    ):
        place = (
            "the sequence's own separator is for all its columns" if where.startswith("sequences.") else "it is no list"
        )
        raise SchemaError(f"{where}.separator={feature.separator!r} does nothing here: {place}. Drop it.")
    if feature.kind == "dense":
        _validate_dense(feature, where)
        return
    if bool(feature.vocab_size) == bool(feature.hash_size):
        raise SchemaError(
            f"{where} of kind {feature.kind!r} needs exactly one of vocab_size (rows of the table, the three "
            f"reserved ids included) and hash_size (buckets), got vocab_size={feature.vocab_size} and "
            f"hash_size={feature.hash_size}."
        )
    if feature.vocab_size and feature.vocab_size <= NUM_RESERVED_IDS:
        raise SchemaError(
            f"{where}.vocab_size={feature.vocab_size} leaves no room for values: ids 0, 1 and 2 are reserved "
            f"(padding, missing, out of vocabulary), so it must be at least {NUM_RESERVED_IDS + 1}."
        )
    if feature.hash_size and feature.offset:
        raise SchemaError(f"{where} has both hash_size and offset; a hashed id needs no offset.")
    of_weights = feature.kind == "weighted_ids" and feature.transform == "log1p"
    if (feature.transform != "none" and not of_weights) or feature.boundaries:
        raise SchemaError(
            f"{where} has a transform, which is for kind 'dense' (log1p also for the weights of 'weighted_ids'), but "
            f"its kind is {feature.kind!r}."
        )
    _refuse_options(feature, where, ("width", "mean", "std"), f"its kind is {feature.kind!r}, not 'dense'")
    if feature.kind == "id":
        _refuse_options(feature, where, ("max_length",), "its kind is 'id', which is no list")
    if (feature.kind == "weighted_ids") != bool(feature.weight_column):
        raise SchemaError(
            f"{where} has kind {feature.kind!r} and weight_column {feature.weight_column!r}: "
            "weight_column goes with kind 'weighted_ids' and only with it."
        )


def _refuse_options(feature: Feature, where: str, options: tuple[str, ...], reason: str) -> None:
    """Refuse options that would silently do nothing."""
    for name in options:
        if (value := getattr(feature, name)) != getattr(Feature, name):
            raise SchemaError(f"{where}.{name}={value!r} does nothing here: {reason}. Drop it.")


def _validate_dense(feature: Feature, where: str) -> None:
    inapplicable = ("weight_column", "vocab_size", "hash_size", "offset", "max_length")
    _refuse_options(feature, where, inapplicable, "its kind is 'dense'")
    if feature.width < 1:
        raise SchemaError(f"{where}.width must be at least 1, got {feature.width}.")
    if feature.transform == "standardize" and not feature.std > 0:
        raise SchemaError(f"{where}.std must be above 0, got {feature.std}.")
    if feature.transform != "standardize":
        _refuse_options(feature, where, ("mean", "std"), f"its transform is {feature.transform!r}")
    if feature.transform != "bucketize":
        if feature.boundaries:
            raise SchemaError(f"{where}.boundaries go with transform 'bucketize', got {feature.transform!r}.")
        if feature.table:
            raise SchemaError(f"{where} is dense and looks up no table; drop table or use transform 'bucketize'.")
        return
    if not feature.boundaries or feature.width != 1:
        raise SchemaError(
            f"{where} with transform 'bucketize' needs boundaries and width 1, got "
            f"boundaries={feature.boundaries} and width={feature.width}."
        )
    if any(b <= a for a, b in zip(feature.boundaries, feature.boundaries[1:], strict=False)):
        raise SchemaError(f"{where}.boundaries must ascend, got {feature.boundaries}.")

"""From ids and numbers to vectors: the layer below the tokenizer and the sequence encoders."""

from hyrec.embeddings.features import FeatureEmbeddings
from hyrec.embeddings.merging import SequenceMerging
from hyrec.embeddings.sequences import SequenceEmbedding, SequenceOptions
from hyrec.embeddings.tables import EmbeddingOptions

__all__ = ["EmbeddingOptions", "FeatureEmbeddings", "SequenceEmbedding", "SequenceMerging", "SequenceOptions"]

"""From ids and numbers to vectors: the layer below the tokenizer and the sequence encoders."""

from hyrec.embeddings.features import EmbeddingOptions, FeatureEmbeddings
from hyrec.embeddings.merging import SequenceMerging
from hyrec.embeddings.sequences import SequenceEmbedding, SequenceOptions

__all__ = ["EmbeddingOptions", "FeatureEmbeddings", "SequenceEmbedding", "SequenceMerging", "SequenceOptions"]

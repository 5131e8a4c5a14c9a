"""One layer in which the tokens of a sample exchange information."""

from hyrec.mixers.concat_mixer import ConcatMixer
from hyrec.mixers.identity import IdentityMixer
from hyrec.mixers.rankmixer import RankMixer
from hyrec.mixers.self_attention import SelfAttentionMixer
from hyrec.mixers.shared_mixer import SharedMixer
from hyrec.mixers.sparse_rankmixer import SparseRankMixer
from hyrec.mixers.wukong import Wukong

__all__ = [
    "ConcatMixer",
    "IdentityMixer",
    "RankMixer",
    "SelfAttentionMixer",
    "SharedMixer",
    "SparseRankMixer",
    "Wukong",
]

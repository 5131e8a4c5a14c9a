"""One layer in which the tokens of a sample exchange information."""

from hyrec.mixers.identity import IdentityMixer
from hyrec.mixers.rankmixer import RankMixer
from hyrec.mixers.self_attention import SelfAttentionMixer
from hyrec.mixers.wukong import Wukong

__all__ = ["IdentityMixer", "RankMixer", "SelfAttentionMixer", "Wukong"]

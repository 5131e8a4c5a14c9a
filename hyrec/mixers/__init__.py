"""One layer in which the tokens of a sample exchange information."""

from hyrec.mixers.identity import IdentityMixer
from hyrec.mixers.rankmixer import RankMixer
from hyrec.mixers.self_attention import SelfAttentionMixer

__all__ = ["IdentityMixer", "RankMixer", "SelfAttentionMixer"]

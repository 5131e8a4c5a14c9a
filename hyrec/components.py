"""Every component that hyrec brings; importing them lets YAML find each by its bare name."""

from hyrec.backbones import *  # noqa: F403
from hyrec.blocks import *  # noqa: F403
from hyrec.decoders import *  # noqa: F403
from hyrec.encoders import *  # noqa: F403
from hyrec.heads import *  # noqa: F403
from hyrec.losses import *  # noqa: F403
from hyrec.mixers import *  # noqa: F403
from hyrec.queries import *  # noqa: F403
from hyrec.tokenizers import *  # noqa: F403

"""Parameters and FLOPs of a training command, counted without allocating the model."""

from __future__ import annotations

from collections.abc import Sequence

from torch._subclasses.fake_tensor import FakeTensorMode

from hyrec.cli.inspect_command import ModelCLI, read_lengths
from hyrec.cli.inspection import ALL_MODULES, count_flops, count_parameters
from hyrec.ranker import Ranker
from hyrec.studies.matching import Costs


def costs_of(arguments: Sequence[str]) -> Costs:
    """Return what the model of a command costs; the figures are those of ``hyrec inspect``.

    Args:
        arguments: What follows ``hyrec fit``.

    Raises:
        CommandError: For arguments that cannot be used.
        ValueError: From a component that cannot be built with them.
    """
    return CountingCLI(arguments).costs()


class CountingCLI(ModelCLI):
    """Parse a training command once, and count its model at any width.

    Args:
        arguments: What follows ``hyrec fit``.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(list(arguments))

    def instantiate_classes(self) -> None:
        """Build nothing yet."""

    def _add_instantiators(self) -> None:
        """Leave out what puts the config into checkpoints: it takes longer than counting."""

    @property
    def width(self) -> int:
        """The ``d_model`` of the command."""
        return int(self.config.model.init_args.d_model)

    def costs(self, width: int | None = None) -> Costs:
        """Count the model.

        Args:
            width: Its ``d_model``. Default: that of the command.

        Raises:
            ValueError: From a component that cannot be built at this width.
        """
        return count(*self.build_at(self.width if width is None else width))

    def build_at(self, width: int) -> tuple[Ranker, FakeTensorMode]:
        """Build the model without memory, and return it with the mode that its tensors live in.

        Args:
            width: Its ``d_model``.

        Raises:
            ValueError: From a component that cannot be built at this width.
        """
        options = self.config.model.clone()
        options.init_args.d_model = width
        return self.build(options)


def count(model: Ranker, mode: FakeTensorMode) -> Costs:
    """Count a model that was built in a fake tensor mode.

    Args:
        model: The model.
        mode: The mode.
    """
    flops = count_flops(model, mode, lengths=read_lengths("", model.schema), candidates=1)
    dense, sparse = count_parameters(model)
    return Costs(dense, sparse, flops.get(ALL_MODULES, 0.0), model.network.ctx.num_tokens)

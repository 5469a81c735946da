"""Inputs of a network beyond those of its family, such as the weights of LoRAs, which layers inside it read.

A module that reads one declares it with `declare_extra_input`. The graphs of `pipeline.graphs` then take it as a
further named tensor, so that every accelerator has it, and set it for the time of each call.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_ATTRIBUTE = "extra_inputs"


class ExtraInputs:
    """Extra inputs of one network. Layers hold this object and read the tensors of the present call from it.

    It is no module and no tensor: a deep copy of the network has a copy that its own layers share, and graph exporters
    see the inputs that layers read, and no attribute of the network change.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        """Names of the inputs, in the order in which they were declared."""
        self._present: dict[str, torch.Tensor] = {}

    def __getitem__(self, name: str) -> torch.Tensor:
        """Return an input of the present call, ``[B, …]``."""
        return self._present[name]

    @contextmanager
    def given(self, tensors: Sequence[torch.Tensor]) -> Iterator[None]:
        """Set the inputs of a call, in the order of `names`."""
        self._present = dict(zip(self.names, tensors, strict=True))
        try:
            yield
        finally:
            self._present = {}


def declare_extra_input(network: Any, name: str) -> ExtraInputs:
    """Declare an input of a network by name, and return the object from which its layers read it.

    An input that is declared already keeps its place.
    """
    if _ATTRIBUTE not in vars(network):
        setattr(network, _ATTRIBUTE, ExtraInputs())
    inputs: ExtraInputs = getattr(network, _ATTRIBUTE)
    inputs.names += () if name in inputs.names else (name,)
    return inputs


def extra_inputs_of(module: nn.Module) -> ExtraInputs:
    """Return the extra inputs of the network that is or is inside a module. Most have none."""
    found = (vars(each)[_ATTRIBUTE] for each in module.modules() if _ATTRIBUTE in vars(each))
    inputs: ExtraInputs = next(found, ExtraInputs())
    return inputs

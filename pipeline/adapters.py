"""`Adapters`: networks that are put on a model, its LoRAs and its ControlNet, with the inputs that they add."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from pipeline.controlnet.controlled_unet import PICTURE, SCALE, ControlledUNet
from pipeline.controlnet.controlnet_folder import ControlNetFolder, open_controlnet
from pipeline.families.family import Config, Family
from pipeline.loras.lora_set import NO_LORAS, LoraSet, open_loras


@dataclass(frozen=True)
class Adapters:
    """Everything that is put on one model. All of it is optional."""

    loras: LoraSet = NO_LORAS
    controlnet: ControlNetFolder | None = None

    @property
    def words(self) -> str:
        """Names of the files behind the name of a model, for people; empty for none."""
        return self.loras.words + (f" with ControlNet {self.controlnet.path.name}" if self.controlnet else "")

    @property
    def digests(self) -> tuple[str, ...]:
        """Digests of the files, a part of the key of everything that is compiled with them."""
        return self.loras.digests + ((f"ControlNet {self.controlnet.digest}",) if self.controlnet else ())

    @property
    def numbers(self) -> tuple[tuple[str, int], ...]:
        """Extra inputs of numbers (`pipeline.extra_inputs`): the name of each, and its numbers a row."""
        return self.loras.numbers + (((SCALE, 1),) if self.controlnet else ())

    def tensors(self, width: int, height: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Return the extra inputs of one tensor a picture: the name of each and its shape, at a size in pixels."""
        return ((PICTURE, (3, height, width)),) if self.controlnet else ()

    def put_on(self, network: Any, component: str, dtype: torch.dtype) -> Any:
        """Return the network of a component with what is put on it, all or nothing.

        Args:
            network: The network, on the processor. Its layers may be replaced.
            component: Name of the component.
            dtype: Type of its weights.

        Raises:
            ModelError: a file does not fit.
        """
        beside = self.controlnet.read(dtype) if self.controlnet and component == "unet" else None
        self.loras.add_to(network, component)
        return network if beside is None else ControlledUNet(network, beside)


NO_ADAPTERS = Adapters()


def open_adapters(
    loras: Sequence[str],
    controlnet: str,
    model: str,
    family: Family,
    config: Config,
    parts: Collection[str],
    factor: int,
) -> Adapters:
    """Return what is put on a model, after checking all that headers and configurations tell.

    Args:
        loras: LoRA files. Empty names are none.
        controlnet: Folder of the ControlNet, empty for none.
        model: Name of the model.
        family: Its family.
        config: Configuration of its network.
        parts: Components of its folder.
        factor: Pixels along a side of one latent pixel.

    Raises:
        ModelError: a file can't be read, or is known to be for another kind of model.
    """
    return Adapters(
        open_loras(loras, model, family, config, parts), open_controlnet(controlnet, model, family, config, factor)
    )
